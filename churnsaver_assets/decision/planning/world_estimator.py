"""Estimates of the world from a period's outcomes, for the adaptive planner."""

from collections.abc import Callable

import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from churnsaver_assets.decision.play.agents import DecisionContext
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.assumptions import Assumptions, World
from churnsaver_serving.runtime.calibration import logit
from churnsaver_serving.runtime.effects import daily_hazard, disturbed_hazard

UNCERTAIN = ("acceptance_offset", "hazard_scale", "disturbance")

_LEAST = 1e-12


class WorldEstimator:
    """An estimator of the most probable world of each group, given the counts in the tally.

    Counts are taken for Poisson; `UNCERTAIN` for normal around the world believed at first, with
    their priors' standard deviations and within their ranges. So small counts move little, and
    none nothing.

    Args:
        context: The period's first day as the policy sees it.
        world: The world believed at first.
        assumptions: The priors.
    """

    def __init__(self, context: DecisionContext, world: World, assumptions: Assumptions) -> None:
        self._world = world
        self._assumptions = assumptions
        self._offset = np.full(context.groups, world.acceptance_offset)
        # Today's and all contacts so far: log-odds to accept but for the offset, and the
        # probability that the tally expected.
        self._today = np.zeros((2, context.size))
        self._made: list[list[Floats]] = [[] for _ in range(context.groups)]
        self._accepted = np.zeros(context.size, dtype=np.bool_)

    def record(self, context: DecisionContext, rows: Ints, offer: Ints, p_accept: Floats) -> None:
        """Record what is believed today of contacts with some rows.

        Args:
            context: Today as the policy sees it.
            rows: Rows that may be contacted, shape (k,).
            offer: Position of the offer that each would get, shape (k,).
            p_accept: Probability to accept it by the group's world, shape (k,).
        """
        expected = context.observe(np.zeros(context.groups), rows).p_accept[:, 0]
        self._today[0, rows] = logit(p_accept) - self._offset[context.group[rows]]
        self._today[1, rows] = expected[np.arange(len(rows)), offer]

    def refit(self, context: DecisionContext) -> list[World]:
        """Return the most probable world of each group after yesterday's outcomes."""
        if context.last is not None:
            self._accepted |= context.last.accepted
            for group, made in enumerate(self._made):
                rows = np.flatnonzero(context.last.contacted & (context.group == group))
                if len(rows):
                    made.append(self._today[:, rows])
        worlds = [self._refit(context, group) for group in range(context.groups)]
        self._offset = np.array([world.acceptance_offset for world in worlds])
        return worlds

    def _refit(self, context: DecisionContext, group: int) -> World:
        expected = context.tally.expected[group]
        if not expected.any():
            return self._world
        counts = self._counts(context, group)
        observed = context.tally.observed[group]
        centre = np.array([getattr(self._world, name) for name in UNCERTAIN])
        priors = [getattr(self._assumptions, name) for name in UNCERTAIN]
        low, high = np.array([[prior.low, prior.high] for prior in priors]).T
        deviation = np.maximum((high - low) / np.sqrt(12.0), _LEAST)

        def world_at(steps: Floats) -> World:
            values = np.clip(centre + steps * deviation, low, high).tolist()
            return msgspec.structs.replace(self._world, **dict(zip(UNCERTAIN, values, strict=True)))

        def surprise(steps: Floats) -> float:
            mean = np.maximum(counts(world_at(steps)), _LEAST)
            return float((mean - observed * np.log(mean)).sum() + steps @ steps / 2.0)

        answer = minimize(
            surprise,
            np.zeros(len(UNCERTAIN)),
            method="L-BFGS-B",
            bounds=list(zip((low - centre) / deviation, (high - centre) / deviation, strict=True)),
        )
        return world_at(answer.x)

    def _counts(self, context: DecisionContext, group: int) -> Callable[[World], Floats]:
        """Return a function from a world to the counts it expects, in the order of `SIGNALS`.

        The tally has them as the nominal world does. Where the worlds differ, the contacts made
        and the customers who refused say by what factor.
        """
        nominal, tally = context.setting.nominal, context.tally.expected[group]
        believed, counted = (
            np.concatenate(self._made[group], axis=1) if self._made[group] else np.zeros((2, 0))
        )
        refused = (context.group == group) & (context.refusals > 0) & ~self._accepted
        cohort = context.setting.believed or context.setting.cohort
        p_churn, refusals = cohort.p_churn[context.customer[refused]], context.refusals[refused]
        usual = _leaving(nominal, p_churn, refusals)

        def counts(world: World) -> Floats:
            accepting = expit(believed + world.acceptance_offset).sum()
            factors = [
                accepting / max(counted.sum(), _LEAST),
                _leaving(world, p_churn, refusals) / max(usual, _LEAST),
                world.hazard_scale / nominal.hazard_scale,
            ]
            result: Floats = tally * factors
            return result

        return counts


def _leaving(world: World, p_churn: Floats, refusals: Floats) -> float:
    """Return how many of these customers are expected to leave in a day."""
    hazard = daily_hazard(world, p_churn)
    return float(disturbed_hazard(world, hazard, p_churn, refusals).sum())
