"""Episodes of training: draws of customers, calendar, true worlds, multipliers and histories."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.policy_spec import MultiplierSpec, RolloutSpec
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.assumptions import Assumption, Assumptions, World


@dataclass(frozen=True, slots=True)
class Episode:
    """One period about to begin.

    Attributes:
        env: The environment in integrated mode, just reset.
        multiplier: Multiplier of each row, shape (R,).
        world: The critics' inputs on each row's true world, shape (R, C).
    """

    env: RetentionVectorEnv
    multiplier: Floats
    world: Floats


def draw_episode(
    setting: Setting,
    assumptions: Assumptions,
    spec: RolloutSpec,
    rng: np.random.Generator,
    *,
    multiplier: float | None = None,
) -> Episode:
    """Draw a period to train on.

    Args:
        setting: All the customers to train on.
        assumptions: The priors.
        spec: Numbers of groups and customers, and the shares of what is randomised.
        rng: Generator of everything drawn.
        multiplier: Multiplier of every group; drawn where left out.
    """
    total = len(setting.cohort)
    customers = rng.choice(total, size=min(spec.customers, total), replace=False)
    period = of_customers(setting, customers)
    if rng.random() < spec.random_start_share:
        start = _date_between(*spec.start_dates, rng)
        days = setting.calendar.days
        period = replace(period, calendar=Calendar.starting(start, days, setting.rules))
    worlds = [
        assumptions.nominal() if nominal else assumptions.draw(rng.uniform)
        for nominal in rng.random(spec.groups) < spec.nominal_share
    ]
    env = RetentionVectorEnv(period, worlds, mode="integrated", rng=rng, population=spec.population)
    contacts, days_since = _histories(env, spec, rng)
    env.reset(contacts, days_since)
    by_group = (
        _multipliers(spec.multipliers, spec.groups, rng)
        if multiplier is None
        else np.full(spec.groups, multiplier)
    )
    told = np.array([_standardised(world, assumptions) for world in worlds])
    return Episode(env, by_group[env.group], told[env.group])


def of_customers(setting: Setting, rows: npt.NDArray[np.int64]) -> Setting:
    """Return the setting with some of its customers."""
    believed = setting.believed
    return replace(
        setting,
        cohort=setting.cohort.rows(rows),
        believed=None if believed is None else believed.rows(rows),
    )


def _date_between(first: date, last: date, rng: np.random.Generator) -> date:
    return first + timedelta(days=int(rng.integers((last - first).days + 1)))


def _multipliers(spec: MultiplierSpec, groups: int, rng: np.random.Generator) -> Floats:
    drawn = np.exp(rng.uniform(np.log(spec.low), np.log(spec.high), groups))
    return np.where(rng.random(groups) < spec.zero_share, 0.0, drawn)


def _histories(
    env: RetentionVectorEnv, spec: RolloutSpec, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw contacts before the period and days since the latest, for some of the groups."""
    rules = env.setting.rules
    some = (rng.random(env.groups) < spec.history_share)[env.group]
    drawn = rng.integers(rules.fatigue_cap + 1, size=env.size).astype(np.float64)
    contacts = np.where(some, drawn, 0.0)
    days = rng.integers(1, rules.fatigue_window_days + 1, size=env.size).astype(np.float64)
    return contacts, np.where(contacts > 0, days, np.inf)


def _standardised(world: World, assumptions: Assumptions) -> list[float]:
    """Return the uncertain numbers of a world, each scaled to -1 to 1 over its prior."""
    pairs: list[tuple[float, Assumption]] = list(
        zip(world.save_effect, assumptions.save_effect, strict=True)
    )
    pairs += [
        (getattr(world, name), getattr(assumptions, name))
        for name in World.__struct_fields__
        if name != "save_effect"
    ]
    return [
        (2.0 * number - prior.low - prior.high) / (prior.high - prior.low)
        for number, prior in pairs
        if prior.high > prior.low
    ]
