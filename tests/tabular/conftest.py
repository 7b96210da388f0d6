"""Small but real tables, and specs that train in a fraction of a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.experiments.spec import (
    Experiment,
    TabularSpec,
    TemporalSpec,
    experiment_source,
    parse_experiment,
)
from tests.support.data.small_tables import Small, small_table

if TYPE_CHECKING:
    import pandas as pd


@pytest.fixture(scope="session")
def experiment() -> Experiment:
    return parse_experiment(experiment_source())


@pytest.fixture(scope="session")
def churn_spec(experiment: Experiment) -> TabularSpec:
    return experiment.churn_risk.model_copy(update={"rounds": 40})


@pytest.fixture(scope="session")
def acceptance_spec(experiment: Experiment) -> TemporalSpec:
    catboost = experiment.offer_acceptance.catboost.model_copy(update={"rounds": 30})
    return experiment.offer_acceptance.model_copy(update={"rounds": 30, "catboost": catboost})


@pytest.fixture(scope="session")
def small_telco(telco: pd.DataFrame) -> Small:
    return small_table("churn_risk", telco.iloc[::3])


@pytest.fixture(scope="session")
def small_bank(bank: pd.DataFrame) -> Small:
    return small_table("offer_acceptance", bank.iloc[:: max(1, len(bank) // 6000)])
