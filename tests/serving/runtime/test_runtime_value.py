"""The value of a contact: against customers simulated one by one, and in another world."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from churnsaver_serving.runtime.policies.value import (
    believed_accept,
    one_step_terms,
    one_step_value,
    whole_cents,
)
from tests.support.serving.observations import observe

OFFER = 2  # 10 %


def test_equals_simulated_customers() -> None:
    """Days of revenue with and without the contact, each discounted, less what it cost."""
    observation = replace(
        observe(np.array([0.4])),
        p_accept=np.full((1, 4), 0.3),
        monthly_charge_usd=np.array([90.0]),
        wait_days=np.array([3.0]),
        multiplier=np.zeros(1),
        capacity_price_usd=np.zeros(1),
    )
    rng = np.random.default_rng(42)
    n, hazard, gamma = 400_000, 1 - 0.6 ** (1 / 30), 1 - 1 / 180
    plain = rng.geometric(hazard, n)  # days of revenue, if nothing is done
    reached = plain > 3
    accepts = rng.random(n) < 0.3
    # While the effect lasts the hazard is another; who is still there goes on as before.
    lasts = np.where(accepts, 90, 30)
    during = rng.geometric(np.where(accepts, hazard * 0.45, hazard * (1 + 0.10 * 0.6)))
    after = np.where(during > lasts, lasts + rng.geometric(hazard, n), during)
    stays = np.where(reached, 3 + after, plain)

    def revenue(days: np.ndarray) -> np.ndarray:
        return 3.0 * (1 - gamma**days) / (1 - gamma)

    cost = gamma**3 * reached * (2.0 + accepts * 90.0 * 0.10 * 3)
    gain = revenue(stays) - revenue(plain) - cost
    value = one_step_value(observation)[0, 1 + OFFER]
    assert value == pytest.approx(gain.mean(), abs=4 * gain.std() / np.sqrt(n))


def test_the_prices_of_money_and_of_a_place_are_taken_off() -> None:
    observation = observe()
    terms = one_step_terms(observation)
    value = one_step_value(observation)
    assert (value[:, 0] == 0.0).all()
    expected = terms.gain - (1.0 + observation.multiplier[:, None]) * terms.cost
    expected = expected - observation.capacity_price_usd[:, None]
    np.testing.assert_allclose(value[:, 1:], expected, rtol=1e-12)


def test_acceptance_is_told_anew_in_another_world() -> None:
    observation = observe()
    assert believed_accept(observation, observation.world) is observation.p_accept
    keener = msgspec.structs.replace(observation.world, acceptance_offset=0.5)
    odds, more = (p / (1 - p) for p in (observation.p_accept, believed_accept(observation, keener)))
    np.testing.assert_allclose(more / odds, np.exp(0.5), rtol=1e-9)
    worn = msgspec.structs.replace(observation.world, contact_fatigue=0.3)
    less = believed_accept(observation, worn)
    touched = observation.contacts_in_window > 0
    assert (less[touched] < observation.p_accept[touched]).all()
    np.testing.assert_allclose(less[~touched], observation.p_accept[~touched], rtol=1e-9)


@seed(42)
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_whole_cents_compare_without_error(a: int, b: int) -> None:
    assert whole_cents(a / 100) == a
    assert whole_cents((a + b) / 100 - b / 100) == a
    assert whole_cents(a / 100 + 0.009) == a
