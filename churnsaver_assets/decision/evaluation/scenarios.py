"""Scenarios: true worlds, and the beliefs of a policy that lacks a model."""

from dataclasses import replace

import msgspec

from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.evaluation_spec import Part, Scenario
from churnsaver_serving.runtime.assumptions import World


def true_world(scenario: Scenario | None, nominal: World) -> World:
    """Return the world of a scenario.

    Args:
        scenario: The scenario; None for the nominal world.
        nominal: The world that policies believe in.

    Raises:
        msgspec.ValidationError: A number of the wrong kind, such as one number where there is one
            for each offer.
    """
    if scenario is None:
        return nominal
    scaled: dict[str, object] = {}
    for name, factor in scenario.scale.items():
        value = getattr(nominal, name)
        scaled[name] = (
            tuple(factor * one for one in value) if isinstance(value, tuple) else factor * value
        )
    world = {**msgspec.structs.asdict(nominal), **scenario.put, **scaled}
    return msgspec.convert(world, World)


def without(part: Part, setting: Setting) -> Setting:
    """Return the setting as a policy sees it that lacks a model; unchanged for other parts."""
    if part == "risk_model":
        return replace(setting, believed=setting.cohort.without_risk_model())
    if part == "acceptance_model":
        return replace(setting, believed=setting.cohort.without_acceptance_model())
    return setting
