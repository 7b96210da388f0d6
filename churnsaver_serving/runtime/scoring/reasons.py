"""Reasons for a risk: the strongest SHAP contributions of the risk model, by field."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.scoring.features import FeatureEncoder


class RiskDriver(msgspec.Struct, frozen=True):
    """One field's part in a customer's risk.

    Attributes:
        code: The profile field.
        value: The field's value for this customer.
        effect: Direction of the effect on the risk, against the average customer.
        contribution: SHAP value in log-odds of churn.
    """

    code: str
    value: bool | int | float | str
    effect: Literal["raises", "lowers"]
    contribution: float


def strongest_drivers(
    encoder: FeatureEncoder,
    table: Mapping[str, Sequence[Any]],
    contributions: Floats,
    row: int,
    count: int = 3,
) -> tuple[RiskDriver, ...]:
    """Return the fields with the largest contributions, whichever way, strongest first.

    Args:
        encoder: Encoder of the model that is explained.
        table: The raw values that the encoder was given.
        contributions: Contributions of this row, shape (fields + 1,), as
            `ScoringModel.contributions` gives them.
        row: Position of the row in the table.
        count: Largest number of drivers to return.
    """
    fields = encoder.spec.fields
    order = np.argsort(-np.abs(contributions[: len(fields)]))[:count]
    return tuple(
        RiskDriver(
            code=fields[at].name,
            value=table[fields[at].name][row],
            effect="raises" if contributions[at] > 0 else "lowers",
            contribution=round(float(contributions[at]), 4),
        )
        for at in order.tolist()
    )
