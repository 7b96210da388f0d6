"""The two prediction tasks: each one's table key, label and features."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import pandas as pd

from churnsaver_assets.tabular.features import (
    acceptance_with_month_encoder,
    churn_risk_encoder,
    offer_acceptance_encoder,
)
from churnsaver_serving.runtime.scoring.features import EncoderSpec

ModelKind = Literal["churn_risk", "offer_acceptance"]


@dataclass(frozen=True)
class Reference:
    """A model with columns that the served one leaves out: measured beside it, never served.

    Attributes:
        name: The model's name in reports.
        encoder: Function from the table to its features.
    """

    name: str
    encoder: Callable[[pd.DataFrame], EncoderSpec]


@dataclass(frozen=True)
class Task:
    """One prediction task.

    Attributes:
        title: The task's name in reports.
        key: The column that names a row.
        label: The boolean column to predict.
        event: The meaning of a positive label, as a plot's axis says it.
        encoder: Function from the table to its features.
        reference: The served family with further columns, for comparison; None for none.
    """

    title: str
    key: str
    label: str
    event: str
    encoder: Callable[[pd.DataFrame], EncoderSpec]
    reference: Reference | None = None


TASKS: Mapping[ModelKind, Task] = MappingProxyType(
    {
        "churn_risk": Task(
            title="Churn risk (IBM Telco)",
            key="customer_id",
            label="churned",
            event="churn within a month",
            encoder=churn_risk_encoder,
        ),
        "offer_acceptance": Task(
            title="Offer acceptance (UCI Bank Marketing)",
            key="row",
            label="accepted",
            event="acceptance",
            encoder=offer_acceptance_encoder,
            reference=Reference("xgboost_with_month", acceptance_with_month_encoder),
        ),
    }
)
