"""Ageing: the risk model's own change of each customer's score, month by month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.decision.customers.ageing import aged_risk
from churnsaver_assets.decision.simulator.cohort import AGED_MONTHS
from churnsaver_serving.runtime.scoring.calibration import Platt, logit
from churnsaver_serving.runtime.scoring.scores import ScoringModel

if TYPE_CHECKING:
    import pandas as pd

    from churnsaver_serving.runtime.arrays import Floats


@pytest.fixture(scope="module")
def customers(telco: pd.DataFrame) -> pd.DataFrame:
    return telco.iloc[:: max(1, len(telco) // 200)].reset_index(drop=True)


@pytest.fixture(scope="module")
def p_churn(customers: pd.DataFrame) -> Floats:
    return np.random.default_rng(42).uniform(0.01, 0.95, len(customers))


def test_the_score_of_now_is_kept_and_later_ones_move_as_the_models_do(
    risk_model: ScoringModel, customers: pd.DataFrame, p_churn: Floats
) -> None:
    risk = aged_risk(risk_model, customers, p_churn)
    assert risk.shape == (len(customers), AGED_MONTHS + 1)
    np.testing.assert_array_equal(risk[:, 0], p_churn)
    names = [field.name for field in risk_model.encoder.spec.fields]
    now = risk_model.score({name: customers[name].tolist() for name in names})
    for month in (1, 4, AGED_MONTHS):
        rows = customers.to_dict("records")
        for row in rows:
            row["tenure_months"] += month
            row["total_charges_usd"] += month * row["monthly_charges_usd"]
        later = risk_model.score({name: [row[name] for row in rows] for name in names})
        change = logit(risk[:, month]) - logit(p_churn)
        np.testing.assert_allclose(change, logit(later) - logit(now), atol=1e-9)
    assert (risk[:, -1] < risk[:, 0]).mean() > 0.5  # who stays on is held the better


def test_the_later_scores_are_the_models(
    risk_model: ScoringModel, customers: pd.DataFrame, p_churn: Floats
) -> None:
    """One that tells nobody apart, by age or by anything else, ages nobody; a bolder one more."""
    booster, encoder = risk_model.booster, risk_model.encoder
    blind, bold = (
        aged_risk(ScoringModel(booster, encoder, Platt(slope, -1.0)), customers, p_churn)
        for slope in (0.0, 2.0)
    )
    plain = aged_risk(risk_model, customers, p_churn)
    np.testing.assert_allclose(blind, np.tile(p_churn[:, None], AGED_MONTHS + 1))
    now = logit(p_churn)[:, None]
    np.testing.assert_allclose(logit(bold) - now, 2 * (logit(plain) - now), atol=1e-9)


def test_ageing_leaves_the_table_as_it_is(
    risk_model: ScoringModel, customers: pd.DataFrame, p_churn: Floats
) -> None:
    before = customers.copy()
    aged_risk(risk_model, customers, p_churn)
    assert customers.equals(before)
