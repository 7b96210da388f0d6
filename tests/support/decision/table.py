"""A world, a setting and a fixed way of contacting, with every part of the dynamics at work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.population import draw_population
from tests.support.decision.cohort import nominal_world, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.environment import Mode
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.arrays import Floats, Ints
    from churnsaver_serving.runtime.world.assumptions import World


def rough_world() -> World:
    """Return a world in which every effect is at work."""
    return msgspec.structs.replace(
        nominal_world(),
        disturbance=0.8,
        hazard_scale=1.4,
        acceptance_offset=0.3,
        contact_fatigue=0.2,
        responsiveness=0.7,
        effect_days=12.0,
    )


def busy_setting(n: int, days: int) -> Setting:
    """Make a setting with short cooldown and rest, for paths of several contacts and offers."""
    setting = small_setting(n, days)
    rules = msgspec.structs.replace(setting.rules, cooldown_days=2, accepted_rest_days=12)
    return replace(setting, rules=rules)


def made_env(
    setting: Setting,
    world: World,
    mode: Mode,
    groups: int = 1,
    seed: int = 42,
    *,
    new_share: float = 0.0,
    counted: int | None = None,
) -> RetentionVectorEnv:
    population = draw_population(
        setting.cohort, setting.calendar, arrival="daily", new_share=new_share, seed=42
    )
    return RetentionVectorEnv(
        setting, population, [world] * groups, mode, seed=seed, counted=counted
    )


def drawn_table(env: RetentionVectorEnv, rate: float, seed: int = 42) -> Ints:
    """Draw an offer by member, contacts in the window and day; mostly -1, for no contact."""
    rng = np.random.default_rng(seed)
    setting = env.setting
    shape = (len(env.dynamics.population), setting.rules.fatigue_cap + 1, setting.calendar.days)
    offers = rng.integers(len(setting.space.offers_pct), size=shape)
    return np.where(rng.random(shape) < rate, offers, -1)


def by_table(env: RetentionVectorEnv, table: Ints) -> tuple[Ints, Ints]:
    """Return today's contacts and offers by the table, where the rules allow them."""
    rows = env.available()
    contacts = env.dynamics.contacts_in_window(rows)
    wanted = table[env.dynamics.member[rows], contacts, env.day]
    return rows[wanted >= 0], wanted[wanted >= 0]


def totals(env: RetentionVectorEnv, table: Ints) -> dict[str, Floats]:
    """Play all days by the table and return what came of it in each group."""
    groups = env.dynamics.groups
    names = ("gain", "cost", "contacts", "accepted", "there", "refusals")
    sums = {name: np.zeros(groups) for name in names}
    gamma = env.dynamics.discount
    while not env.done:
        rows, offer = by_table(env, table)
        weight, group = env.weight[rows], env.group[rows]
        discount = gamma**env.day
        step = env.step(rows, offer)
        for name, values in (
            ("gain", discount * step.gain),
            ("cost", discount * step.cost),
            ("contacts", np.ones(len(rows))),
            ("accepted", step.accepted),
        ):
            sums[name] += np.bincount(group, weight * values, groups)
    sums["there"] = env.weight.reshape(groups, -1).sum(axis=1)
    remembered = (env.dynamics.refusal_ends > env.day).sum(axis=1)
    sums["refusals"] = (env.weight * remembered).reshape(groups, -1).sum(axis=1)
    return sums
