"""Tests for training with PPO on text: it learns, it resumes, it follows its reward."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from churnsaver_assets.common.checkpoint_file import CheckpointError
from churnsaver_assets.text.model.loading import directory_sha256
from churnsaver_assets.text.ppo.checkpoint import CHECKPOINT_FILE
from churnsaver_assets.text.ppo.learn import PpoDivergedError
from churnsaver_assets.text.ppo.plots import ppo_curves_png
from churnsaver_assets.text.ppo.train import train_ppo
from churnsaver_assets.text.run import Run
from tests.support import PYTHON_PATH, ROOT
from tests.support.text.ppo import (
    FP32,
    SAMPLING,
    SEED,
    SPEC,
    WordScorer,
    message_reward,
    some_prompts,
)

if TYPE_CHECKING:
    from churnsaver_assets.text.ppo.curves import PpoTextReport
    from churnsaver_serving.runtime.shield.shield import Shield

pytestmark = pytest.mark.filterwarnings(
    # peft asks for it while it wraps a model.
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)


def _train(model_dir: Path, folder: Path, **changes: Any) -> PpoTextReport:
    settings: dict[str, Any] = {
        "reward": message_reward(),
        "prompts": some_prompts(model_dir),
        "spec": SPEC,
        "sampling": SAMPLING,
        "target": folder / "target",
    } | changes
    given = {
        name: settings.pop(name)
        for name in ("hardware", "seed", "checkpoints", "progress")
        if name in settings
    }
    run = {"hardware": FP32, "seed": SEED, "checkpoints": folder / "checkpoints"} | given
    return train_ppo(model_dir, run=Run(**run), **settings)


def _weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "checkpoints" / CHECKPOINT_FILE)


@pytest.fixture(scope="module")
def uncut(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PpoTextReport]:
    folder = tmp_path_factory.mktemp("uncut")
    return folder, _train(tiny_model, folder)


def test_it_learns(tiny_model: Path, tmp_path: Path, shield: Shield) -> None:
    """By the rules that are served."""
    spec = SPEC.model_copy(
        update={
            "iterations": 12,
            "batch_rows": 32,
            "minibatch_rows": 16,
            "learning_rate": 3e-3,
        }
    )
    reward = replace(message_reward(), shield=shield)
    figures = _train(tiny_model, tmp_path, spec=spec, reward=reward).curves.figures
    begun, ended = figures[0], figures[-4:]
    assert begun.kl == begun.kl_k3 == 0.0
    assert begun.strict_pass_rate < 0.75
    assert np.mean([one.strict_pass_rate for one in ended]) > begun.strict_pass_rate + 0.15
    assert np.mean([one.reward for one in ended]) > begun.reward + 0.75
    assert all(0.0 < one.kl_k3 < 1.0 for one in ended)
    assert len({one.beta for one in figures}) > 8
    assert all(one.sampler_gap < 1e-4 for one in figures)


def test_a_trainer_in_bf16_before_leaves_float32_as_it_is(tiny_model: Path, tmp_path: Path) -> None:
    """Accelerate's state is one for the process, and the graph's trainings share one."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    Accelerator(cpu=True, mixed_precision="bf16")
    try:
        spec = SPEC.model_copy(update={"iterations": 1})
        figures = _train(tiny_model, tmp_path, spec=spec).curves.figures[0]
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    assert figures.kl == figures.kl_k3 == 0.0
    assert figures.sampler_gap < 1e-4


def test_the_run_reports_what_it_did(uncut: tuple[Path, PpoTextReport]) -> None:
    folder, report = uncut
    assert report.finished
    assert [one.iteration for one in report.curves.figures] == [1, 2, 3, 4]
    assert all(one.steps == 4 for one in report.curves.figures)
    assert all(one.seconds > 0 and one.tokens_per_second > 0 for one in report.curves.timings)
    rates = [one.learning_rate for one in report.curves.figures]
    assert (rates[0], rates[-1]) == pytest.approx((1e-3, 1e-4))
    written = json.loads((folder / "target" / "ppo.json").read_text())
    assert written["settings"]["ppo"] == SPEC.model_dump(mode="json")
    assert written["settings"]["reward_model_sha256"] == "likes stay"
    assert [one["reward"] for one in written["iterations"]] == [
        one.reward for one in report.curves.figures
    ]
    assert {path.suffix for path in (folder / "target").iterdir()} <= {
        ".json",
        ".jinja",
        ".safetensors",
    }
    assert ppo_curves_png(report.curves, SPEC.kl.target).startswith(b"\x89PNG")


def test_a_killed_run_goes_on_to_the_same_bytes(
    tiny_model: Path, tmp_path: Path, uncut: tuple[Path, PpoTextReport]
) -> None:
    environment = os.environ | {"PYTHONPATH": PYTHON_PATH}
    killed = subprocess.run(
        [sys.executable, "-m", "tests.support.text.ppo_run", str(tiny_model), str(tmp_path), "3"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "target").exists()
    made: list[int] = []
    report = _train(tiny_model, tmp_path, progress=lambda done, _, __: made.append(done))
    assert made == [3, 4]  # the checkpoint was of the second iteration
    folder, whole = uncut
    assert report.curves.figures == whole.curves.figures
    assert directory_sha256(tmp_path / "target") == directory_sha256(folder / "target")


def test_a_stopped_run_writes_no_model_until_it_is_done(
    tiny_model: Path, tmp_path: Path, uncut: tuple[Path, PpoTextReport]
) -> None:
    report = _train(tiny_model, tmp_path, stop_after=1)
    assert not report.finished
    assert not (tmp_path / "target").exists()
    assert _train(tiny_model, tmp_path).finished
    assert directory_sha256(tmp_path / "target") == directory_sha256(uncut[0] / "target")


def test_another_reward_model_changes_rewards_and_gradients(
    tiny_model: Path, tmp_path: Path
) -> None:
    """The arrow from reward model to policy: same samples, other rewards, another policy."""
    reports, weights = {}, {}
    for name, word in (("one", "stay"), ("again", "stay"), ("other", "service")):
        folder = tmp_path / name
        reports[name] = _train(tiny_model, folder, reward=message_reward(word), stop_after=1)
        weights[name] = _weights(folder)
    one, again, other = (reports[name].curves.figures[0] for name in ("one", "again", "other"))
    assert one == again
    assert (one.tokens, one.entropy, one.safety) == (other.tokens, other.entropy, other.safety)
    assert one.reward_model != other.reward_model
    assert one.grad_norm != other.grad_norm
    adapters = [name for name in weights["one"] if name.startswith("trained.") and "lora" in name]
    assert adapters
    assert all(np.array_equal(weights["one"][name], weights["again"][name]) for name in adapters)
    assert not all(
        np.array_equal(weights["one"][name], weights["other"][name]) for name in adapters
    )


def test_a_run_with_other_settings_does_not_go_on(
    tiny_model: Path, tmp_path: Path, uncut: tuple[Path, PpoTextReport]
) -> None:
    folder = uncut[0] / "checkpoints"
    changed: list[dict[str, Any]] = [
        {"seed": 7},
        {"reward": message_reward("service")},
        {"prompts": some_prompts(tiny_model)[:-1]},
        {"spec": SPEC.model_copy(update={"clip": 0.1})},
    ]
    for changes in changed:
        with pytest.raises(CheckpointError, match="remove it to start anew"):
            _train(tiny_model, tmp_path, checkpoints=folder, **changes)


def test_a_damaged_checkpoint_is_named(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / CHECKPOINT_FILE).write_bytes(b"not it")
    with pytest.raises(CheckpointError, match=r"ppo\.safetensors can't be read"):
        _train(tiny_model, tmp_path)


def test_divergence_says_where_and_leaves_the_checkpoint(tiny_model: Path, tmp_path: Path) -> None:
    class Enormous(WordScorer):
        """Fine at first; then rewards that no loss can hold."""

        calls = 0

        def score(self, _: Any, replies: Any) -> np.ndarray:
            self.calls += 1
            return super().score(_, replies) * (1.0 if self.calls < 4 else 1e300)

    reward = replace(message_reward(clip=1e305), reward_model=Enormous())
    with pytest.raises(PpoDivergedError, match=r"in iteration 4: .*checkpoint of iteration 2"):
        _train(tiny_model, tmp_path, reward=reward, spec=SPEC.model_copy(update={"epochs": 1}))
    assert (tmp_path / "checkpoints" / CHECKPOINT_FILE).exists()


def test_a_step_too_far_ends_the_epochs(tiny_model: Path, tmp_path: Path) -> None:
    kl = SPEC.kl.model_copy(update={"stop_at": 1e-4})
    spec = SPEC.model_copy(update={"kl": kl, "learning_rate": 1e-2})
    figures = _train(tiny_model, tmp_path, spec=spec, stop_after=1).curves.figures[0]
    assert figures.steps == 1  # of four
    assert figures.step_kl > 1e-4


def test_training_needs_prompts(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs prompts"):
        _train(tiny_model, tmp_path, prompts=[])


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tiny_model: Path, tmp_path: Path) -> None:
    """Rows of unlike length are shared out; each token counts the same as in one process."""
    from safetensors.torch import load_file as load_tensors

    from tests.support.text.ppo_ranks import steps_on_a_batch

    written = tmp_path / "weights.safetensors"
    environment = os.environ | {
        "PYTHONPATH": PYTHON_PATH,
        "ACCELERATE_USE_CPU": "1",
        "OMP_NUM_THREADS": "1",
    }
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    script = ROOT / "tests" / "support" / "text" / "ppo_ranks.py"
    made = subprocess.run(
        [sys.executable, *launcher, str(script), str(tiny_model), str(written)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    alone, figures = steps_on_a_batch(tiny_model)
    assert figures.steps == 2
    shared = load_tensors(written)
    assert any(weights.abs().max() > 1e-3 for name, weights in alone.items() if "lora_B" in name)
    for name, weights in alone.items():
        np.testing.assert_allclose(shared[name], weights, atol=1e-5, rtol=1e-4, err_msg=name)
