"""Fixtures computed once for all tests here: small models, baselines, an evaluation.

The models are trained for real, on slices of their tables.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes

from churnsaver_assets.decision.baselines.fitting import fit_baselines
from churnsaver_assets.decision.baselines.rules import NothingAgent, PropensityAgent
from churnsaver_assets.decision.evaluation.evaluated_policies import (
    AgentByBudget,
    PacedPolicy,
    SingleAgent,
)
from churnsaver_assets.decision.evaluation.run import evaluate
from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec
from churnsaver_assets.experiments.spec import BoosterSpec
from churnsaver_assets.tabular.features import encode_frame
from churnsaver_assets.tabular.tasks import TASKS, ModelKind
from churnsaver_assets.tabular.training import train_booster
from churnsaver_serving.runtime.acceptance import AcceptanceModel
from churnsaver_serving.runtime.calibration import Platt
from churnsaver_serving.runtime.features import FeatureEncoder
from churnsaver_serving.runtime.scores import ScoringModel
from tests.support.decision import baselines as baselines_setup
from tests.support.decision import evaluation as evaluation_setup
from tests.support.decision.cohort import packaged_section, small_setting
from tests.support.decision.evaluation import GreedyMultiplierPolicy, pacing_table

if TYPE_CHECKING:
    import pandas as pd

    from churnsaver_assets.decision.evaluation.evaluated_policies import EvaluatedPolicy
    from churnsaver_assets.decision.evaluation.results import PolicyEvaluation
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.pacing import PacingTable


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


@pytest.fixture(scope="session")
def train() -> Setting:
    """Make the customers that `baseline_files` are tuned on."""
    return small_setting(baselines_setup.CUSTOMERS, seed=1)


@pytest.fixture(scope="session")
def baseline_files(train: Setting) -> dict[str, bytes]:
    """Baselines, fitted and tuned. Shared by all tests: copy before changing them."""
    return fit_baselines(train, baselines_setup.BUDGETS, baselines_setup.SPEC, 42)


@pytest.fixture(scope="session")
def setting() -> Setting:
    """Make the customers of `evaluation`."""
    return small_setting(evaluation_setup.CUSTOMERS)


@pytest.fixture(scope="session")
def spend(setting: Setting) -> float:
    """Compute the spend of the best policy without a budget."""
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    return float(programmes.solve(0.0).flow().spend_usd.sum()) / len(setting.cohort)


@pytest.fixture(scope="session")
def greedy_pacing(setting: Setting) -> PacingTable:
    """Fit the pacing table of `GreedyMultiplierPolicy`."""
    return pacing_table(setting)


@pytest.fixture(scope="session")
def policies(greedy_pacing: PacingTable, spend: float) -> list[EvaluatedPolicy]:
    """Who is evaluated, the learned policy first."""

    def by_budget(*thresholds: float) -> dict[float, Any]:
        shares = evaluation_setup.SPEC["budget_shares"]
        return {
            share * spend: PropensityAgent(threshold, 10)
            for share, threshold in zip(shares, thresholds, strict=True)
        }

    return [
        PacedPolicy("greedy", "learned", GreedyMultiplierPolicy(), greedy_pacing),
        PacedPolicy(
            "slow", "planner", GreedyMultiplierPolicy("slow"), greedy_pacing, heed_acceptance=False
        ),
        AgentByBudget("propensity", "baseline", by_budget(0.6, 0.3)),
        SingleAgent("nothing", "baseline", NothingAgent()),
    ]


@pytest.fixture(scope="session")
def evaluation_spec() -> EvaluationSpec:
    return EvaluationSpec.model_validate(evaluation_setup.SPEC)


@pytest.fixture(scope="session")
def evaluation(
    policies: list[EvaluatedPolicy],
    setting: Setting,
    evaluation_spec: EvaluationSpec,
    spend: float,
) -> PolicyEvaluation:
    """Run a whole evaluation, with both of its ablations."""
    greedy = policies[0]
    assert isinstance(greedy, PacedPolicy)
    return evaluate(
        policies,
        setting,
        evaluation_spec,
        unconstrained_spend=spend,
        data="sample",
        seed=evaluation_setup.SEED,
        ablated={"risk_model": replace(greedy, name="blind"), "pacing": greedy.unpaced()},
    )
