"""The randomised log and what is learnt from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.decision.baselines.acceptance import fit_acceptance
from churnsaver_assets.decision.baselines.log import customer_features, randomised_log
from churnsaver_serving.runtime.effects import contact_terms, daily_hazard
from tests.support.decision.baselines import first_context
from tests.support.decision.cohort import small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting


def test_the_log_shows_the_effects_that_the_simulator_has() -> None:
    setting = small_setting(400)
    log = randomised_log(setting, 200, seed=3)
    world, cohort = setting.nominal, setting.cohort
    p_accept = first_context(setting).observe(np.zeros(1), np.arange(400)).p_accept[:, 0]
    terms = contact_terms(
        world,
        setting.space.offers_pct,
        p_churn=cohort.p_churn,
        hazard=daily_hazard(world, cohort.p_churn),
        # So that who stays is worth one.
        monthly_charge_usd=np.full(400, 1.0 / world.horizon_months),
        p_accept=p_accept,
        days_left=np.full(400, 30.0),
    )
    stayed = [log.stayed[log.arm == arm].mean() for arm in range(5)]
    size = len(log.arm) / 5
    se = np.sqrt(0.25 / size)
    assert stayed[0] == pytest.approx((1.0 - cohort.p_churn).mean(), abs=4 * se)
    for offer in range(4):
        expected = terms.gain[:, offer].mean()
        assert stayed[offer + 1] - stayed[0] == pytest.approx(expected, abs=4 * np.sqrt(2) * se)
        accepted = log.accepted[log.arm == offer + 1].mean()
        assert accepted == pytest.approx(p_accept[:, offer].mean(), abs=4 * se)
    assert not log.accepted[log.arm == 0].any()


def test_the_log_is_randomised() -> None:
    log = randomised_log(small_setting(500), 20, seed=3)
    share = np.bincount(log.arm) / len(log.arm)
    np.testing.assert_allclose(share, 0.2, atol=0.02)
    for arm in range(5):
        gap = log.matrix[log.arm == arm].mean(axis=0) - log.matrix.mean(axis=0)
        assert (np.abs(gap) < 4 * log.matrix.std(axis=0) / np.sqrt(len(log.arm) / 5)).all()


def test_the_log_begins_on_the_first_contact_day() -> None:
    saturday = small_setting(200, start=date(2026, 6, 6))
    log = randomised_log(saturday, 2, seed=3)
    assert 0 < len(log.arm) < 400  # some left over the weekend
    assert log.accepted.any()
    with pytest.raises(ValueError, match="no contact day"):
        randomised_log(small_setting(200, days=2, start=date(2026, 6, 6)), 2, seed=3)


def test_features_are_what_is_believed(train: Setting) -> None:
    blind = replace(train, believed=train.cohort.without_risk_model())
    risk, charge, accept = customer_features(blind).T
    assert np.ptp(risk) == 0.0
    assert (charge == train.cohort.monthly_charge_usd).all()
    assert (accept == customer_features(train)[:, 2]).all()
    assert np.ptp(customer_features(train)[:, 0]) > 0.5


def test_logged_acceptance_is_near_the_true_one(train: Setting) -> None:
    found = fit_acceptance(randomised_log(train, 30, seed=3)).rates(customer_features(train))
    context = first_context(train)
    true = context.observe(np.zeros(1), np.arange(len(train.cohort))).p_accept[:, 0]
    assert np.abs(found - true).mean() < 0.03
    assert (np.diff(found.mean(axis=0)) > 0).all()
