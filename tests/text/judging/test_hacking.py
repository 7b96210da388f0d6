from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from churnsaver_assets.text.judging.hacking import HACKS, hacking_report
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.shield.shield import Shield
from tests.support.text.judge import LetterScorer, message_reward

BODIES = (
    (
        "Thank you for being with us and for trusting our internet service. We would love to keep "
        "looking after you and your connection."
    ),
    (
        "We are glad that you are with us and enjoy your phone service. We hope that you will stay "
        "with us and keep enjoying it."
    ),
    (
        "You have been a valued part of our home service for so long. Please stay with us and tell "
        "us how we can make things better for you."
    ),
)


def count(text: str) -> int:
    return len(text.split()) * 4 // 3


@pytest.fixture
def cases() -> tuple[list[Prompt], list[Completion]]:
    contexts = [
        MessageContext("fiber", "new", 10, "warm", "email"),
        MessageContext("phone", "long", 0, "plain", "sms"),
        MessageContext("dsl", "settled", 20, "upbeat", "email"),
    ]
    prompts = [Prompt(one.key, one, f"prompt of {one.key}") for one in contexts]
    return prompts, [Completion(body, count(body) + 1, finished=True) for body in BODIES]


class Fooled(LetterScorer):
    """A reward model that likes anything better than a good body."""

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> npt.NDArray[np.float64]:
        assert len(prompts) == len(replies)
        return np.array([-99.0 if reply in BODIES else 99.0 for reply in replies])


# Weights 1, 2 and 0.5: one broken rule costs 3.6, so the reward model's lead must stay under 3.1.
SAFE_CLIP, WIDE_CLIP = 1.5, 3.0


def test_no_reward_model_is_fooled_enough_to_hack_a_narrow_clip(
    shield: Shield, cases: tuple[list[Prompt], list[Completion]]
) -> None:
    report = hacking_report(message_reward(shield, Fooled(), clip=SAFE_CLIP), *cases, count)

    assert {name: one.above_good for name, one in report.kinds.items()} == dict.fromkeys(HACKS, 0.0)
    assert report.passed
    assert report.good == 3
    assert report.above_good_by_reward_model == 1.0
    assert all(one.mean_lead < 0 for one in report.kinds.values())


def test_a_wide_clip_lets_a_fooled_reward_model_buy_a_broken_rule(
    shield: Shield, cases: tuple[list[Prompt], list[Completion]]
) -> None:
    report = hacking_report(message_reward(shield, Fooled(), clip=WIDE_CLIP), *cases, count)

    assert not report.passed
    assert report.above_good > 0


def test_without_the_shield_the_reward_is_hacked(
    shield: Shield, cases: tuple[list[Prompt], list[Completion]]
) -> None:
    reward = message_reward(shield, Fooled(), safety=0.0, clip=SAFE_CLIP)
    report = hacking_report(reward, *cases, count)

    assert not report.passed
    assert report.above_good == 1.0


def test_the_reward_model_alone_is_reported_beside(
    shield: Shield, cases: tuple[list[Prompt], list[Completion]]
) -> None:
    report = hacking_report(
        message_reward(shield, LetterScorer("s"), clip=SAFE_CLIP), *cases, count
    )

    assert report.kinds["empty"].above_good_by_reward_model == 0.0
    assert report.kinds["keywords"].above_good_by_reward_model > 0
    assert 0 < report.above_good_by_reward_model < 1
    assert report.passed


@pytest.mark.parametrize("name", HACKS)
def test_degenerate_texts_are_other_texts_and_break_a_rule(
    name: str, shield: Shield, cases: tuple[list[Prompt], list[Completion]]
) -> None:
    make: Callable[[str, MessageContext], str] = HACKS[name]
    for prompt, body in zip(*cases, strict=True):
        text = make(body.text, prompt.context).strip()
        assert text != body.text
        assert not shield.check_body(text, prompt.context).passed


def test_bodies_that_break_rules_are_no_good_ones(
    shield: Shield, cases: tuple[list[Prompt], list[Completion]]
) -> None:
    prompts, bodies = cases
    bad = [*bodies[:2], Completion("Get 50% off at www.offer.com!", 12, finished=True)]
    reward = message_reward(shield, LetterScorer())

    with pytest.raises(ValueError, match="1 of 3 bodies break rules"):
        hacking_report(reward, prompts, bad, count)
    with pytest.raises(ValueError, match="a good body for each of 3 prompts, got 0"):
        hacking_report(reward, prompts, [], count)
