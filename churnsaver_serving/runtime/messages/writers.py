"""Models that write live text: transformers or OpenVINO GenAI, from a local directory.

Install the extra `churnsaver[live]`. Nothing of it is imported before a writer is opened.
"""

import time
from pathlib import Path
from secrets import randbits
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.messages.bank import Sha256
from churnsaver_serving.runtime.messages.generation import Writer

WRITER_FILE = "live.json"


class WriterError(ValueError):
    """A directory that holds no live model: names what is missing or wrong."""


class UnfinishedError(Exception):
    """The model was cut off, so what it wrote has no end."""


class WriterSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a live model needs beside its weights.

    Attributes:
        checkpoint: SHA-256 of the model that was trained.
        max_new_tokens: Longest body, end token included.
        temperature: Temperature of the softmax.
        prompts: Prompts by `MessageContext.key`, in the model's chat format, up to and with the
            assistant's turn, as in training.
    """

    checkpoint: Sha256
    max_new_tokens: Annotated[int, Meta(ge=1)]
    temperature: Annotated[float, Meta(gt=0)]
    prompts: Annotated[dict[str, str], Meta(min_length=1)]

    def prompt(self, context: MessageContext) -> str:
        """Return the prompt of a context.

        Raises:
            WriterError: There is no prompt for it.
        """
        if context.key not in self.prompts:
            raise WriterError(f"{WRITER_FILE} has no prompt for {context.key}")
        return self.prompts[context.key]


def open_writer(directory: Path, *, limit_s: float) -> Writer:
    """Load the model of a directory.

    Args:
        directory: Folder with `live.json` and either a GGUF file, an OpenVINO model
            (`openvino_model.xml`), or a transformers one (`model.safetensors`).
        limit_s: Longest that one text may take; the model is stopped then.

    Raises:
        WriterError: The directory holds no model, or its libraries are not installed.
    """
    spec = _read_spec(directory)
    try:
        if gguf := sorted(directory.glob("*.gguf")):
            return OpenVinoWriter(gguf[0], spec, limit_s=limit_s)
        if (directory / "openvino_model.xml").exists():
            return OpenVinoWriter(directory, spec, limit_s=limit_s)
        if (directory / "model.safetensors").exists():
            return TransformersWriter(directory, spec, limit_s=limit_s)
    except ImportError as error:
        raise WriterError(
            f"{directory}: {error.name} is not installed; install the extra `churnsaver[live]`"
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise WriterError(f"{directory} can't be loaded: {error}") from error
    raise WriterError(
        f"{directory} has no model: expected *.gguf, openvino_model.xml or model.safetensors"
    )


class TransformersWriter:
    """A writer with a causal language model of transformers, on the CPU.

    Args:
        directory: Folder as `save_pretrained` wrote it, tokenizer included.
        spec: Prompts and sampling.
        limit_s: Longest that one text may take.
    """

    def __init__(self, directory: Path, spec: WriterSpec, *, limit_s: float) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.seed()  # else every server draws the same
        self.checkpoint = spec.checkpoint
        self._spec = spec
        self._limit_s = limit_s
        self._tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(
            directory, dtype="bfloat16", local_files_only=True
        )
        self._model = model.eval()

    def write(self, context: MessageContext) -> str:
        """Write a body for the context; see `Writer`.

        Raises:
            UnfinishedError: It was cut off by its length or its time.
        """
        import torch

        tokenizer = self._tokenizer
        inputs = tokenizer(
            self._spec.prompt(context), return_tensors="pt", add_special_tokens=False
        )
        with torch.inference_mode():
            rows = self._model.generate(
                **inputs,
                do_sample=True,
                temperature=self._spec.temperature,
                top_k=0,
                top_p=1.0,
                max_new_tokens=self._spec.max_new_tokens,
                max_time=self._limit_s,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        written = rows[0, inputs["input_ids"].shape[1] :]
        if not len(written) or int(written[-1]) != tokenizer.eos_token_id:
            raise UnfinishedError(f"cut off after {len(written)} tokens")
        return str(tokenizer.decode(written, skip_special_tokens=True)).strip()


class OpenVinoWriter:
    """A writer with OpenVINO GenAI, on the CPU.

    Args:
        path: A GGUF file, or a directory that holds an OpenVINO model.
        spec: Prompts and sampling.
        limit_s: Longest that one text may take.
    """

    def __init__(self, path: Path, spec: WriterSpec, *, limit_s: float) -> None:
        import openvino_genai

        self.checkpoint = spec.checkpoint
        self._spec = spec
        self._limit_s = limit_s
        self._genai: Any = openvino_genai
        self._pipeline: Any = openvino_genai.LLMPipeline(str(path), "CPU")

    def write(self, context: MessageContext) -> str:
        """Write a body for the context; see `Writer`.

        Raises:
            UnfinishedError: It was cut off by its length or its time.
        """
        genai, until = self._genai, time.monotonic() + self._limit_s
        status = genai.StreamingStatus

        def go_on(_: str) -> Any:  # noqa: ANN401 - an enum of the library
            return status.RUNNING if time.monotonic() < until else status.CANCEL

        config = self._pipeline.get_generation_config()
        config.apply_chat_template = False  # the prompt has it already
        config.max_new_tokens = self._spec.max_new_tokens
        config.do_sample = True
        config.temperature = self._spec.temperature
        config.top_k, config.top_p = 2**31 - 1, 1.0
        config.rng_seed = randbits(31)  # else every call draws the same
        result = self._pipeline.generate([self._spec.prompt(context)], config, go_on)
        if result.finish_reasons[0] != genai.GenerationFinishReason.STOP:
            raise UnfinishedError(f"cut off: {result.finish_reasons[0]}")
        return str(result.texts[0]).strip()


def _read_spec(directory: Path) -> WriterSpec:
    path = directory / WRITER_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=WriterSpec)
    except OSError as error:
        raise WriterError(f"{path} can't be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise WriterError(f"{path} can't be read: {error}") from error
