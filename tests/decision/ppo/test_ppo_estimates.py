"""Advantages, entropy and the losses, against slow or known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch  # noqa: TID253 - the tensors are what is tested
from hypothesis import given, seed
from hypothesis import strategies as st

from churnsaver_assets.decision.ppo.gae import advantages
from churnsaver_assets.decision.ppo.loss import clipped_loss, critic_loss
from churnsaver_assets.decision.ppo.network import entropy
from churnsaver_assets.decision.ppo.rollout import _usual_spread


def slow_advantage(
    reward: np.ndarray,
    value: np.ndarray,
    after: float,
    discount: np.ndarray,
    days: list[int],
    lam: float,
) -> dict[int, float]:
    """Write out the sum over later decisions of (lambda * discount)^k times the error."""
    result = {}
    for start, day in enumerate(days):
        total, carried = 0.0, 1.0
        for position in range(start, len(days)):
            here = days[position]
            last = position + 1 == len(days)
            until = len(reward) if last else days[position + 1]
            kept = float(np.prod(discount[here:until]))
            following = kept * (after if last else value[days[position + 1]])
            total += carried * (reward[here] + following - value[here])
            carried *= lam * kept
        result[day] = total
    return result


@seed(42)
@given(
    choice=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=8),
    lam=st.floats(0.0, 1.0),
)
def test_advantages_are_the_slow_sums(choice: list[list[bool]], lam: float) -> None:
    mask = np.array(choice)
    rng = np.random.default_rng(42)
    reward = np.where(mask, rng.normal(size=mask.shape), 0.0)
    value, discount = rng.normal(size=mask.shape), rng.uniform(0.5, 1.0, mask.shape)
    after = rng.normal(size=mask.shape[1])
    found = advantages(reward, value, after, discount, mask, lam)
    for row in range(mask.shape[1]):
        days = np.flatnonzero(mask[:, row]).tolist()
        slow = slow_advantage(
            reward[:, row], value[:, row], float(after[row]), discount[:, row], days, lam
        )
        expected = [slow.get(day, 0.0) for day in range(len(mask))]
        np.testing.assert_allclose(found[:, row], expected, atol=1e-12)


def test_with_a_lambda_of_one_the_target_is_what_followed_and_then_the_critic() -> None:
    """Days that are cut off go on at the critic's value; they don't end."""
    reward, discount = np.array([[1.0], [0.0], [4.0]]), np.array([[0.5], [0.8], [0.9]])
    value = np.array([[9.0], [0.0], [-3.0]])
    choice = np.array([[True], [False], [True]])
    target = advantages(reward, value, np.array([10.0]), discount, choice, 1.0) + value
    last = 4.0 + 0.9 * 10.0
    np.testing.assert_allclose(target[[0, 2], 0], [1.0 + 0.5 * 0.8 * last, last])


def test_entropy_is_that_of_the_categorical() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0], [50.0, 0.0, 0.0, 0.0, 0.0]])
    spread = entropy(torch.log_softmax(logits, dim=1))
    torch.testing.assert_close(spread, torch.tensor([np.log(5.0), 0.0], dtype=torch.float32))


def test_the_clipped_loss_has_the_gradient_of_the_paper() -> None:
    old = torch.zeros(4)
    ratio = torch.tensor([1.1, 1.5, 0.5, 0.5])
    advantage = torch.tensor([2.0, 2.0, 2.0, -2.0])
    log_probability = ratio.log().requires_grad_()
    result = clipped_loss(log_probability, old, advantage, torch.ones(4), 0.2)
    # Clipped where the ratio has gone far enough the way the advantage points.
    expected = -(1.1 * 2.0 + 1.2 * 2.0 + 0.5 * 2.0 - 0.8 * 2.0) / 4.0
    assert result.loss.item() == pytest.approx(expected)
    result.loss.backward()
    gradient = -torch.tensor([1.1 * 2.0, 0.0, 0.5 * 2.0, 0.0]) / 4.0
    torch.testing.assert_close(log_probability.grad, gradient)
    assert result.clip_share.item() == pytest.approx(0.75)
    assert result.kl.item() >= 0.0


def test_a_decision_of_no_weight_teaches_nothing() -> None:
    log_probability = torch.zeros(2, requires_grad=True)
    weight = torch.tensor([1.0, 0.0])
    clipped_loss(log_probability, torch.zeros(2), torch.ones(2), weight, 0.2).loss.backward()
    assert log_probability.grad is not None
    assert log_probability.grad.tolist() == [-1.0, 0.0]
    assert critic_loss(torch.ones(2, 2), torch.tensor([[1.0, 1.0], [9.0, 9.0]]), weight) == 0.0


def test_the_usual_spread_follows_the_multiplier_and_not_the_world() -> None:
    rng = np.random.default_rng(42)
    multiplier = np.repeat([0.0, 1.0, 3.0], 2)
    group = np.repeat(np.arange(6), 4000)
    # Of each pair of groups one has twice the other's spread.
    scale = np.array([8.0, 4.0, 4.0, 2.0, 2.0, 1.0])
    values = rng.normal(size=len(group)) * scale[group]
    spread = _usual_spread(values, np.ones(len(group)), group, multiplier, 0.01)
    by_group = spread[::4000]
    np.testing.assert_allclose(by_group[::2], by_group[1::2])
    np.testing.assert_allclose(by_group[::2], np.sqrt(32.0) / (1.0 + multiplier[::2]), rtol=0.05)
