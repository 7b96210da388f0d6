"""Tests for churnsaver_assets.text.reward.message_reward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.reward.message_reward import brevity_part, fit_normaliser, safety_part
from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.verdict import Breach, Verdict
from tests.support.text.ppo import REWARD, SAMPLING, RulesOnly, WordScorer, message_reward

CONTEXT = MessageContext("fiber", "new", 10, "warm", "email")
PROMPT = Prompt("p", CONTEXT, "Write.")


def _verdict(rules: int) -> Verdict:
    return Verdict(tuple(Breach(f"rule {place}", "") for place in range(rules)))


def test_parts_by_hand() -> None:
    completions = [
        Completion("please stay", 20, finished=True),
        Completion("stay for 5", 44, finished=True),
        Completion("Dear you, www 5", 48, finished=False),
        Completion("stay", 5, finished=True),
    ]
    reward = message_reward()  # scores: count of "stay" - 0.01 a character; mean -1, std 1; clip 2
    parts = reward([PROMPT] * 4, completions)
    assert parts.reward_model.tolist() == pytest.approx([1.89, 1.90, 0.85, 1.96])
    # No rule, digits, then greeting, link, digits and unfinished.
    assert parts.safety.tolist() == [1.0, -0.8, -1.0, 1.0]
    assert parts.verdicts[2].rules == ("digits", "link", "greeting", "unfinished")
    # Brief up to 40 of 48; under 12 tokens nothing.
    assert parts.brevity.tolist() == [1.0, 0.5, 0.0, 0.0]
    assert parts.total.tolist() == pytest.approx([4.39, 0.55, -1.15, 3.96])
    assert parts.breaches() == {"digits": 2, "link": 1, "greeting": 1, "unfinished": 1}


def test_an_unfinished_message_breaks_a_rule() -> None:
    whole = Completion("please stay with us", 20, finished=True)
    parts = message_reward()([PROMPT] * 2, [whole, replace(whole, finished=False)])
    assert parts.safety.tolist() == [1.0, -0.8]


def test_safety_falls_with_each_rule_up_to_three() -> None:
    verdicts = [_verdict(rules) for rules in range(6)]
    assert safety_part(verdicts).tolist() == [1.0, -0.8, -0.9, -1.0, -1.0, -1.0]


@given(
    st.lists(st.integers(0, 200), min_size=1),
    st.integers(12, 60),
    st.integers(1, 60),
)
def test_brevity_is_within_bounds_and_never_rises(tokens: list[int], brief: int, more: int) -> None:
    lengths = np.sort(np.array(tokens))
    part = brevity_part(lengths, brief=brief, limit=brief + more, least=12)
    assert np.all((part >= 0.0) & (part <= 1.0))
    assert np.all(np.diff(part[lengths >= 12]) <= 0.0)
    assert np.all(part[lengths < 12] == 0.0)
    assert np.all(part[(lengths >= 12) & (lengths <= brief)] == 1.0)
    assert np.all(part[lengths >= brief + more] == 0.0)


def test_scores_are_clipped() -> None:
    loud = Completion("stay " * 40, 30, finished=True)
    assert message_reward()([PROMPT], [loud]).reward_model.tolist() == [REWARD.clip]


def test_the_normaliser_is_of_the_samples() -> None:
    completions = [Completion("stay " * count, 20, finished=True) for count in range(5)]
    mean, std = fit_normaliser(WordScorer(), [PROMPT] * 5, completions)
    raw = np.array([count - 0.05 * count for count in range(5)])
    assert (mean, std) == pytest.approx((raw.mean(), raw.std()))


def test_a_constant_reward_model_is_refused() -> None:
    same = [Completion("please", 20, finished=True)] * 4
    with pytest.raises(ValueError, match=r"scores all 4 samples -0\.06"):
        fit_normaliser(WordScorer(), [PROMPT] * 4, same)


def test_a_normaliser_takes_two_samples() -> None:
    with pytest.raises(ValueError, match="at least two samples, got 1"):
        fit_normaliser(WordScorer(), [PROMPT], [Completion("please", 20, finished=True)])


def test_scores_that_are_no_numbers_are_refused() -> None:
    class Broken(WordScorer):
        def score(self, _: object, __: object) -> np.ndarray:
            return np.array([1.0, np.nan])

    reward = replace(message_reward(), reward_model=Broken())
    with pytest.raises(ValueError, match="2 finite scores, got shape \\(2,\\) with 1"):
        reward([PROMPT] * 2, [Completion("a", 20, finished=True)] * 2)


def test_each_prompt_has_its_completion() -> None:
    with pytest.raises(ValueError, match="1 prompts and 2 completions"):
        message_reward()([PROMPT], [Completion("a", 20, finished=True)] * 2)


def test_the_fingerprint_tells_rewards_apart() -> None:
    reward = message_reward()

    class OtherRules(RulesOnly):
        sha256 = "1" * 64

    others = [
        message_reward("great"),
        message_reward(safety=1.0),
        replace(reward, mean=0.5),
        replace(reward, std=2.0),
        replace(reward, shield=OtherRules()),
        replace(reward, sampling=SAMPLING.model_copy(update={"max_new_tokens": 50})),
    ]
    marks = {one.fingerprint() for one in (reward, *others)}
    assert len(marks) == 7
    assert message_reward().fingerprint() == reward.fingerprint()
