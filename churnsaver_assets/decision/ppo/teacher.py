"""Teachers for the warm start: policies that know the true world and label states."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes
from churnsaver_assets.decision.ppo.episodes import Episode
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.effects import contact_terms


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of n rows.

    Attributes:
        action: Index of the action in the space, shape (n,).
        stake_usd: Loss if contact and no contact are mistaken for each other, net of the
            multiplier, shape (n,), USD; 0 where the teacher knows nothing.
    """

    action: Ints
    stake_usd: Floats


class Teacher(Protocol):
    """A policy that labels the states of one episode."""

    def label(self, rows: Ints) -> Labels:
        """Label some of the available rows in today's state."""


def teacher_of(kind: Literal["programme", "greedy"], episode: Episode) -> Teacher:
    """Return the teacher of an episode.

    Args:
        kind: The teacher: the planner's dynamic programme, or the best single contact.
        episode: The episode, about to begin.
    """
    return ProgrammeTeacher(episode) if kind == "programme" else GreedyTeacher(episode)


class ProgrammeTeacher:
    """The planner's dynamic programme in each row's true world; see `CustomerProgrammes`.

    It knows nothing of customers who were contacted before the period.
    """

    def __init__(self, episode: Episode) -> None:
        self._env = env = episode.env
        everyone = env.setting.cohort.rows(env.customer)
        programmes = CustomerProgrammes(
            everyone, env.setting, env.worlds, responsiveness=env.responsiveness
        )
        self._plan = programmes.solve(episode.multiplier)

    def label(self, rows: Ints) -> Labels:
        """See `Teacher`."""
        env = self._env
        known = env.contacts[rows] == env.refusals[rows]
        at = rows[known]
        since = env.days_since[at]
        last = np.where(np.isfinite(since), env.day - since, -1.0).astype(np.int64)
        best = self._plan.choice(env.day, at, env.contacts[at].astype(np.int64), last)
        action = np.full(len(rows), NO_CONTACT, dtype=np.int64)
        action[known] = np.where(best.advantage > 0.0, 1 + best.offer, NO_CONTACT)
        stake = np.zeros(len(rows))
        stake[known] = np.abs(best.advantage)
        return Labels(action, stake)


class GreedyTeacher:
    """The best single contact in each row's true world, as if it were the last one."""

    def __init__(self, episode: Episode) -> None:
        self._env, self._multiplier = episode.env, episode.multiplier

    def label(self, rows: Ints) -> Labels:
        """See `Teacher`."""
        env = self._env
        terms = contact_terms(
            env.worlds.rows(rows),
            env.setting.space.offers_pct,
            p_churn=env.p_churn[rows],
            hazard=env.hazard()[rows],
            monthly_charge_usd=env.charge[rows],
            p_accept=env.p_accept(rows),
            days_left=np.full(len(rows), float(env.days_left)),
        )
        worth = terms.net - self._multiplier[rows, None] * terms.cost
        best = worth.max(axis=1)
        action = np.where(best > 0.0, 1 + worth.argmax(axis=1), NO_CONTACT)
        return Labels(action, np.abs(best))
