"""Models trained for real, once for all tests here, on slices of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.experiments.spec import BoosterSpec
from churnsaver_assets.tabular.features import encode_frame
from churnsaver_assets.tabular.tasks import TASKS, ModelKind
from churnsaver_assets.tabular.training import train_booster
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.calibration import Platt
from churnsaver_serving.runtime.scoring.features import FeatureEncoder
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from tests.support.decision.cohort import packaged_section

if TYPE_CHECKING:
    import pandas as pd


@pytest.fixture(scope="session")
def small_bank(bank: pd.DataFrame) -> pd.DataFrame:
    """Take a few thousand contacts, spread over the whole table."""
    return bank.iloc[:: max(1, len(bank) // 4000)].reset_index(drop=True)


@pytest.fixture(scope="session")
def acceptance(small_bank: pd.DataFrame) -> AcceptanceModel:
    """Trained in a moment: few rounds, and no cross-fitted choice of a calibrator."""
    return AcceptanceModel(_trained("offer_acceptance", small_bank))


@pytest.fixture(scope="session")
def risk_model(telco: pd.DataFrame) -> ScoringModel:
    """Trained in a moment, as `acceptance` is."""
    return _trained("churn_risk", telco.iloc[:: max(1, len(telco) // 2000)])


def _trained(kind: ModelKind, table: pd.DataFrame) -> ScoringModel:
    fields = {name: packaged_section(kind)[name] for name in BoosterSpec.model_fields}
    task = TASKS[kind]
    encoder = FeatureEncoder(task.encoder(table))
    booster = train_booster(
        encode_frame(encoder, table),
        table[task.label].to_numpy(dtype=bool),
        BoosterSpec.model_validate(fields | {"rounds": 20}),
        42,
        columns=encoder.columns,
    )
    return ScoringModel(booster, encoder, Platt(slope=1.0, intercept=0.0))
