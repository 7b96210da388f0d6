"""Model directories: what is written, what is refused, and that they come back the same."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.model.loading import (
    HardwareError,
    ModelDirectoryError,
    directory_sha256,
    load_for_training,
    load_model,
    load_tokenizer,
    prepare,
    quiet,
    save_model,
)
from tests.support.text.models import HARDWARE, demonstrations, greedy


def test_a_model_comes_back_as_it_was_saved(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    model, tokenizer = load_model(tiny_model, HARDWARE, dtype="float32"), load_tokenizer(tiny_model)
    save_model(model, tokenizer, tmp_path / "copy")
    again = load_model(tmp_path / "copy", HARDWARE, dtype="float32")

    assert model.dtype == again.dtype == torch.float32
    assert not again.training
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name]), name
    prompt = demonstrations(tokenizer, 1)[0].prompt
    assert greedy(model, tokenizer, prompt) == greedy(
        again, load_tokenizer(tmp_path / "copy"), prompt
    )
    assert json.loads((tmp_path / "copy/config.json").read_text())["dtype"] == "float16"


def test_only_open_files_are_written_and_none_names_this_machine(
    tiny_model: Path, tmp_path: Path
) -> None:
    model, tokenizer = load_model(tiny_model, HARDWARE, dtype="float32"), load_tokenizer(tiny_model)
    save_model(model, tokenizer, tmp_path / "model")
    written = {path.name for path in (tmp_path / "model").iterdir()}
    assert written == {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    for path in (tmp_path / "model").iterdir():
        assert str(tiny_model).encode() not in path.read_bytes(), path.name
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_place_taken_by_something_else_is_left_alone(tiny_model: Path, tmp_path: Path) -> None:
    model, tokenizer = load_model(tiny_model, HARDWARE, dtype="float32"), load_tokenizer(tiny_model)
    (tmp_path / "training_args.bin").write_bytes(b"a pickle")
    with pytest.raises(ModelDirectoryError, match=r"training_args\.bin"):
        save_model(model, tokenizer, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["training_args.bin"]


def test_a_model_that_cannot_be_written_leaves_the_old_one(
    tiny_model: Path, tmp_path: Path
) -> None:
    import torch

    target = tmp_path / "model"
    shutil.copytree(tiny_model, target)
    before = directory_sha256(target)
    model, tokenizer = load_model(tiny_model, HARDWARE, dtype="float32"), load_tokenizer(tiny_model)
    first = next(model.parameters())
    for bad in (float("nan"), 1e6):
        with torch.no_grad():
            first[0, 0] = bad
        with pytest.raises(ModelDirectoryError, match="fp16"):
            save_model(model, tokenizer, target)
    assert directory_sha256(target) == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_adapters_must_be_merged_first(tiny_model: Path, tmp_path: Path) -> None:
    from peft import get_peft_model

    from churnsaver_assets.text.model.adapters import lora_config
    from tests.support.text.models import LORA

    model, tokenizer = load_model(tiny_model, HARDWARE, dtype="float32"), load_tokenizer(tiny_model)
    with quiet():
        adapted = get_peft_model(model, lora_config(LORA))
    with pytest.raises(ModelDirectoryError, match="merge"):
        save_model(adapted, tokenizer, tmp_path / "model")  # type: ignore[arg-type]


def test_a_tokenizer_that_pads_with_its_end_token_is_refused(
    tiny_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    path = tmp_path / "model/tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"pad_token": config["eos_token"]}))
    with pytest.raises(ModelDirectoryError, match="make_base_model"):
        load_tokenizer(tmp_path / "model")


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelDirectoryError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)
    with pytest.raises(ModelDirectoryError, match=r"config\.json"):
        load_model(tmp_path, HARDWARE, dtype="float32")
    with pytest.raises(ModelDirectoryError, match="no files"):
        directory_sha256(tmp_path)


def test_batches_are_padded_on_the_left(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    batch = tokenizer(["Hello", "Hello there, you"], padding=True)["input_ids"]
    assert batch[0][0] == tokenizer.pad_token_id
    assert batch[0][-1] != tokenizer.pad_token_id


def test_threads_and_device_are_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        assert prepare(HARDWARE.model_copy(update={"threads": 2})) == torch.device("cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert prepare(HARDWARE.model_copy(update={"device": "auto"})) == torch.device("cuda", 3)
    assert prepare(HARDWARE) == torch.device("cpu")


def test_cuda_that_is_not_there_is_an_error(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(HardwareError, match="no CUDA device"):
        prepare(HARDWARE.model_copy(update={"device": "cuda"}))
    with pytest.raises(HardwareError, match=r"4bit.*CUDA"):
        load_for_training(tiny_model, HARDWARE.model_copy(update={"quantisation": "4bit"}))


def test_quiet_puts_everything_back() -> None:
    import datasets
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    bars = datasets.are_progress_bars_disabled()
    with quiet():
        assert logging.get_verbosity() == logging.ERROR
        assert not logging.is_progress_bar_enabled()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    assert datasets.are_progress_bars_disabled() == bars


_FILES = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.binary(max_size=4), min_size=1, max_size=4
)


@given(first=_FILES, second=_FILES)
def test_the_hash_tells_folders_apart(
    first: dict[str, bytes], second: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    hashes = []
    for files in (first, second):
        folder = tmp_path_factory.mktemp("hashed")
        for name, content in reversed(files.items()):
            (folder / name).write_bytes(content)
        hashes.append(directory_sha256(folder))
    assert (hashes[0] == hashes[1]) == (first == second)
