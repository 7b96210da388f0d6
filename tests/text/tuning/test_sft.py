"""Supervised fine-tuning: what is learnt, what is dropped, and that a cut run goes on."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from churnsaver_assets.common.checkpoint_file import CheckpointError
from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import BaseModelSpec, FineTuneSpec, HardwareSpec
from churnsaver_assets.text.model import adapters
from churnsaver_assets.text.model.base_model import make_base_model
from churnsaver_assets.text.model.loading import (
    ModelDirectoryError,
    directory_sha256,
    load_model,
    load_tokenizer,
)
from churnsaver_assets.text.records import Demonstration
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.tuning.sft import FineTuneReport, fine_tune
from churnsaver_assets.text.tuning.training import TrainingDataError
from tests.support import PYTHON_PATH
from tests.support.text.models import (
    FINE_TUNE,
    HARDWARE,
    LORA,
    REPLY,
    demonstrations,
    greedy,
    tiny_opt,
)


def _run(
    model_dir: Path,
    folder: Path,
    rows: list[Demonstration],
    *,
    spec: FineTuneSpec = FINE_TUNE,
    hardware: HardwareSpec = HARDWARE,
    seed: int = 42,
    progress: Progress | None = None,
) -> FineTuneReport:
    return fine_tune(
        model_dir,
        rows,
        rows[:12],
        spec,
        LORA,
        run=Run(hardware, seed, folder / "checkpoints", progress),
        target=folder / "target",
    )


@pytest.fixture(scope="module")
def trained(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FineTuneReport, Path]:
    folder = tmp_path_factory.mktemp("trained")
    report = _run(tiny_model, folder, demonstrations(load_tokenizer(tiny_model), 48))
    return report, folder


def test_the_loss_falls_and_held_out_replies_get_likelier(
    trained: tuple[FineTuneReport, Path],
) -> None:
    report, _ = trained
    assert [point.step for point in report.loss] == list(range(1, FINE_TUNE.steps + 1))
    assert report.loss[-1].loss < 0.5 * report.loss[0].loss
    assert max(point.learning_rate for point in report.loss) == FINE_TUNE.learning_rate
    assert report.loss[-1].learning_rate < 0.02 * FINE_TUNE.learning_rate
    found = report.perplexity
    assert found.log_difference.high < 0
    assert found.after.perplexity.high < found.before.perplexity.low
    assert (found.after.rows, report.rows, report.dropped) == (12, 40, 0)
    assert report.seconds_per_step is not None
    assert report.resumed_from == 0


def test_the_model_learns_to_end_and_answers_the_same_from_disk(
    tiny_model: Path, trained: tuple[FineTuneReport, Path], tmp_path: Path
) -> None:
    report, folder = trained
    tokenizer = load_tokenizer(folder / "target")
    prompt = demonstrations(tokenizer, 1)[0].prompt
    answer = greedy(load_model(folder / "target", HARDWARE, dtype="float32"), tokenizer, prompt)
    assert answer == (REPLY, True)
    assert greedy(load_model(tiny_model, HARDWARE, dtype="float32"), tokenizer, prompt) != answer

    shutil.copytree(folder / "target", tmp_path / "moved")
    moved = load_model(tmp_path / "moved", HARDWARE, dtype="float32")
    assert greedy(moved, load_tokenizer(tmp_path / "moved"), prompt) == answer
    assert directory_sha256(tmp_path / "moved") == report.sha256


def test_merged_weights_answer_as_the_adapters_did(trained: tuple[FineTuneReport, Path]) -> None:
    report, folder = trained
    assert 0 < report.merged.logit_difference < 0.05
    assert 0 <= report.merged.kl < 1e-4
    assert not [path for path in (folder / "target").iterdir() if path.suffix in {".bin", ".pt"}]


@pytest.fixture(scope="module")
def killed(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of a run that SIGKILL ended at step 14, two steps after one was written."""
    folder = tmp_path_factory.mktemp("killed")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.text.sft_process",
            str(tiny_model),
            str(folder),
            "14",
        ],
        env=os.environ | {"PYTHONPATH": PYTHON_PATH},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (folder / "target").exists()
    return folder / "checkpoints"


@pytest.mark.parametrize(("cut", "start"), [(False, 12), (True, 6)])
def test_a_killed_run_goes_on_and_ends_where_it_would_have(
    tiny_model: Path,
    trained: tuple[FineTuneReport, Path],
    killed: Path,
    tmp_path: Path,
    *,
    cut: bool,
    start: int,
) -> None:
    shutil.copytree(killed, tmp_path / "checkpoints")
    if cut:
        weights = tmp_path / "checkpoints/checkpoint-12/adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    # One that was being written when the run was cut.
    (tmp_path / "checkpoints/checkpoint-18").mkdir()
    seen: list[int] = []
    report = _run(
        tiny_model,
        tmp_path,
        demonstrations(load_tokenizer(tiny_model), 48),
        progress=lambda done, _steps, _line: seen.append(done),
    )
    assert seen == list(range(start + 1, FINE_TUNE.steps + 1))
    assert report.resumed_from == start
    whole, _ = trained
    assert [point.step for point in report.loss] == list(range(1, FINE_TUNE.steps + 1))
    assert report.sha256 == whole.sha256
    assert report.perplexity == whole.perplexity


def test_a_finished_run_is_not_trained_again(
    tiny_model: Path, trained: tuple[FineTuneReport, Path], tmp_path: Path
) -> None:
    report, folder = trained
    shutil.copytree(folder / "checkpoints", tmp_path / "checkpoints")
    seen: list[int] = []
    again = _run(
        tiny_model,
        tmp_path,
        demonstrations(load_tokenizer(tiny_model), 48),
        progress=lambda done, _steps, _line: seen.append(done),
    )
    assert (seen, again.resumed_from, again.seconds_per_step) == ([], FINE_TUNE.steps, None)
    assert again.sha256 == report.sha256


def test_checkpoints_of_another_run_are_refused(
    tiny_model: Path, trained: tuple[FineTuneReport, Path], tmp_path: Path
) -> None:
    shutil.copytree(trained[1] / "checkpoints", tmp_path / "checkpoints")
    rows = demonstrations(load_tokenizer(tiny_model), 48)
    with pytest.raises(CheckpointError, match="other data, settings or seed"):
        _run(tiny_model, tmp_path, rows, seed=43)
    with pytest.raises(CheckpointError, match="other data, settings or seed"):
        _run(tiny_model, tmp_path, demonstrations(load_tokenizer(tiny_model), 48, reply="No."))


def test_long_rows_are_dropped_whole_and_counted(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    rows = demonstrations(tokenizer, 20)
    longest = [demonstrations(tokenizer, 1, reply=REPLY * 40)[0]] * 3
    spec = FINE_TUNE.model_copy(update={"steps": 2, "rows": 100})
    report = _run(tiny_model, tmp_path, [*longest, *rows], spec=spec)
    assert (report.rows, report.dropped, report.held_out_dropped) == (20, 3, 3)


def test_too_few_rows_are_an_error_that_counts_them(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    with pytest.raises(TrainingDataError, match="0 training rows"):
        _run(tiny_model, tmp_path, [])
    with pytest.raises(TrainingDataError, match=r"7 training rows.*at least 8"):
        _run(tiny_model, tmp_path, demonstrations(tokenizer, 7))
    spec = FINE_TUNE.model_copy(update={"max_tokens": 16})
    with pytest.raises(TrainingDataError, match="20 longer ones dropped"):
        _run(tiny_model, tmp_path, demonstrations(tokenizer, 20), spec=spec)


def test_a_merge_that_is_off_is_an_error_and_leaves_nothing(
    tiny_model: Path,
    trained: tuple[FineTuneReport, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapters, "MERGE_TOLERANCE", 1e-12)
    shutil.copytree(trained[1] / "checkpoints", tmp_path / "checkpoints")
    rows = demonstrations(load_tokenizer(tiny_model), 48)
    with pytest.raises(ModelDirectoryError, match="nats per token"):
        fine_tune(
            tiny_model,
            rows,
            rows[:12],
            FINE_TUNE,
            LORA,
            run=Run(HARDWARE, 42, tmp_path / "checkpoints"),
            target=tmp_path / "target",
        )
    assert not (tmp_path / "target").exists()


def test_a_batch_is_shared_out_evenly_or_not_at_all(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(TrainingDataError, match="multiple of the 3 processes"):
        _run(tiny_model, tmp_path, demonstrations(load_tokenizer(tiny_model), 20))


def test_opt_trains_too_with_bf16_and_gradient_checkpointing(tmp_path: Path) -> None:
    spec = BaseModelSpec(source="directory", name=str(tiny_opt(tmp_path / "opt")))
    make_base_model(spec, tmp_path / "base")
    rows = demonstrations(load_tokenizer(tmp_path / "base"), 20)
    hardware = HARDWARE.model_copy(update={"bf16": True, "gradient_checkpointing": True})
    short = FINE_TUNE.model_copy(update={"steps": 12, "save_every": 12, "max_tokens": 200})
    report = _run(tmp_path / "base", tmp_path, rows, spec=short, hardware=hardware)
    assert report.perplexity.log_difference.high < 0
    assert report.merged.kl < 1e-4
