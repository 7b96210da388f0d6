"""Agreement of model and truth: the figures that the check and people go by."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnsaver_assets.decision.customers.agreement import (
    agreement,
    agreement_png,
    mean_rows,
    report_rows,
    truth_report,
)
from churnsaver_assets.decision.simulator.cohort_files import cohort_files
from churnsaver_serving.runtime.scoring.calibration import logit, sigmoid
from tests.support.decision.cohort import at_risk, small_cohort


def test_both_are_measured_on_the_same_rows_and_how_far_apart_they_are() -> None:
    from sklearn.metrics import log_loss, roc_auc_score

    rng = np.random.default_rng(42)
    model = rng.uniform(0.05, 0.95, 400)
    labels = rng.random(400) < model
    one = agreement(labels, model, sigmoid(logit(model) + 0.5), seed=42)
    assert one.base_rate == labels.mean()
    assert one.correlation == pytest.approx(1.0)
    assert one.distance == pytest.approx(0.5)
    assert one.model.auc.mean == pytest.approx(roc_auc_score(labels, model))
    assert one.truth.auc.mean == pytest.approx(one.model.auc.mean)
    assert one.truth.log_loss.mean == pytest.approx(log_loss(labels, sigmoid(logit(model) + 0.5)))
    assert one.truth.ece.mean > one.model.ece.mean


def test_a_report_matches_outcomes_by_customer_and_tells_the_held_out_apart() -> None:
    n = 300
    believed = small_cohort(n)
    rng = np.random.default_rng(42)
    left = rng.random(n) < believed.p_churn
    truth = at_risk(believed, np.clip(0.9 * believed.p_churn, 0.01, 0.99))
    split = ("train",) * 200 + ("holdout",) * 100
    churned = pd.Series(left, index=believed.customer_id).sample(frac=1, random_state=42)
    answers = agreement(left, believed.p_churn, truth.p_churn, seed=42)
    found = truth_report(
        cohort_files(believed, split), cohort_files(truth, split), churned, answers, seed=42
    )
    assert found.scores["risk"] == answers == found.scores["acceptance"]
    held = found.scores["risk, held-out customers"]
    assert held == agreement(left[200:], believed.p_churn[200:], truth.p_churn[200:], seed=42)
    assert found.risk_model == pytest.approx(believed.risk.mean(axis=0))
    assert found.risk_truth == pytest.approx(truth.risk.mean(axis=0))
    assert found.acceptance_model == found.acceptance_truth
    assert len(report_rows(found)) == 2 * len(found.scores)
    first = mean_rows("months from now", found.risk_model, found.risk_truth)[0]
    assert first == {
        "months from now": "0",
        "model": f"{believed.p_churn.mean():.4f}",
        "truth": f"{truth.p_churn.mean():.4f}",
    }
    assert agreement_png(believed, truth).startswith(b"\x89PNG")
