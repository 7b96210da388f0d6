"""An acceptance model, trained for real on a slice of the Bank table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from decision_cohort import packaged_section

from churnsaver_assets.experiments.spec import TemporalSpec
from churnsaver_assets.tabular.features import encode_frame
from churnsaver_assets.tabular.tasks import TASKS
from churnsaver_assets.tabular.training import train_booster
from churnsaver_serving.runtime.acceptance import AcceptanceModel
from churnsaver_serving.runtime.calibration import Platt
from churnsaver_serving.runtime.features import FeatureEncoder
from churnsaver_serving.runtime.scores import ScoringModel

if TYPE_CHECKING:
    import pandas as pd


@pytest.fixture(scope="session")
def small_bank(bank: pd.DataFrame) -> pd.DataFrame:
    """A few thousand contacts, spread over the whole table."""
    return bank.iloc[:: max(1, len(bank) // 4000)].reset_index(drop=True)


@pytest.fixture(scope="session")
def acceptance(small_bank: pd.DataFrame) -> AcceptanceModel:
    """Trained in a moment: few rounds, and no cross-fitted choice of a calibrator."""
    spec = TemporalSpec.model_validate(packaged_section("offer_acceptance") | {"rounds": 20})
    task = TASKS["offer_acceptance"]
    encoder = FeatureEncoder(task.encoder(small_bank))
    booster = train_booster(
        encode_frame(encoder, small_bank),
        small_bank[task.label].to_numpy(dtype=bool),
        spec,
        42,
        columns=encoder.columns,
    )
    return AcceptanceModel(ScoringModel(booster, encoder, Platt(slope=1.0, intercept=0.0)))
