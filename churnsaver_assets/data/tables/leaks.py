"""Guards against features that know the outcome. Splits guard their own side in `splits`."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

_KNOWN_AFTERWARDS = "known only after the outcome"
_OUTCOME = "the outcome itself"
_DERIVED = "derived from the outcome by the publisher"
_IDENTIFIER = "tells rows apart, not customers' traits"

LEAKS: Mapping[str, str] = MappingProxyType(
    {
        "duration": f"length of the call, {_KNOWN_AFTERWARDS}",
        **dict.fromkeys(("churn", "churned", "accepted", "y"), _OUTCOME),
        **dict.fromkeys(("visit", "conversion", "spend", "spendusd"), _OUTCOME),
        **dict.fromkeys(("churnvalue", "churnlabel", "customerstatus"), _OUTCOME),
        **dict.fromkeys(("churnscore", "cltv"), _DERIVED),
        **dict.fromkeys(("churnreason", "churncategory"), _KNOWN_AFTERWARDS),
        **dict.fromkeys(("customerid", "customer", "row", "group", "fold", "split"), _IDENTIFIER),
    }
)
"""Columns that no model may see, and why. Names without case and punctuation; the churn score and
its kin are in IBM's wider edition of the Telco table."""


def leaked_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return the columns of a feature table that must not be there.

    Args:
        columns: Names, or a data frame (which iterates over its names). Encoded names such as
            `contract=One year` are judged by the part before the equals sign.

    Returns:
        Name of each leaked column to the reason; empty where all is well.
    """
    reasons = {name: LEAKS.get(_plain(name)) for name in columns}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def outcome_copies(
    features: pd.DataFrame, outcome: npt.ArrayLike, *, auc: float = 0.95
) -> dict[str, float]:
    """Find columns that alone rank the outcome almost perfectly: copies under another name.

    Identifiers are found, too: a value of its own for each row ranks anything.

    Args:
        features: Feature columns of n rows; numbers, flags or categories.
        outcome: The outcome, n booleans, both values present.
        auc: Least area under the ROC curve at which a column counts as a copy.

    Returns:
        Name of each such column to its AUC.
    """
    from sklearn.metrics import roc_auc_score

    truth = np.asarray(outcome, dtype=bool)
    found = {}
    for name, column in features.items():
        if pd.api.types.is_numeric_dtype(column):  # flags included
            score = column.astype(np.float64)
            missing = score.min() - 1.0  # a place of its own below all values
        else:
            score = column.map(pd.Series(truth, index=column.index).groupby(column).mean())
            missing = truth.mean()
        score = score.fillna(missing).fillna(0.0)
        area = float(roc_auc_score(truth, score))
        if max(area, 1.0 - area) >= auc:
            found[str(name)] = max(area, 1.0 - area)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.partition("=")[0].lower())
