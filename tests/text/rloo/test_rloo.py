"""RLOO: the same rewards as PPO's, arrows that hold, and a cut run that goes on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from churnsaver_assets.common.checkpoint_file import CheckpointError
from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import RewardSpec, SamplingSpec
from churnsaver_assets.text.model.loading import load_model, load_tokenizer
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward
from churnsaver_assets.text.rloo.rewards import SamplingClock, reward_function
from churnsaver_assets.text.rloo.settings import RlooSpec
from churnsaver_assets.text.rloo.train import RlooReport, train_rloo
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.tuning.training import TrainingDataError
from churnsaver_serving.runtime.context import all_contexts
from churnsaver_serving.runtime.shield.rules import default_rules
from churnsaver_serving.runtime.shield.shield import Shield
from tests.support.text.models import HARDWARE, LORA

SPEC = RlooSpec(steps=6, batch_rows=16, generations=4, learning_rate=1e-3, beta=0.05, save_every=2)
SAMPLING = SamplingSpec(max_new_tokens=48, temperature=1.0, batch_rows=16)
WEIGHTS = RewardSpec(reward_model=1.0, safety=2.0, brevity=0.5, clip=4.0, brief_tokens=40)


class LikesWord:
    """A reward model that counts a word."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.sha256 = word

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> npt.NDArray[np.float64]:
        assert len(prompts) == len(replies)
        return np.array([float(reply.count(self.word)) for reply in replies])

    def value_direction(self) -> tuple[npt.NDArray[np.float64], float]:
        return np.zeros(64), 0.0


def _reward(word: str, *, weights: RewardSpec = WEIGHTS) -> MessageReward:
    shield = Shield.from_bytes(default_rules())
    return MessageReward(LikesWord(word), shield, weights, SAMPLING, mean=0.0, std=1.0)


@pytest.fixture(scope="module")
def prompts(tiny_model: Path) -> list[Prompt]:
    contexts = all_contexts((0, 10), ("warm",), ("email",))
    return retention_prompts(load_tokenizer(tiny_model), {one.key: one for one in contexts})


def _run(
    tiny_model: Path,
    prompts: Sequence[Prompt],
    folder: Path,
    *,
    reward: MessageReward | None = None,
    spec: RlooSpec = SPEC,
    progress: Progress | None = None,
) -> RlooReport:
    return train_rloo(
        tiny_model,
        reward or _reward("stay"),
        prompts,
        spec,
        SAMPLING,
        lora=LORA,
        run=Run(HARDWARE, 42, folder / "checkpoints", progress),
        target=folder / "target",
    )


@pytest.fixture(scope="module")
def trained(
    tiny_model: Path, prompts: list[Prompt], tmp_path_factory: pytest.TempPathFactory
) -> tuple[RlooReport, Path]:
    folder = tmp_path_factory.mktemp("rloo")
    return _run(tiny_model, prompts, folder), folder


def test_the_curve_is_of_the_weighted_rewards(trained: tuple[RlooReport, Path]) -> None:
    report, _ = trained
    assert [point.step for point in report.curve] == list(range(1, SPEC.steps + 1))
    for point in report.curve:
        total = point.reward_model + 2.0 * point.safety + 0.5 * point.brevity
        assert point.reward == pytest.approx(total, abs=1e-4)
        assert 0 <= point.strict_pass_rate <= 1
        assert 1 <= point.tokens <= SAMPLING.max_new_tokens
        assert point.kl_per_token is not None
    # Fresh adapters do nothing yet: the first samples are the model's own.
    assert report.curve[0].kl_per_token == pytest.approx(0, abs=1e-4)
    assert abs(report.curve[-1].kl_per_token or 0) > abs(report.curve[0].kl_per_token or 0)


def test_speed_is_of_what_was_sampled(trained: tuple[RlooReport, Path]) -> None:
    report, _ = trained
    assert report.generated_tokens == round(
        sum(point.tokens for point in report.curve) * SPEC.batch_rows
    )
    assert report.seconds_per_step is not None
    assert 0 < report.generation_seconds < 3 * SPEC.steps * report.seconds_per_step
    assert report.tokens_per_second == pytest.approx(
        report.generated_tokens / report.generation_seconds
    )


def test_the_trained_model_is_on_disk_and_another_one(
    tiny_model: Path, trained: tuple[RlooReport, Path]
) -> None:
    import torch

    report, folder = trained
    before = load_model(tiny_model, HARDWARE, dtype="float32").state_dict()
    after = load_model(folder / "target", HARDWARE, dtype="float32").state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert report.merged.kl < 1e-4


def test_a_cut_run_goes_on_and_ends_where_it_would_have(
    tiny_model: Path, prompts: list[Prompt], trained: tuple[RlooReport, Path], tmp_path: Path
) -> None:
    def stop(done: int, steps: int, line: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(tiny_model, prompts, tmp_path, progress=stop)
    seen: list[int] = []
    report = _run(
        tiny_model, prompts, tmp_path, progress=lambda done, _steps, _line: seen.append(done)
    )
    assert (seen, report.resumed_from) == ([3, 4, 5, 6], 2)
    assert report.curve == trained[0].curve
    assert report.sha256 == trained[0].sha256
    with pytest.raises(CheckpointError, match="other data, settings or seed"):
        _run(tiny_model, prompts, tmp_path, reward=_reward("service"))


def test_another_reward_model_trains_another_policy(
    tiny_model: Path, prompts: list[Prompt], trained: tuple[RlooReport, Path], tmp_path: Path
) -> None:
    spec = SPEC.model_copy(update={"steps": 3, "beta": 0.0})
    word = _run(tiny_model, prompts, tmp_path / "word", spec=spec, reward=_reward("service"))
    stay = _run(tiny_model, prompts, tmp_path / "stay", spec=spec)
    # The first samples are drawn before any step: only their scores differ.
    assert word.curve[0].tokens == stay.curve[0].tokens == trained[0].curve[0].tokens
    assert word.curve[0].reward_model != stay.curve[0].reward_model
    assert word.sha256 != stay.sha256
    assert word.curve[0].kl_per_token is None


def test_the_reward_is_given_what_the_model_wrote(tiny_model: Path, prompts: list[Prompt]) -> None:
    tokenizer = load_tokenizer(tiny_model)
    end = int(tokenizer.eos_token_id)
    bodies = ("We hope you stay with us and enjoy the service. Thank you.", "Stay 20")
    ids = [tokenizer(body, add_special_tokens=False)["input_ids"] for body in bodies]
    ids[0] = [*ids[0], end]
    reward, clock, logged = _reward("stay"), SamplingClock(), dict[str, float]()
    found = reward_function(reward, prompts, tokenizer, clock)(
        prompts=["", ""],
        completions=[f" {body}\n" for body in bodies],
        completion_ids=ids,
        prompt_id=[prompts[3].id, prompts[1].id],
        log_metric=logged.__setitem__,
    )
    expected = reward(
        [prompts[3], prompts[1]],
        [
            Completion(bodies[0], len(ids[0]), finished=True),
            Completion(bodies[1], len(ids[1]), finished=False),
        ],
    )
    assert found == list(expected.total)
    assert clock.tokens == len(ids[0]) + len(ids[1])
    assert logged["safety"] == pytest.approx(expected.safety.mean())


def test_batches_that_cannot_be_made_are_errors(
    tiny_model: Path, prompts: list[Prompt], tmp_path: Path
) -> None:
    odd = SPEC.model_copy(update={"batch_rows": 18})
    with pytest.raises(TrainingDataError, match=r"multiple of rloo\.generations, 4"):
        _run(tiny_model, prompts, tmp_path, spec=odd)
    with pytest.raises(TrainingDataError, match="at least 4"):
        _run(tiny_model, prompts[:3], tmp_path)
    with pytest.raises(TrainingDataError, match="ids repeat"):
        _run(tiny_model, [*prompts, prompts[0]], tmp_path)
