"""A small synthetic cohort, shaped like the real one, and settings made of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import yaml

from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.cohort import AGED_MONTHS, Cohort, synthetic_cohort
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.spec import experiment_source
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.world.assumptions import Assumptions
from churnsaver_serving.runtime.world.effects import RISK_MONTHS

if TYPE_CHECKING:
    from churnsaver_serving.runtime.arrays import Floats
    from churnsaver_serving.runtime.world.assumptions import World

# A Monday.
START = date(2026, 6, 1)


@cache
def _packaged() -> dict[str, Any]:
    return yaml.safe_load(experiment_source())


def packaged_section(name: str) -> Any:
    """Return a section of the packaged experiment file, as it stands there."""
    return _packaged()[name]


def packaged_assumptions() -> Assumptions:
    return msgspec.convert(packaged_section("assumptions"), Assumptions)


def packaged_rules() -> Rules:
    return msgspec.convert(packaged_section("rules"), Rules)


def packaged_actions() -> ActionSpace:
    return msgspec.convert(packaged_section("actions"), ActionSpace)


def nominal_world() -> World:
    return packaged_assumptions().nominal()


def small_cohort(n: int, seed: int = 42) -> Cohort:
    """Make customers up whose risks, charges and acceptances spread as the real ones' do."""
    return synthetic_cohort(n, packaged_rules().fatigue_cap, seed)


def at_risk(cohort: Cohort, p_churn: Floats) -> Cohort:
    """Give the customers another risk, the same at every age."""
    return replace(cohort, risk=np.tile(p_churn[:, None], (1, AGED_MONTHS + 1)))


def indistinct(cohort: Cohort) -> Cohort:
    """Give everyone the mean risk and the mean acceptance, as one sees them who has no models."""
    return replace(
        cohort,
        risk=np.tile(cohort.risk.mean(axis=0), (len(cohort), 1)),
        accept_logit=np.full_like(cohort.accept_logit, cohort.accept_logit.mean()),
    )


def ageless(p_churn: Floats) -> Floats:
    """Return risks that stay as they are at every age, as observations have them."""
    return np.tile(p_churn[:, None], (1, len(RISK_MONTHS)))


def small_setting(
    n: int, days: int = 30, delays: tuple[int, ...] = (0,), start: date = START, seed: int = 42
) -> Setting:
    """Return the packaged experiment's rules and nominal world over `small_cohort`."""
    rules = packaged_rules()
    return Setting(
        cohort=small_cohort(n, seed),
        space=ActionSpace(packaged_actions().offers_pct, delays),
        rules=rules,
        calendar=Calendar.starting(start, days, rules),
        nominal=nominal_world(),
    )
