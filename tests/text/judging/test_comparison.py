from pathlib import Path

import numpy as np
import pytest

from churnsaver_assets.experiments.text_spec import HardwareSpec
from churnsaver_assets.text.judging.comparison import (
    Judges,
    PolicyComparison,
    PolicyName,
    compare_policies,
)
from churnsaver_assets.text.judging.kl import kl_per_token
from churnsaver_assets.text.judging.violations import (
    sent_messages,
)
from churnsaver_assets.text.model.loading import load_model, load_tokenizer, save_model
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.run import Run
from churnsaver_serving.runtime.messages.wording import Wording, default_wording
from churnsaver_serving.runtime.shield.shield import Shield
from tests.support.text.judge import (
    SAMPLING,
    SEED,
    SPEC,
    LetterScorer,
    held_out,
    message_reward,
    says_bad,
    shaken,
)

BODY = (
    "Thank you for being with us and for trusting our internet service. We would love to keep "
    "looking after you and your connection."
)


@pytest.fixture(scope="module")
def wording() -> Wording:
    import msgspec

    return msgspec.json.decode(default_wording(), type=Wording)


@pytest.fixture(scope="module")
def moved(
    tiny_model: Path, hardware: HardwareSpec, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return shaken(tiny_model, tmp_path_factory.mktemp("moved") / "model", hardware)


@pytest.fixture(scope="module")
def prompts(tiny_model: Path) -> list[Prompt]:
    return held_out(tiny_model, 16)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def run(
    tiny_model: Path,
    moved: Path,
    prompts: list[Prompt],
    hardware: HardwareSpec,
    shield: Shield,
    wording: Wording,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[PolicyComparison, PolicyComparison, int]:
    """Return a whole run, one resumed after a kill, and how many replies the resumed one scored."""
    models: dict[PolicyName, Path] = {"sft": tiny_model, "rejection": tiny_model, "ppo": moved}

    def compare(folder: Path, scorer: LetterScorer, stop_at: str | None = None) -> PolicyComparison:
        def told(done: int, total: int, line: str) -> None:
            if stop_at and stop_at in line:
                raise Killed

        judges = Judges(message_reward(shield, scorer), LetterScorer("e"), wording, says_bad)
        return compare_policies(
            models,
            prompts,
            judges,
            SPEC,
            sampling=SAMPLING.model_copy(update={"temperature": 0.2}),
            run=Run(hardware, SEED, folder, told),
        )

    folder, scorer = tmp_path_factory.mktemp("compared"), LetterScorer()
    with pytest.raises(Killed):
        compare(folder, LetterScorer(), stop_at="KL")
    resumed = compare(folder, scorer)
    whole = compare(tmp_path_factory.mktemp("whole"), LetterScorer())
    return whole, resumed, scorer.read


def test_a_killed_comparison_goes_on_and_ends_the_same(
    run: tuple[PolicyComparison, PolicyComparison, int], prompts: list[Prompt]
) -> None:
    whole, resumed, read = run

    assert resumed == whole
    assert 0 < read < 3 * len(prompts)  # what was scored before the kill isn't scored again


def test_a_policy_compared_with_its_own_checkpoint_ties(
    run: tuple[PolicyComparison, PolicyComparison, int],
) -> None:
    found = run[0]
    same = found.comparisons["rejection_over_sft"]

    assert same.sent.ties == same.gold.length_controlled.ties == len(found.prompts)
    assert same.strict_pass_difference.mean == 0
    assert found.figures["rejection"].kl_per_token is None


def test_a_policy_that_moved_is_seen_to_have_moved(
    run: tuple[PolicyComparison, PolicyComparison, int],
) -> None:
    found = run[0]
    kl, whole = found.figures["ppo"].kl_per_token, found.figures["ppo"].kl_per_message

    assert kl is not None
    assert whole is not None
    assert kl.mean > 0.01
    assert whole.mean > kl.mean
    assert found.figures["ppo"].checkpoint != found.figures["rejection"].checkpoint


def test_figures_are_those_of_the_messages(
    run: tuple[PolicyComparison, PolicyComparison, int], shield: Shield
) -> None:
    found = run[0]
    figures, messages = found.figures["sft"], found.judged["sft"]
    passing = [
        one.completion.finished and shield.check_body(one.completion.text, prompt.context).passed
        for prompt, one in zip(found.prompts, messages, strict=True)
    ]

    assert 0 < sum(passing) < len(passing)
    assert figures.strict_pass_rate.mean == pytest.approx(np.mean(passing))
    assert figures.second_look.messages + figures.second_look.held_back == len(found.prompts)
    assert figures.diversity.messages == len(found.prompts)
    assert figures.mean_tokens > figures.diversity.mean_tokens + 20  # greeting, offer and the rest
    assert [one.reward for one in messages] == [one.completion.text.count("s") for one in messages]


def test_messages_are_drawn_at_temperature_one(
    run: tuple[PolicyComparison, PolicyComparison, int],
) -> None:
    # At the profile's 0.2 the tiny model writes few different messages.
    assert run[0].figures["sft"].diversity.repeated_share < 0.3


def test_every_policy_needed_must_be_there(
    tiny_model: Path,
    prompts: list[Prompt],
    hardware: HardwareSpec,
    shield: Shield,
    wording: Wording,
    tmp_path: Path,
) -> None:
    judges = Judges(message_reward(shield, LetterScorer()), LetterScorer(), wording, says_bad)
    with pytest.raises(ValueError, match="no model directory of rejection, ppo"):
        compare_policies(
            {"sft": tiny_model},
            prompts,
            judges,
            SPEC,
            sampling=SAMPLING,
            run=Run(hardware, SEED, tmp_path),
        )


def test_kl_is_the_models_own_log_probabilities(
    tiny_model: Path, moved: Path, prompts: list[Prompt], hardware: HardwareSpec
) -> None:
    completions = [
        Completion(BODY, 30, finished=True),
        Completion("We are glad that", 5, finished=False),
        Completion("", 1, finished=True),
        Completion("", 0, finished=False),
    ]
    found = kl_per_token(
        moved, tiny_model, prompts[:4], completions, hardware=hardware, batch_rows=3
    )

    import torch

    tokenizer = load_tokenizer(tiny_model)
    models = [load_model(one, hardware, dtype="float32") for one in (moved, tiny_model)]
    for row, (prompt, one) in enumerate(zip(prompts, completions, strict=False)):
        begin = tokenizer(prompt.text, add_special_tokens=False)["input_ids"]
        text = one.text + (tokenizer.eos_token if one.finished else "")
        reply = tokenizer(text, add_special_tokens=False)["input_ids"]
        sums = []
        for model in models:
            with torch.no_grad():
                logits = model(torch.tensor([begin + reply])).logits[0, len(begin) - 1 : -1]
            chosen = logits.log_softmax(-1)[range(len(reply)), reply]
            sums.append(float(chosen.sum()))
        assert found.nats[row] == pytest.approx(sums[0] - sums[1], abs=1e-3)
        assert found.tokens[row] == max(len(reply), 1)


def test_kl_of_identical_models_is_zero(
    tiny_model: Path, prompts: list[Prompt], hardware: HardwareSpec
) -> None:
    found = kl_per_token(
        tiny_model,
        tiny_model,
        prompts[:2],
        [Completion(BODY, 30, finished=True)] * 2,
        hardware=hardware.model_copy(update={"bf16": True}),
        batch_rows=2,
    )

    assert found.nats.tolist() == [0.0, 0.0]


def test_kl_between_vocabularies_is_refused(
    tiny_model: Path, prompts: list[Prompt], hardware: HardwareSpec, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.add_tokens(["northwind"])
    save_model(load_model(tiny_model, hardware, dtype="float32"), tokenizer, tmp_path / "other")

    with pytest.raises(ValueError, match="same vocabulary"):
        kl_per_token(
            tiny_model,
            tmp_path / "other",
            prompts[:1],
            [Completion(BODY, 30, finished=True)],
            hardware=hardware,
            batch_rows=1,
        )


def test_only_what_passes_twice_would_be_sent(
    run: tuple[PolicyComparison, PolicyComparison, int], shield: Shield, wording: Wording
) -> None:
    found = run[0]
    sent = sent_messages(found.prompts, found.judged["sft"], shield, wording)

    assert sent
    for message in sent:
        assert shield.check_message(message.text, message.facts, message.channel).passed
        assert message.body in message.text
    passed = [one.completion.text for one in found.judged["sft"] if one.verdict.passed]
    assert {message.body for message in sent} <= set(passed)
