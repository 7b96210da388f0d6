"""Advantages, the masked categorical and the losses, against slow or known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch  # noqa: TID253 - the tensors are what is tested
from churnsaver_assets.decision.ppo.pid import PIDMultiplier
from hypothesis import given, seed
from hypothesis import strategies as st

from churnsaver_assets.decision.ppo.gae import advantages
from churnsaver_assets.decision.ppo.loss import clipped_loss, critic_loss, imitation_loss
from churnsaver_assets.decision.ppo.network import entropy, masked_log_softmax
from churnsaver_assets.decision.ppo.rollout import _usual_spread
from churnsaver_assets.experiments.policy_spec import PIDSpec


def slow_advantage(
    reward: np.ndarray, value: np.ndarray, stay: np.ndarray, days: list[int], lam: float
) -> dict[int, float]:
    """Write out the sum over later decisions of (lambda * stay)^k times the error."""
    result = {}
    for start, day in enumerate(days):
        total, carried = 0.0, 1.0
        for position in range(start, len(days)):
            here = days[position]
            last = position + 1 == len(days)
            until = len(reward) if last else days[position + 1]
            kept = float(np.prod(stay[here:until]))
            after = 0.0 if last else kept * value[days[position + 1]]
            total += carried * (reward[here] + after - value[here])
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
    value, stay = rng.normal(size=mask.shape), rng.uniform(0.5, 1.0, mask.shape)
    found = advantages(reward, value, stay, mask, lam)
    for row in range(mask.shape[1]):
        days = np.flatnonzero(mask[:, row]).tolist()
        slow = slow_advantage(reward[:, row], value[:, row], stay[:, row], days, lam)
        expected = [slow.get(day, 0.0) for day in range(len(mask))]
        np.testing.assert_allclose(found[:, row], expected, atol=1e-12)


def test_with_a_lambda_of_one_the_target_is_what_followed() -> None:
    reward, stay = np.array([[1.0], [0.0], [4.0]]), np.array([[0.5], [0.8], [1.0]])
    value = np.array([[9.0], [0.0], [-3.0]])
    choice = np.array([[True], [False], [True]])
    target = advantages(reward, value, stay, choice, 1.0) + value
    np.testing.assert_allclose(target[[0, 2], 0], [1.0 + 0.5 * 0.8 * 4.0, 4.0])


def test_the_masked_categorical_is_the_plain_one_over_what_is_allowed() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]], requires_grad=True)
    allowed = torch.tensor([[True, False, True], [True, False, False]])
    found = masked_log_softmax(logits, allowed)
    plain = torch.log_softmax(logits[0, [0, 2]], dim=0)
    torch.testing.assert_close(found[0, [0, 2]], plain)
    assert found[0, 1] == -torch.inf
    spread = entropy(found)
    torch.testing.assert_close(spread[0], -(plain.exp() * plain).sum())
    assert spread[1] == 0.0
    (spread.sum() + found[0, 0]).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[:, 1] == 0.0).all()


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


def test_imitation_weighs_labels_by_what_missing_them_costs() -> None:
    """Two teachers say no contact at a stake of 1, one says contact at a stake of 5."""
    logits = torch.zeros(1, 2, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.1)
    label, stake = torch.tensor([0, 0, 1]), torch.tensor([1.0, 1.0, 5.0])
    allowed = torch.ones(3, 2, dtype=torch.bool)
    for _ in range(300):
        optimiser.zero_grad()
        shares = masked_log_softmax(logits.expand(3, 2), allowed)
        imitation_loss(shares, label, stake, torch.ones(3), 0.0).backward()
        optimiser.step()
    torch.testing.assert_close(
        torch.softmax(logits.detach(), dim=1), torch.tensor([[2 / 7, 5 / 7]]), atol=1e-3, rtol=0.0
    )


def test_smoothing_spreads_labels_over_what_is_allowed() -> None:
    allowed = torch.tensor([[True, True, False]])
    shares = torch.tensor([[0.25, 0.75, 0.0]]).log()
    loss = imitation_loss(shares, torch.tensor([1]), torch.ones(1), torch.ones(1), 0.2)
    expected = -(0.9 * np.log(0.75) + 0.1 * np.log(0.25))
    assert loss.item() == pytest.approx(expected)
    assert allowed.sum() == 2


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


def test_the_controller_raises_the_multiplier_while_too_much_is_spent() -> None:
    spec = PIDSpec(
        budget_per_customer=10.0, proportional=0.1, integral=0.01, derivative=0.01, initial=1.0
    )
    start = PIDMultiplier.start(spec)
    assert start.value == 1.0
    assert start.after(10.0, spec).value == pytest.approx(1.0)
    over = start.after(15.0, spec)
    assert over.value == pytest.approx(0.1 * 0.5 + 0.01 * (100.0 + 0.5))
    worse = over.after(20.0, spec)
    assert worse.value == pytest.approx(0.1 * 1.0 + 0.01 * 101.5 + 0.01 * 0.5)
    assert start.after(0.0, spec).value == pytest.approx(0.89)
