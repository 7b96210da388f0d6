"""A world, a setting and a fixed policy in which every part of the dynamics is at work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_serving.runtime.actions import NO_CONTACT
from tests.support.decision.cohort import nominal_world, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.outcomes import Mode

    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.arrays import Floats, Ints
    from churnsaver_serving.runtime.assumptions import World


def drawn_table(setting: Setting, rate: float, seed: int = 42) -> Ints:
    """Draw actions by customer, contacts before and day, shape (n, cap + 1, T); mostly none."""
    rng = np.random.default_rng(seed)
    shape = (len(setting.cohort), setting.rules.fatigue_cap + 1, setting.calendar.days)
    wanted = rng.integers(1, setting.space.size, size=shape)
    return np.where(rng.random(shape) < rate, wanted, NO_CONTACT)


def allowed_by_table(env: RetentionVectorEnv, table: Ints) -> Ints:
    """Return the table's action of each row today where the rules allow it, else no contact."""
    wanted = table[env.customer, env.contacts.astype(np.int64), env.day]
    return np.where(env.eligible()[np.arange(env.size), wanted], wanted, NO_CONTACT)


def rough_world() -> World:
    """Return a world in which every effect is at work."""
    return msgspec.structs.replace(
        nominal_world(),
        disturbance=0.8,
        hazard_scale=1.4,
        acceptance_offset=0.3,
        contact_fatigue=0.2,
        responsiveness=0.7,
    )


def busy_setting(n: int, days: int, delays: tuple[int, ...]) -> Setting:
    """Make a setting with a short cooldown, for paths of several contacts, and whole cents."""
    setting = small_setting(n, days, delays)
    charge = np.round(setting.cohort.monthly_charge_usd / 0.2) * 0.2
    return replace(
        setting,
        rules=msgspec.structs.replace(setting.rules, cooldown_days=2),
        cohort=replace(setting.cohort, monthly_charge_usd=charge),
    )


def made_env(
    setting: Setting, world: World, mode: Mode, groups: int = 1, seed: int = 42
) -> RetentionVectorEnv:
    rng = np.random.default_rng(seed)
    return RetentionVectorEnv(setting, [world] * groups, mode=mode, rng=rng)


def totals(env: RetentionVectorEnv, table: Ints) -> dict[str, Floats]:
    """Play a period by the table and return what it brought to each group."""
    names = ("value", "gain", "cost", "contacts")
    rows = {name: np.zeros(env.size) for name in names} | {"spent": np.zeros(env.size)}
    while not env.done:
        weight = env.weight
        step = env.step(allowed_by_table(env, table))
        for name, values in zip(
            names, (step.reward, step.gain, step.cost, step.contacted), strict=True
        ):
            rows[name] += weight * values
        rows["spent"] += step.spent if env.mode == "sampled" else weight * step.cost
    totals = {name: values.reshape(env.groups, -1).sum(axis=1) for name, values in rows.items()}
    totals["open"] = env.weight.reshape(env.groups, -1).sum(axis=1)
    for column, name in enumerate(("accepted", "left after refusal", "left untouched")):
        totals[name] = env.tally.observed[:, column]
        totals[f"{name}, expected"] = env.tally.expected[:, column]
    return totals
