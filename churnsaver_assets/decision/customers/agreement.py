"""Agreement of the policies' models with the truth: how good each is, and how far apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from churnsaver_assets.common.drawing import BLUE, GREY, ORANGE, figure, label, plain_style, png
from churnsaver_assets.decision.simulator.cohort_files import unpack
from churnsaver_assets.tabular.metrics import Metrics, measure
from churnsaver_serving.runtime.scoring.calibration import logit, sigmoid

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pandas as pd

    from churnsaver_assets.common.drawing import Axes
    from churnsaver_assets.decision.simulator.cohort import Cohort
    from churnsaver_serving.runtime.arrays import Bools, Floats

Score = Literal["risk", "risk, held-out customers", "acceptance"]


class Agreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model and the truth on the same rows, which neither has seen.

    Attributes:
        base_rate: Share of events among the rows.
        model: Figures of the policies' model.
        truth: Figures of the truth.
        correlation: Correlation of their log-odds.
        distance: Root mean square difference of their log-odds.
    """

    base_rate: float
    model: Metrics
    truth: Metrics
    correlation: float
    distance: float


class TruthReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known of the truth beside the policies' models.

    Attributes:
        scores: Figures on the tables, which know what happened, for each of the scores.
        risk_model: Mean risk of all customers by months from now, as the model says.
        risk_truth: Mean risk in truth.
        acceptance_model: Mean p(accept) of a plain contact by contacts before, as the model says.
        acceptance_truth: Mean p(accept) in truth.
    """

    scores: dict[Score, Agreement]
    risk_model: tuple[float, ...]
    risk_truth: tuple[float, ...]
    acceptance_model: tuple[float, ...]
    acceptance_truth: tuple[float, ...]


def agreement(labels: Bools, model: Floats, truth: Floats, *, seed: int) -> Agreement:
    """Measure a model and the truth on rows that neither has seen.

    Args:
        labels: Labels of both classes, shape (n,).
        model: Probabilities by the policies' model, shape (n,).
        truth: True probabilities, shape (n,).
        seed: Seed for the intervals.
    """
    apart = logit(model) - logit(truth)
    return Agreement(
        base_rate=float(labels.mean()),
        model=measure(labels, model, seed=seed),
        truth=measure(labels, truth, seed=seed),
        correlation=float(np.corrcoef(logit(model), logit(truth))[0, 1]),
        distance=float(np.sqrt((apart**2).mean())),
    )


def truth_report(
    environment: Mapping[str, bytes],
    truth: Mapping[str, bytes],
    churned: pd.Series,
    acceptance: Agreement,
    *,
    seed: int,
) -> TruthReport:
    """Compare the environment's customers with the truth of the same.

    Args:
        environment: The customers as the policies' models see them, as from `environment_files`.
        truth: The same customers as they are, as from `truth_files`.
        churned: Whether each left, by customer_id.
        acceptance: The acceptance models on the Bank table, which knows what was answered.
        seed: Seed for the intervals.
    """
    (model, names), (true, _) = unpack(environment), unpack(truth)
    left = churned.loc[list(names.customer_id)].to_numpy(dtype=np.bool_)
    p_model, p_true = (one["risk"][:, 0].astype(np.float64) for one in (model, true))
    held = np.array(names.split) == "holdout"
    held_out = agreement(left[held], p_model[held], p_true[held], seed=seed)
    return TruthReport(
        scores={
            "risk": agreement(left, p_model, p_true, seed=seed),
            "risk, held-out customers": held_out,
            "acceptance": acceptance,
        },
        risk_model=_means(model["risk"]),
        risk_truth=_means(true["risk"]),
        acceptance_model=_means(sigmoid(model["accept_logit"].astype(np.float64))),
        acceptance_truth=_means(sigmoid(true["accept_logit"].astype(np.float64))),
    )


def report_rows(found: TruthReport) -> list[dict[str, str]]:
    """Return one row for each score and side, as people read it."""
    return [
        {
            "score": name,
            "by": side,
            "rows": f"{figures.rows:,}",
            "base rate": f"{one.base_rate:.4f}",
            "AUC": f"{figures.auc:.4f}",
            "log loss": f"{figures.log_loss:.4f}",
            "ECE": f"{figures.ece:.4f}",
            "ECE noise floor": f"{figures.ece_noise_floor.mean:.4f}",
            "correlation of log-odds": f"{one.correlation:.3f}",
            "log-odds apart": f"{one.distance:.3f}",
        }
        for name, one in found.scores.items()
        for side, figures in (("model", one.model), ("truth", one.truth))
    ]


def mean_rows(
    counted: str, model: tuple[float, ...], truth: tuple[float, ...]
) -> list[dict[str, str]]:
    """Return one row for each count from 0 on, with the mean of both sides.

    Args:
        counted: What is counted: months from now, or contacts before.
        model: Means as the policies' model says, one for each count.
        truth: Means in truth.
    """
    return [
        {counted: str(count), "model": f"{one:.4f}", "truth": f"{other:.4f}"}
        for count, (one, other) in enumerate(zip(model, truth, strict=True))
    ]


@plain_style
def agreement_png(believed: Cohort, truth: Cohort) -> bytes:
    """Draw each customer's scores against the truth, and how both see risk change with age.

    Args:
        believed: Customers as the policies' models see them.
        truth: The same customers as they are.
    """
    drawn = figure(12.6, 4.4)
    risk, acceptance, ageing = drawn.subplots(1, 3)
    _against(risk, believed.p_churn, truth.p_churn)
    label(risk, "Risk to leave within a month", "by the policies' model", "in truth")
    first = (sigmoid(one.accept_logit[:, 0].astype(np.float64)) for one in (believed, truth))
    _against(acceptance, *first)
    label(acceptance, "Acceptance of a first plain contact", "by the policies' model", "in truth")
    for one, name, colour in ((believed, "model", BLUE), (truth, "truth", ORANGE)):
        ageing.plot(one.risk.mean(axis=0), color=colour, marker="o", ms=3, label=name)
    ageing.set_ylim(bottom=0.0)
    label(ageing, "Mean risk as customers age", "months from now", "p(churn) within a month")
    ageing.legend(loc="lower left", frameon=False)
    return png(drawn)


def _against(axes: Axes, model: Floats, truth: Floats) -> None:
    end = 1.02 * float(max(model.max(), truth.max()))
    axes.plot([0, end], [0, end], color=GREY, lw=1, ls="--")
    axes.scatter(model, truth, s=5, alpha=0.35, color=BLUE, lw=0)
    axes.set(xlim=(0, end), ylim=(0, end), aspect="equal")


def _means(values: npt.NDArray[np.generic]) -> tuple[float, ...]:
    return tuple(values.astype(np.float64).mean(axis=0).tolist())
