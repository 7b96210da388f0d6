"""The randomised log that uplift and acceptance are learnt from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from churnsaver_assets.decision.baselines.log import customer_features, randomised_log
from churnsaver_serving.runtime.world.effects import daily_hazard, disturbed_hazard
from tests.support.decision.baselines import first_day
from tests.support.decision.cohort import at_risk, indistinct, small_setting


def test_the_log_shows_the_effects_that_the_simulator_has() -> None:
    """Retention after 90 days, by arm, against the formulas; nobody's risk changes with age."""
    setting = small_setting(400)
    setting = replace(setting, cohort=at_risk(setting.cohort, setting.cohort.p_churn))
    log = randomised_log(setting, 200, seed=3)
    assert log.days == 90
    world, p_churn = setting.nominal, setting.cohort.p_churn
    p_accept = first_day(setting).p_accept
    hazard = daily_hazard(world, p_churn)
    raised = disturbed_hazard(world, hazard, p_churn, np.ones_like(hazard))
    untouched = (1 - hazard) ** 90
    refused = (1 - raised) ** 30 * (1 - hazard) ** 60
    stayed = [log.stayed[log.arm == arm].mean() for arm in range(5)]
    se = np.sqrt(0.25 / (len(log.arm) / 5))
    assert stayed[0] == pytest.approx(untouched.mean(), abs=4 * se)
    for offer, save in enumerate(world.save_effect):
        accept = p_accept[:, offer]
        saved = (1 - hazard * save) ** 90
        expected = (accept * saved + (1 - accept) * refused).mean()
        assert stayed[offer + 1] == pytest.approx(expected, abs=4 * se)
        accepted = log.accepted[log.arm == offer + 1].mean()
        assert accepted == pytest.approx(accept.mean(), abs=4 * se)
    assert stayed[4] - stayed[0] > 10 * se
    assert not log.accepted[log.arm == 0].any()


def test_the_log_is_randomised() -> None:
    log = randomised_log(small_setting(500), 20, seed=3)
    share = np.bincount(log.arm) / len(log.arm)
    np.testing.assert_allclose(share, 0.2, atol=0.02)
    for arm in range(5):
        gap = log.matrix[log.arm == arm].mean(axis=0) - log.matrix.mean(axis=0)
        assert (np.abs(gap) < 4 * log.matrix.std(axis=0) / np.sqrt(len(log.arm) / 5)).all()


def test_the_log_begins_on_the_first_working_day() -> None:
    saturday = small_setting(200, start=date(2026, 6, 6))
    log = randomised_log(saturday, 2, seed=3)
    assert 0 < len(log.arm) < 400  # some left over the weekend
    assert log.accepted.any()
    with pytest.raises(ValueError, match="no working day"):
        randomised_log(small_setting(200, days=2, start=date(2026, 6, 6)), 2, seed=3)


def test_features_are_what_is_believed() -> None:
    setting = small_setting(100)
    blind = replace(setting, believed=indistinct(setting.cohort))
    risk, charge, accept = customer_features(first_day(blind)).T
    assert np.ptp(risk) == 0.0
    assert (charge == setting.cohort.monthly_charge_usd).all()
    np.testing.assert_allclose(accept, setting.cohort.accept_logit.mean(), rtol=1e-5)
