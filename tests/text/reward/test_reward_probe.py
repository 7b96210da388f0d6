import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.reward.metrics import correct
from churnsaver_assets.text.reward.probe import choose, fit_probe, fit_weight, pair_scale


def made(pairs: int = 300, hidden: int = 8, seed: int = 42) -> tuple[np.ndarray, np.ndarray]:
    """Features whose first column decides, with a mean that is far from 0 and unequal scales."""
    rng = np.random.default_rng(seed)
    scale = np.linspace(1.0, 20.0, hidden)
    chosen = rng.normal(5.0, 1.0, (pairs, hidden)) * scale
    rejected = rng.normal(5.0, 1.0, (pairs, hidden)) * scale
    chosen[:, 0] += 2.0
    return chosen, rejected


@given(st.integers(0, 2**32 - 1))
def test_scale_does_not_know_the_labels(seed: int) -> None:
    chosen, rejected = made(40)
    differences = chosen - rejected
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (len(differences), 1))
    np.testing.assert_allclose(pair_scale(differences), pair_scale(signs * differences))


def test_scaling_keeps_the_mean_that_carries_the_label() -> None:
    differences = np.full((10, 1), 3.0)
    differences[0] = 3.5
    scaled = differences / pair_scale(differences)
    assert scaled.mean() > 0.9  # with the mean removed it would be 0
    weight = fit_weight(differences, np.zeros(10), 1.0)
    assert np.all(differences @ weight > 0)


@given(st.integers(0, 2**32 - 1))
def test_swapped_labels_flip_the_weight(seed: int) -> None:
    chosen, rejected = made(60, seed=seed)
    ahead = fit_probe(chosen, rejected, np.zeros(60), 6.0)
    back = fit_probe(rejected, chosen, np.zeros(60), 6.0)
    np.testing.assert_allclose(back.weight, -ahead.weight, atol=1e-5)
    gaps = ahead.score(chosen) - ahead.score(rejected)
    swapped = back.score(chosen) - back.score(rejected)
    assert correct(gaps).mean() == pytest.approx(1 - correct(swapped).mean())


def test_weight_is_that_of_a_logistic_regression_on_pairs_in_both_orders() -> None:
    from sklearn.linear_model import LogisticRegression

    chosen, rejected = made()
    differences = chosen - rejected
    scale = pair_scale(differences)
    both = np.concatenate([differences, -differences]) / scale
    labels = np.repeat([1, 0], len(differences))
    # Its loss has every pair twice, so half of C keeps the penalty.
    other = LogisticRegression(C=0.5 / 30.0, fit_intercept=False, tol=1e-10, max_iter=1000).fit(
        both, labels
    )
    expected = other.coef_[0] / scale
    np.testing.assert_allclose(fit_weight(differences, np.zeros(300), 30.0), expected, atol=1e-4)


def test_margins_ask_for_wider_gaps() -> None:
    chosen, rejected = made()
    differences = chosen - rejected
    plain = differences @ fit_weight(differences, np.zeros(300), 3.0)
    wide = differences @ fit_weight(differences, np.full(300, 2.0), 3.0)
    assert wide.mean() > plain.mean() + 0.5
    with pytest.raises(ValueError, match="one margin for each pair"):
        fit_weight(differences, np.zeros(3), 0.01)


def test_rewards_are_centred() -> None:
    chosen, rejected = made()
    probe = fit_probe(chosen, rejected, np.zeros(300), 30.0)
    rewards = np.concatenate([probe.score(chosen), probe.score(rejected)])
    assert rewards.mean() == pytest.approx(0.0, abs=1e-9)


def test_constant_features_are_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to learn"):
        fit_weight(np.zeros((5, 3)), np.zeros(5), 0.1)
    one_constant = np.array([[1.0, 0.0], [2.0, 0.0]])
    assert fit_weight(one_constant, np.zeros(2), 0.1)[1] == 0.0


def test_cross_validation_finds_the_pooling_that_tells() -> None:
    chosen, rejected = made()
    noise = np.random.default_rng(1).normal(size=chosen.shape)
    choice = choose(
        {"last": noise, "reply": chosen - rejected},
        np.zeros(300),
        [str(at // 2) for at in range(300)],
        (3.0, 300.0),
        seed=42,
    )
    assert choice.best.pooling == "reply"
    assert len(choice.trials) == 4
    assert choice.best.accuracy > 0.85
    assert correct(choice.margins).mean() == choice.best.accuracy


def test_cross_validation_keeps_prompts_together() -> None:
    """Labels are chance and each prompt's pairs are copies: only a leak could tell them."""
    rng = np.random.default_rng(42)
    copies = np.repeat(rng.normal(size=(60, 40)), 5, axis=0)
    prompts = np.repeat(np.arange(60), 5).astype(str).tolist()
    choice = choose({"reply": copies}, np.zeros(300), prompts, (0.03,), seed=42)
    assert choice.best.accuracy < 0.65
    with pytest.raises(ValueError, match="at least two prompts"):
        choose({"reply": copies}, np.zeros(300), ["one"] * 300, (30.0,), seed=42)
