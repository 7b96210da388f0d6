"""The uplift policies: what uplift in retention is worth to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.decision.baselines.uplift_policy import UpliftPolicy, retention_gain_usd
from churnsaver_serving.runtime.world.effects import contact_terms, daily_hazard, disturbed_hazard
from tests.support.decision.baselines import first_day
from tests.support.decision.cohort import ageless

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnsaver_assets.decision.baselines.parameters import LogModels
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.policies.observation import Observation

    Floats = npt.NDArray[np.float64]


class Known:
    """Retention that is known of each customer."""

    def __init__(self, retention: Floats) -> None:
        self._retention = retention

    def rates(self, matrix: Floats) -> Floats:
        assert len(matrix) == len(self._retention)
        return self._retention


def _true_retention(seen: Observation, accept: float) -> Floats:
    """Return retention after 90 days where that share accepts each offer; control first."""
    world, days = seen.world, 90
    hazard = daily_hazard(world, seen.p_churn)
    raised = disturbed_hazard(world, hazard, seen.p_churn, np.ones_like(hazard))
    untouched = (1 - hazard) ** days
    refused = (1 - raised) ** world.refusal_days * (1 - hazard) ** (days - world.refusal_days)
    saved = [
        accept * (1 - hazard * save) ** days + (1 - accept) * refused for save in world.save_effect
    ]
    return np.column_stack([untouched, *saved])


def test_uplift_that_is_known_is_worth_what_the_formulas_say(train: Setting) -> None:
    """Where everybody accepts there is one hazard for 90 days, and the conversion is exact."""
    seen = first_day(train)
    everybody = np.ones_like(seen.p_accept)
    terms = contact_terms(
        seen.world,
        seen.offers_pct,
        risk=ageless(seen.p_churn),
        monthly_charge_usd=seen.monthly_charge_usd,
        p_accept=everybody,
    )
    retention = _true_retention(seen, 1.0)
    gain = retention_gain_usd(seen.world, seen.monthly_charge_usd, retention, 90)
    np.testing.assert_allclose(gain, terms.gain, rtol=1e-6, atol=1e-6)
    # A mixture of two hazards is taken for one: near, and in the same order.
    mixed = retention_gain_usd(seen.world, seen.monthly_charge_usd, _true_retention(seen, 0.4), 90)
    half = contact_terms(
        seen.world,
        seen.offers_pct,
        risk=ageless(seen.p_churn),
        monthly_charge_usd=seen.monthly_charge_usd,
        p_accept=0.4 * everybody,
    )
    assert mixed.sum() == pytest.approx(half.gain.sum(), rel=0.35)
    assert np.corrcoef(mixed[:, 3], half.gain[:, 3])[0, 1] > 0.9


def test_cost_is_expected_and_the_multiplier_counts_on_top(train: Setting) -> None:
    seen = first_day(train, multiplier=0.5)
    retention = _true_retention(seen, 1.0)
    policy = UpliftPolicy("uplift_tree", Known(retention), 90, None)
    charge, world = seen.monthly_charge_usd, seen.world
    gain = retention_gain_usd(world, charge, retention, 90)
    cost = world.contact_cost_usd + seen.p_accept[:, 2] * charge * world.discount_months * 0.10
    found = policy.preferences(seen)
    np.testing.assert_allclose(found[:, 3], gain[:, 2] - 1.5 * cost)
    assert (found[:, 0] == 0.0).all()
    own = UpliftPolicy("uplift_tree", Known(retention), 90, 0.5)
    told = replace(seen, multiplier=np.full(len(seen), 9.0))
    np.testing.assert_array_equal(own.preferences(told), found)


def test_nothing_that_keeps_nobody_is_worth_a_contact(train: Setting) -> None:
    seen = first_day(train)
    idle = np.repeat(_true_retention(seen, 1.0)[:, :1], 5, axis=1)
    policy = UpliftPolicy("uplift_tree", Known(idle), 90, 0.0)
    assert (policy.preferences(seen)[:, 1:] <= -seen.world.contact_cost_usd + 1e-9).all()


def test_fitted_learners_rank_customers_by_what_a_contact_is_worth(
    train: Setting, models: LogModels
) -> None:
    seen = first_day(train)
    terms = contact_terms(
        seen.world,
        seen.offers_pct,
        risk=ageless(seen.p_churn),
        monthly_charge_usd=seen.monthly_charge_usd,
        p_accept=seen.p_accept,
    )
    for name, model in (("uplift_tree", models.forest), ("two_model_uplift", models.two_model)):
        policy = UpliftPolicy(name, model, models.days, 0.0)
        assert policy.name == name
        found = policy.preferences(seen)[:, 4]
        assert np.corrcoef(found, terms.net[:, 3])[0, 1] > 0.3
