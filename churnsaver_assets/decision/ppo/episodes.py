"""Episodes of training: draws of customers, calendar, true worlds, multipliers and histories."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from churnsaver_assets.decision.ppo.pricing import priced
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.population import DAYS_A_MONTH, everybody
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.policy_spec import MultiplierSpec, RolloutSpec
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.world.assumptions import Assumption, Assumptions, World

_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Episode:
    """Some weeks of many customers' lives, about to begin.

    Attributes:
        env: The environment in integrated mode, on its first day.
        multiplier: Multiplier of each group, shape (G,).
        history_days: Days that pass before the episode teaches.
        history_multiplier: Multiplier of each group on these days, shape (G,).
        world: The critics' inputs on each row's true world and hidden traits, shape (R, C).
    """

    env: RetentionVectorEnv
    multiplier: Floats
    history_days: int
    history_multiplier: Floats
    world: Floats


def draw_episode(
    setting: Setting, assumptions: Assumptions, spec: RolloutSpec, rng: np.random.Generator
) -> Episode:
    """Draw an episode to train on.

    Args:
        setting: All the customers to train on.
        assumptions: The priors.
        spec: Numbers of groups and customers, and what is randomised.
        rng: Generator of everything drawn.
    """
    total = len(setting.cohort)
    customers = rng.choice(total, size=min(spec.customers, total), replace=False)
    history = int(rng.integers(spec.history_days + 1))
    start = _date_between(*spec.start_dates, rng)
    days = history + spec.parts * spec.part_days
    drawn = replace(
        of_customers(setting, customers), calendar=Calendar.starting(start, days, setting.rules)
    )
    worlds = [
        assumptions.nominal() if nominal else assumptions.draw(rng.uniform)
        for nominal in rng.random(spec.groups) < spec.nominal_share
    ]
    env = RetentionVectorEnv(
        drawn,
        everybody(np.arange(len(customers)), rng.integers(DAYS_A_MONTH, size=len(customers)), days),
        worlds,
        seed=int(rng.integers(_SEEDS)),
        counted=spec.counted,
    )
    told = np.array([_standardised(world, assumptions) for world in worlds])
    mean = assumptions.prior_mean()
    now, before = (
        priced(setting, mean, worlds, _multipliers(spec.multipliers, spec.groups, rng))
        for _ in range(2)
    )
    return Episode(
        env=env,
        multiplier=now,
        history_days=history,
        history_multiplier=before,
        world=np.column_stack([told[env.group], env.dynamics.responsiveness]),
    )


def of_customers(setting: Setting, rows: Ints) -> Setting:
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
    drawn = rng.uniform(0.0, spec.high, groups)
    return np.where(rng.random(groups) < spec.zero_share, 0.0, drawn)


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
