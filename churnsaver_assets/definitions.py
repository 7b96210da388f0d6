"""The code location: wiring only."""

import os

from dagster import (
    AssetsDefinition,
    Definitions,
    in_process_executor,
    load_asset_checks_from_modules,
    load_assets_from_modules,
)

from churnsaver_assets.defs import (
    data,
    environment,
    evaluation,
    experiment,
    holidays,
    pacing,
    planning,
    policy,
    release,
    tabular,
    truth,
    uplift,
)
from churnsaver_assets.defs.lib.gate import gate_before
from churnsaver_assets.defs.lib.resources import build_resources
from churnsaver_assets.defs.settings import assets as settings
from churnsaver_assets.defs.text import bank, models, shield, writers
from churnsaver_assets.defs.text import data as text_data
from churnsaver_assets.defs.text import evaluation as text_evaluation
from churnsaver_assets.experiments.profiles import DEFAULT_PROFILE
from churnsaver_serving.settings import home_folder

_MODULES = (
    experiment,
    settings,
    data,
    tabular,
    environment,
    truth,
    planning,
    policy,
    evaluation,
    holidays,
    pacing,
    uplift,
    text_data,
    models,
    writers,
    shield,
    bank,
    text_evaluation,
)


def build_defs(home: str, experiment_file: str = "", profile: str = DEFAULT_PROFILE) -> Definitions:
    """Build all definitions.

    Args:
        home: Folder below which all state is kept.
        experiment_file: Path of the experiment file; empty for the packaged default.
        profile: Name of the profile, which sets scale and hardware.
    """
    assets = [
        one for one in load_assets_from_modules(_MODULES) if isinstance(one, AssetsDefinition)
    ]
    asset_checks = load_asset_checks_from_modules(_MODULES)
    required, banked = (
        gate_before(names.values(), assets, asset_checks)
        for names in (release.UPSTREAM, release.MESSAGE_BANK)
    )
    return Definitions(
        assets=[*assets, release.build_release_asset(required, banked)],
        asset_checks=asset_checks,
        resources=build_resources(home, experiment_file, profile),
        # A step in a process of its own costs 2.4 CPU seconds here; these take less themselves.
        executor=in_process_executor,
    )


defs = build_defs(
    str(home_folder(os.environ)),
    os.environ.get("CHURNSAVER_EXPERIMENT", ""),
    os.environ.get("CHURNSAVER_PROFILE") or DEFAULT_PROFILE,
)
