"""Converted base models kept once a machine, as converting one takes longer than copying it.

Only what comes out of an installed package is kept: a model from the hub has the hub's own cache.
"""

import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec

from churnsaver_assets.common.atomic import new_folder, write_bytes
from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.experiments.text_spec import BaseModelSpec
from churnsaver_assets.text.model import base_model, loading, tokenizers
from churnsaver_assets.text.model.base_model import BaseModelReport, make_base_model, package_file
from churnsaver_assets.text.model.loading import directory_sha256

_MODEL, _REPORT = "model", "report.json"
_CODE = (base_model, loading, tokenizers)
_LIBRARIES = ("gguf", "safetensors", "tokenizers", "torch", "transformers")


def cache_folder() -> Path | None:
    """Return the folder for what is the same for every checkout and home on this machine.

    `CHURNSAVER_CACHE` names it; else it is `churnsaver` in the user's cache folder, as the XDG base
    directory specification has it. A user without a home has none.
    """
    if named := os.environ.get("CHURNSAVER_CACHE"):
        return Path(named).expanduser()
    if own := os.environ.get("XDG_CACHE_HOME"):
        return Path(own) / "churnsaver"
    try:
        return Path.home() / ".cache" / "churnsaver"
    except RuntimeError:
        return None


def cached_base_model(
    spec: BaseModelSpec, target: Path, *, told: Callable[[str], None]
) -> BaseModelReport:
    """Write the base model's directory, from the cache where it holds the same conversion.

    A conversion is the same where source file, converting code and libraries are. What is taken
    from the cache is verified by its hash; a damaged entry is made anew.

    Args:
        spec: Place of the model.
        target: Model directory to write; an earlier one is replaced.
        told: Function that is told, in a sentence, what the cache gave.

    Raises:
        BaseModelError: The model can't be read, or doesn't come back from disk as it was.
        ModelDirectoryError: The model can't be written.
        TokenizerError: The tokenizer can't be mended.
    """
    cache = cache_folder()
    if spec.source != "package" or cache is None:
        return make_base_model(spec, target)
    kept = cache / "base_models" / _key(spec, package_file(spec.name))
    if kept.is_dir():
        found = _take(kept, target, told)
        if found is not None:
            return found
    report = make_base_model(spec, target)
    _keep(kept, target, report, told)
    return report


def _key(spec: BaseModelSpec, source: Path) -> str:
    return fingerprint(
        spec,
        source.read_bytes(),
        *(Path(str(module.__file__)).read_bytes() for module in _CODE),
        {name: version(name) for name in _LIBRARIES},
    )


def _take(kept: Path, target: Path, told: Callable[[str], None]) -> BaseModelReport | None:
    """Copy a kept model; None where it is damaged, and then it is removed."""
    try:
        report = msgspec.json.decode((kept / _REPORT).read_bytes(), type=BaseModelReport)
        with new_folder(target) as folder:
            shutil.copytree(kept / _MODEL, folder, dirs_exist_ok=True)
            _verify(folder, report)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        told(f"{kept} is damaged ({error}): the model is converted anew")
        shutil.rmtree(kept, ignore_errors=True)
        return None
    told(f"converted before, taken from {kept}")
    return report


def _verify(folder: Path, report: BaseModelReport) -> None:
    if directory_sha256(folder) != report.sha256:
        raise ValueError("its files have another hash than its report says")


def _keep(kept: Path, model: Path, report: BaseModelReport, told: Callable[[str], None]) -> None:
    """Put a model into the cache. A cache that can't be written costs time, and stops nothing."""
    # Two runs may convert at once: each fills a folder of its own, and one takes the place.
    own = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        with new_folder(own) as folder:
            shutil.copytree(model, folder / _MODEL)
            write_bytes(folder / _REPORT, msgspec.json.encode(report))
        if kept.exists():
            shutil.rmtree(own)
        else:
            own.rename(kept)
    except OSError as error:
        told(f"the converted model can't be kept for the next time: {error}")
