"""The code location: wiring only."""

import os

from dagster import Definitions, in_process_executor

from churnsaver_assets.defs import data, environment, evaluation, planning, policy, tabular, uplift
from churnsaver_assets.defs.lib.gate import lineage_of
from churnsaver_assets.defs.lib.resources import build_resources
from churnsaver_assets.defs.release import UPSTREAM, build_release_asset
from churnsaver_assets.defs.text import bank as messages
from churnsaver_assets.defs.text import checks as text_checks
from churnsaver_assets.defs.text import data as text_data
from churnsaver_assets.defs.text import evaluation as text_evaluation
from churnsaver_assets.defs.text import models as text_models
from churnsaver_assets.defs.text import settings as text_settings
from churnsaver_assets.defs.text import writers as text_writers
from churnsaver_assets.experiments.profiles import DEFAULT_PROFILE
from churnsaver_serving.settings import home_folder

_MODULES = (
    data,
    tabular,
    environment,
    planning,
    policy,
    evaluation,
    uplift,
    text_settings,
    text_data,
    text_models,
    text_writers,
    messages,
    text_evaluation,
    text_checks,
)


def build_defs(home: str, experiment: str = "", profile: str = DEFAULT_PROFILE) -> Definitions:
    """All definitions.

    Args:
        home: folder below which all state is kept.
        experiment: path of the experiment file; empty for the packaged default.
        profile: sets scale and hardware.
    """
    assets = [asset for module in _MODULES for asset in module.ASSETS]
    checks = [check for module in _MODULES for check in module.CHECKS]
    lineage = lineage_of(UPSTREAM.values(), assets)
    required = [
        spec.key
        for check in checks
        for spec in check.check_specs
        if spec.blocking and spec.asset_key in lineage.parents
    ]
    return Definitions(
        assets=[*assets, build_release_asset(required, lineage)],
        asset_checks=checks,
        resources=build_resources(home, experiment, profile),
        # A step in a process of its own costs 2.4 CPU seconds here; these take less themselves.
        executor=in_process_executor,
    )


defs = build_defs(
    str(home_folder(os.environ)),
    os.environ.get("CHURNSAVER_EXPERIMENT", ""),
    os.environ.get("CHURNSAVER_PROFILE") or DEFAULT_PROFILE,
)
