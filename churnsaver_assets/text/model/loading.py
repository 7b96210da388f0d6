"""Model directories: how they are read, written and told apart."""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from churnsaver_assets.common.atomic import new_folder
from churnsaver_assets.experiments.text_spec import HardwareSpec
from churnsaver_assets.text.model.memory import keep_freed_memory

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase

DType = Literal["float32", "bfloat16"]

# Nothing in a model directory can hold code: JSON, safetensors, and the chat template as text.
_OPEN_FILE = re.compile(r"[\w-]+\.json|model(-\d{5}-of-\d{5})?\.safetensors|chat_template\.jinja")


class ModelDirectoryError(ValueError):
    """A folder that isn't a model directory, or a model that can't become one; says why."""


class HardwareError(RuntimeError):
    """The machine lacks what the settings ask for."""


def prepare(hardware: HardwareSpec) -> torch.device:
    """Set torch's threads and what becomes of freed memory, and say which device to use.

    Under `accelerate launch` each process gets the GPU of its local rank.

    Raises:
        HardwareError: CUDA or quantisation is asked for and isn't there.
    """
    torch.set_num_threads(hardware.threads)
    cuda = torch.cuda.is_available()
    if hardware.device == "cuda" and not cuda:
        raise HardwareError(
            "hardware.device is `cuda`, but torch finds no CUDA device: install a CUDA build of "
            "torch and its driver, or set `auto` or `cpu`"
        )
    if hardware.device == "cpu" or not cuda:
        keep_freed_memory()
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars and notices of transformers and datasets while the block runs."""
    import datasets  # type: ignore[import-untyped]
    from transformers.utils import logging

    notices: Any = logging
    level, bars = notices.get_verbosity(), notices.is_progress_bar_enabled()
    no_data_bars = datasets.are_progress_bars_disabled()
    notices.set_verbosity_error()
    notices.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            # TRL's configurations and transformers itself still use the old name.
            warnings.filterwarnings("ignore", ".*gradient_checkpointing. is dep", FutureWarning)
            yield
    finally:
        notices.set_verbosity(level)
        if bars:
            notices.enable_progress_bar()
        if not no_data_bars:
            datasets.enable_progress_bars()


def load_tokenizer(directory: Path) -> "PreTrainedTokenizerBase":
    """Load the tokenizer of a model directory, padding on the left.

    Raises:
        ModelDirectoryError: There is no tokenizer, or its pad token is also its end token.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerBase

    _expect(directory, "tokenizer.json")
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(
            directory, padding_side="left", local_files_only=True
        )
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise ModelDirectoryError(f"{directory}: expected a tokenizer, got {type(tokenizer)}")
    if tokenizer.eos_token_id is None or tokenizer.pad_token_id in {None, tokenizer.eos_token_id}:
        raise ModelDirectoryError(
            f"{directory}: the tokenizer needs an end token ({tokenizer.eos_token!r}) and another "
            f"one to pad with ({tokenizer.pad_token!r}); make the directory with make_base_model"
        )
    return tokenizer


def load_model(directory: Path, hardware: HardwareSpec, *, dtype: DType) -> "PreTrainedModel":
    """Load a model directory in evaluation mode, on the device, never quantised.

    Args:
        directory: Model directory, as `save_model` writes it.
        hardware: Threads and device.
        dtype: Type of the weights in memory: float32 to train or compare, bfloat16 to generate.

    Raises:
        ModelDirectoryError: There is no model in the directory.
        HardwareError: CUDA is asked for and isn't there.
    """
    return read_model(directory, prepare(hardware), dtype=getattr(torch, dtype))


def load_for_training(directory: Path, hardware: HardwareSpec) -> "PreTrainedModel":
    """Load a model for LoRA: in float32, or frozen in 8 or 4 bits (Dettmers et al. 2023).

    Raises:
        ModelDirectoryError: There is no model in the directory.
        HardwareError: Quantisation is asked for where there is no CUDA or no bitsandbytes.
    """
    device = prepare(hardware)
    if hardware.quantisation == "none":
        model = read_model(directory, device, dtype=torch.float32)
        if device.type == "cpu":
            # At a message's length, SDPA's bf16 backward on a CPU takes five times the plain one's.
            model.set_attn_implementation("eager")
        return model
    if device.type != "cuda":
        raise HardwareError(
            f"hardware.quantisation is `{hardware.quantisation}`, which needs a CUDA device; "
            "set `none` on a CPU"
        )
    if find_spec("bitsandbytes") is None:
        raise HardwareError(
            f"hardware.quantisation is `{hardware.quantisation}`, which needs bitsandbytes: "
            "pip install bitsandbytes, or set `none`"
        )
    from peft import prepare_model_for_kbit_training
    from transformers import BitsAndBytesConfig

    bits: dict[str, object] = (
        {"load_in_8bit": True}
        if hardware.quantisation == "8bit"
        else {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True,
            "bnb_4bit_compute_dtype": torch.bfloat16,
        }
    )
    config = BitsAndBytesConfig(**bits)  # type: ignore[no-untyped-call]
    model = read_model(directory, device, dtype=torch.bfloat16, quantisation=config)
    prepared: PreTrainedModel = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
        model, use_gradient_checkpointing=hardware.gradient_checkpointing
    )
    return prepared


def read_model(
    directory: Path,
    device: torch.device,
    *,
    dtype: torch.dtype,
    quantisation: "BitsAndBytesConfig | None" = None,
) -> "PreTrainedModel":
    """Load a model directory in evaluation mode; sets no threads.

    Args:
        directory: Model directory, as `save_model` writes it.
        device: Device of the weights.
        dtype: Type of the weights in memory.
        quantisation: Quantisation of the weights, on a CUDA device; None for none.

    Raises:
        ModelDirectoryError: There is no model in the directory.
    """
    from transformers import AutoModelForCausalLM, PreTrainedModel

    _expect(directory, "config.json")
    placed: dict[str, object] = (
        {}
        if quantisation is None
        else {"quantization_config": quantisation, "device_map": {"": device}}
    )
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(
            directory, dtype=dtype, local_files_only=True, use_safetensors=True, **placed
        )
    if not isinstance(model, PreTrainedModel):
        raise ModelDirectoryError(f"{directory}: expected a language model, got {type(model)}")
    if quantisation is None:
        model.to(device)  # type: ignore[arg-type]
    model.eval()  # type: ignore[no-untyped-call]
    return model


def _expect(directory: Path, name: str) -> None:
    if not (directory / name).is_file():
        raise ModelDirectoryError(
            f"{directory} has no {name}: expected a model directory, as make_base_model and "
            "save_model write it"
        )


def save_model(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", directory: Path
) -> None:
    """Write a model directory: fp16 safetensors, JSON and the chat template; nothing else.

    Adapters must be merged before. The directory appears whole or not at all; one that lies there
    is replaced if it is a model directory too.

    Args:
        model: Model without adapters; it isn't changed.
        tokenizer: The model's tokenizer; it isn't changed.
        directory: Directory to write.

    Raises:
        ModelDirectoryError: Adapters or quantised weights are left, a weight is too large for fp16
            or not finite, the place is taken by something else, or a library wrote a file that
            isn't a known open one.
    """
    names = [name for name, _ in model.named_parameters()]
    if any("lora_" in name for name in names):
        raise ModelDirectoryError("the model still has adapters: merge them before saving")
    if getattr(model, "quantization_method", None) is not None:
        raise ModelDirectoryError("the model is quantised: merge into a float32 copy and save that")
    if directory.exists():
        _only_open_files(directory)
    halves = _as_half(model)
    with new_folder(directory) as folder:
        with quiet():
            model.save_pretrained(folder, state_dict=halves)
            tokenizer.save_pretrained(folder)
        _say_half(folder / "config.json")
        _only_open_files(folder)


def _as_half(model: "PreTrainedModel") -> dict[str, torch.Tensor]:
    """Return the weights in fp16; tied ones stay one tensor, so they are written once."""
    halves: dict[str, torch.Tensor] = {}
    done: dict[int, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        half = done.setdefault(tensor.data_ptr(), tensor.to("cpu", torch.float16))
        if not bool(torch.isfinite(half).all()):
            raise ModelDirectoryError(f"{name} has weights that fp16 can't hold, or that diverged")
        halves[name] = half
    return halves


def _say_half(path: Path) -> None:
    """Set the type in the config to the file's: the library writes the one in memory."""
    config = json.loads(path.read_bytes())
    path.write_text(json.dumps(config | {"dtype": "float16"}, indent=2, sort_keys=True) + "\n")


def _only_open_files(directory: Path) -> None:
    other = sorted(
        path.name
        for path in directory.iterdir()
        if not path.is_file() or not _OPEN_FILE.fullmatch(path.name)
    )
    if other:
        raise ModelDirectoryError(
            f"{directory} holds {', '.join(other)}: a model directory has only JSON, safetensors "
            "and chat_template.jinja; choose another directory, or remove what isn't one of them"
        )


def directory_sha256(directory: Path, *, without: Collection[str] = ()) -> str:
    """Hash the names and bytes of every file in a folder.

    Args:
        directory: Local folder.
        without: Names of files that don't count.

    Raises:
        ModelDirectoryError: There is no file.
    """
    files = sorted(
        path for path in directory.rglob("*") if path.is_file() and path.name not in without
    )
    if not files:
        raise ModelDirectoryError(f"{directory}: no files to hash")
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{path.relative_to(directory).as_posix()}\n{content}\n".encode())
    return digest.hexdigest()
