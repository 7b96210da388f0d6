"""Ageing: the risk of customers as the risk model scores them at their next anniversaries."""

import numpy as np
import pandas as pd

from churnsaver_assets.decision.simulator.cohort import AGED_MONTHS
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.scoring.calibration import logit, sigmoid
from churnsaver_serving.runtime.scoring.scores import ScoringModel


def aged(customers: pd.DataFrame, months: int) -> pd.DataFrame:
    """Return customers some months from now: longer with us, and that much more paid.

    Args:
        customers: Canonical Telco table, n rows.
        months: Months from now, all else the same.
    """
    return customers.assign(
        tenure_months=customers["tenure_months"] + months,
        total_charges_usd=customers["total_charges_usd"]
        + months * customers["monthly_charges_usd"],
    )


def aged_risk(model: ScoringModel, customers: pd.DataFrame, p_churn: Floats) -> Floats:
    """Score customers at each anniversary from now to `AGED_MONTHS` months ahead.

    The score of now is `p_churn`, made by models that never saw the customer. There are none such
    of later months, so these take from the served model, which has seen everyone as of now, only
    the change of its log-odds since now.

    Args:
        model: The served risk model.
        customers: Canonical Telco table, n rows.
        p_churn: Calibrated out-of-sample probability to leave within a month, shape (n,).

    Returns:
        Shape (n, AGED_MONTHS + 1).
    """
    names = [field.name for field in model.encoder.spec.fields]
    log_odds = np.column_stack(
        [
            logit(model.score({name: later[name].tolist() for name in names}))
            for later in (aged(customers, months) for months in range(AGED_MONTHS + 1))
        ]
    )
    change = log_odds[:, 1:] - log_odds[:, :1]
    return np.column_stack([p_churn, sigmoid(logit(p_churn)[:, None] + change)])
