"""A small synthetic cohort, shaped like the real one, and settings made of it."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import yaml

from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.cohort import MONTHS, WEEKDAYS, Cohort
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.spec import experiment_source
from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.assumptions import Assumptions
from churnsaver_serving.runtime.rules import Rules

if TYPE_CHECKING:
    from churnsaver_serving.runtime.assumptions import World

# A Monday.
START = date(2026, 6, 1)


@cache
def _packaged() -> dict[str, Any]:
    return yaml.safe_load(experiment_source())


def packaged_section(name: str) -> Any:
    """A section of the packaged experiment file, as it stands there."""
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
    """Customers whose risks, charges and acceptances spread as the real ones' do."""
    rng = np.random.default_rng(seed)
    month = np.linspace(0.6, -0.6, MONTHS)
    weekday = np.linspace(-0.1, 0.1, WEEKDAYS)
    fatigue = -0.08 * np.arange(packaged_rules().fatigue_cap + 1)
    logit = (
        rng.normal(-1.3, 1.2, n)[:, None, None, None]
        + month[:, None, None]
        + weekday[:, None]
        + fatigue
    )
    return Cohort(
        customer_id=np.array([f"C-{row:05d}" for row in range(n)], dtype=np.str_),
        p_churn=np.clip(rng.beta(0.8, 2.1, n), 0.007, 0.92),
        monthly_charge_usd=np.round(rng.uniform(20.0, 110.0, n), 2),
        accept_logit=logit.astype(np.float32),
    )


def small_setting(
    n: int, days: int = 30, delays: tuple[int, ...] = (0,), start: date = START, seed: int = 42
) -> Setting:
    """The packaged experiment's rules and nominal world over `small_cohort`."""
    rules = packaged_rules()
    return Setting(
        cohort=small_cohort(n, seed),
        space=ActionSpace(packaged_actions().offers_pct, delays),
        rules=rules,
        calendar=Calendar.starting(start, days, rules),
        nominal=nominal_world(),
    )
