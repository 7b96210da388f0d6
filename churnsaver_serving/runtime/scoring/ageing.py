"""Ageing: the risk of customers now and at later anniversaries, by the risk model itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from churnsaver_serving.runtime.arrays import Floats, Floats32
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from churnsaver_serving.runtime.world.effects import RISK_MONTHS

_TENURE, _TOTAL = "tenure_months", "total_charges_usd"


def risk_ahead(
    model: ScoringModel,
    table: Mapping[str, Sequence[Any]],
    context: Floats32,
    monthly_charge_usd: Floats,
) -> Floats:
    """Score customers now and as many months older as each of `RISK_MONTHS` says.

    A month adds one to the tenure and a monthly charge to the total; all else stays as it is.

    Args:
        model: The risk model.
        table: Raw values of the model's fields, n each.
        context: The same, encoded, shape (n, columns).
        monthly_charge_usd: Monthly charge, USD, shape (n,).

    Returns:
        Shape (n, len(RISK_MONTHS)).
    """
    columns = model.encoder.columns
    stages = []
    for months in RISK_MONTHS:
        stage = context.copy()
        for name, added in ((_TENURE, float(months)), (_TOTAL, months * monthly_charge_usd)):
            if months and name in columns:
                now = np.asarray(table[name], dtype=np.float64)
                stage[:, columns.index(name)] = now + added
        stages.append(stage)
    scores: Floats = model.probability(np.concatenate(stages)).reshape(len(RISK_MONTHS), -1)
    return scores.T
