"""Settings assets: one for each stage, all made straight from the experiment.

In the launchpad a stage's settings can be changed for one run (`overrides`).
"""

import inspect
from collections.abc import Mapping
from operator import attrgetter
from typing import Final

from dagster import AssetIn, AssetsDefinition, Config, MaterializeResult, MetadataValue, asset

from churnsaver_assets.defs.experiment import read_experiment
from churnsaver_assets.defs.lib.gate import OVERRIDDEN
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings import data, decision, tabular, text
from churnsaver_assets.defs.settings.overrides import config_of, given, overridden
from churnsaver_assets.defs.settings.stage import SETTINGS_FILE, At, StageSettings
from churnsaver_assets.experiments.spec import Experiment
from churnsaver_assets.experiments.strict import Strict

_STAGES: Final[Mapping[str, Mapping[str, type[Strict]]]] = {
    "team:data": {
        "splits_settings": data.SplitsSettings,
        "text_sources_settings": data.TextSourcesSettings,
    },
    "team:ml": {
        "churn_risk_settings": tabular.ChurnRiskSettings,
        "churn_risk_evaluation_settings": tabular.ChurnRiskEvaluationSettings,
        "churn_risk_gates": tabular.ChurnRiskGates,
        "offer_acceptance_settings": tabular.OfferAcceptanceSettings,
        "offer_acceptance_evaluation_settings": tabular.OfferAcceptanceEvaluationSettings,
        "offer_acceptance_gates": tabular.OfferAcceptanceGates,
    },
    "team:growth": {
        "offer_response_settings": decision.OfferResponseSettings,
        "simulator_settings": decision.SimulatorSettings,
        "planning_settings": decision.PlanningSettings,
        "baselines_settings": decision.BaselinesSettings,
        "policy_settings": decision.PolicySettings,
        "pacing_settings": decision.PacingSettings,
        "policy_evaluation_settings": decision.EvaluationSettings,
        "policy_gates": decision.PolicyGates,
        "holidays_settings": decision.HolidaysSettings,
        "uplift_settings": decision.UpliftSettings,
    },
    "team:messages": {
        "pairs_settings": text.PairsSettings,
        "base_model_settings": text.BaseModelSettings,
        "sft_settings": text.SftSettings,
        "sft_gates": text.SftGates,
        "reward_model_settings": text.RewardModelSettings,
        "reward_gates": text.RewardGates,
        "prompts_settings": text.PromptsSettings,
        "rejection_settings": text.RejectionSettings,
        "ppo_settings": text.PpoSettings,
        "judging_settings": text.JudgingSettings,
        "writer_gates": text.WriterGates,
        "shield_gates": text.ShieldGates,
        "bank_settings": text.BankSettings,
    },
}

STAGES: Final[Mapping[str, type[Strict]]] = {
    name: kind for stages in _STAGES.values() for name, kind in stages.items()
}
"""The type of every settings asset, by the asset's name."""


def slice_of(experiment: Experiment, kind: type[StageSettings]) -> StageSettings:
    """Take a stage's part of the experiment.

    Args:
        experiment: The experiment, whole.
        kind: The type of the part; each of its fields says where its value stands (`At`).
    """
    values = {}
    for name, field in kind.model_fields.items():
        (at,) = (one for one in field.metadata if isinstance(one, At))
        values[name] = attrgetter(at.path)(experiment)
    # What is wider than the field's type is cut to it as it is written.
    return kind.model_validate_json(kind.model_validate(values).model_dump_json())


def stage_files(settings: Strict) -> Files:
    """Pack settings as their asset holds them."""
    return {SETTINGS_FILE: settings.model_dump_json(indent=2).encode()}


def _settings_asset(name: str, kind: type[Strict], owner: str) -> AssetsDefinition:
    declare = asset(
        name=name,
        ins={"experiment": AssetIn("experiment")},
        group_name="settings",
        kinds={"json"},
        owners=[owner],
        code_version=code_version(kind.__module__, kind.__name__),
        io_manager_key="files",
        description=(inspect.getdoc(kind) or "").partition("\n\nAttributes:")[0],
    )

    def settings(config: Config, experiment: Files) -> MaterializeResult[Files]:
        changes = given(config)
        part = overridden(slice_of(read_experiment(experiment), kind), changes)
        files = stage_files(part)
        return MaterializeResult(
            value=files,
            data_version=files_version(files),
            metadata={
                "settings": MetadataValue.json(part.model_dump(mode="json")),
                **({OVERRIDDEN: MetadataValue.json(changes)} if changes else {}),
            },
        )

    settings.__annotations__["config"] = config_of(kind)
    return declare(settings)


settings_assets = [
    _settings_asset(name, kind, owner)
    for owner, stages in _STAGES.items()
    for name, kind in stages.items()
]
