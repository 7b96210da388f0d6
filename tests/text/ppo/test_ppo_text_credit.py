"""Tests of credit assignment: the token that is blamed for a broken rule."""

from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: TID253 - what is tested works on tensors
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.ppo.credit import breaking_steps, placed_rewards
from churnsaver_assets.text.ppo.losses import gae
from churnsaver_assets.text.reward.message_reward import RewardParts, safety_part
from churnsaver_assets.text.strict import UNFINISHED
from churnsaver_serving.runtime.shield.shield import Shield
from churnsaver_serving.runtime.verdict import Breach, Verdict
from tests.support.text.ppo import some_prompts

OPENING = "We are glad that you are with us and use our internet service every day."
BREAKS = {
    "urgency": "Act now before it is too late, and we will look after your connection.",
    "link": "You can always find more at www.example.com when you need us again.",
    "threat": "If you leave now you will lose your connection and all that comes with it.",
}


def rewards_of(broken: list[int], others: list[float]) -> RewardParts:
    verdicts = tuple(Verdict(tuple(Breach(str(n), "x") for n in range(count))) for count in broken)
    safety, nothing = safety_part(verdicts), np.zeros(len(broken))
    return RewardParts(nothing, safety, nothing, np.array(others) + 2.0 * safety, verdicts)


@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.lists(st.floats(0, 0.999), max_size=6), st.floats(-3, 3)),
        min_size=1,
        max_size=5,
    )
)
def test_every_message_earns_its_reward_and_no_more(
    rows: list[tuple[int, list[float], float]],
) -> None:
    lengths = torch.tensor([length for length, _, _ in rows])
    steps = [[int(place * length) for place in places] for length, places, _ in rows]
    rewards = rewards_of([len(places) for places in steps], [other for *_, other in rows])
    got = placed_rewards(rewards, steps, lengths, safety=2.0)
    assert got.shape == (len(rows), int(lengths.max()))
    torch.testing.assert_close(
        got.sum(1), torch.tensor(rewards.total, dtype=torch.float32), atol=1e-5, rtol=0.0
    )
    for row, length in enumerate(lengths.tolist()):
        assert not got[row, length:].any()


def test_the_loss_falls_on_the_token_that_breaks_the_rule() -> None:
    rewards = rewards_of([2, 0], [0.5, 0.25])
    got = placed_rewards(rewards, [[3, 1], []], torch.tensor([5, 4]), safety=2.0)
    # Rules cost 1.8 and 0.1 of the safety part, twice that of the reward.
    expected = torch.tensor([[0.0, -3.6, 0.0, -0.2, 2.5], [0.0, 0.0, 0.0, 2.25, 0.0]])
    torch.testing.assert_close(got, expected)


def test_what_follows_a_break_is_not_blamed_for_it() -> None:
    lengths = torch.tensor([6, 6])
    got = placed_rewards(rewards_of([1, 0], [0.0, 0.0]), [[2], []], lengths, safety=2.0)
    mask = torch.ones(2, 6, dtype=torch.bool)
    broken, kept = gae(got, torch.zeros(2, 6), mask, discount=1.0, gae_lambda=1.0)
    torch.testing.assert_close(broken[3:], kept[3:])
    assert (broken[:3] < kept[:3] - 3.5).all()


@pytest.mark.parametrize("rule", BREAKS)
def test_the_break_is_found_in_a_real_text(tiny_model: Path, shield: Shield, rule: str) -> None:
    tokenizer = load_tokenizer(tiny_model)
    context = some_prompts(tiny_model, 1)[0].context
    text = f"{OPENING} {BREAKS[rule]}"
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]

    def verdict_of(count: int) -> Verdict:
        return shield.check_body(tokenizer.decode(tokens[:count]).strip(), context)

    verdict = shield.check_body(text, context)
    assert rule in verdict.rules
    steps = breaking_steps(verdict, verdict_of, len(tokens) + 1)  # one more: the end token
    step = steps[verdict.rules.index(rule)]
    assert rule not in verdict_of(step).rules
    assert rule in verdict_of(step + 1).rules
    assert len(tokenizer.decode(tokens[: step + 1])) > len(OPENING)


def test_what_only_a_whole_text_can_break_is_blamed_on_the_end() -> None:
    verdict = Verdict((Breach("shape", "end"), Breach("reader", ""), Breach(UNFINISHED, "and so")))
    looked: list[int] = []

    def verdict_of(count: int) -> Verdict:
        looked.append(count)
        return verdict

    assert breaking_steps(verdict, verdict_of, 12) == [11, 11, 11]
    assert not looked
