"""Protocols of policies in the simulator, and a day as any policy sees it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.outcomes import Step
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.belief import Tally
from churnsaver_serving.runtime.observation import Observation


@dataclass(frozen=True, slots=True)
class ContactRequests:
    """The contacts that a policy requests today.

    Attributes:
        action: Index of each row's action in the space, shape (R,); only actions that the rules
            allow.
        priority: Rank of each row where money or capacity run out, highest first, shape (R,).
        unmasked: Rows of `DecisionContext.at_cap` that the policy would contact today if there were
            no fatigue cap, shape (R,); None for a policy that doesn't say. Nobody is contacted for
            it: evaluations count it to see whether a policy keeps to the cap by itself.
    """

    action: Ints
    priority: Floats
    unmasked: Bools | None = None

    @classmethod
    def none(cls, size: int) -> "ContactRequests":
        """Request no contact for anybody."""
        return cls(np.full(size, NO_CONTACT, dtype=np.int64), np.zeros(size))


@dataclass(frozen=True, slots=True)
class Feedback:
    """The outcomes of a day that a decision maker observes, each of shape (R,).

    Attributes:
        contacted: Rows contacted, those decided earlier included.
        dropped: Rows whose requested contact budget or capacity refused.
        accepted: Rows contacted that accepted.
        spent: Money spent on contacts and discounts, USD.
    """

    contacted: Bools
    dropped: Bools
    accepted: Bools
    spent: Floats


class DecisionContext:
    """A day as a decision maker knows it, without the true world and the random numbers.

    Rows are group-major: `groups` replicates of the same n customers, each with its own budget.
    """

    def __init__(
        self, env: RetentionVectorEnv, last: Step | None, last_action: Ints | None
    ) -> None:
        self._env = env
        # Without the contacts' expected value, which is computed in the true world.
        self.last = (
            None
            if last is None
            else Feedback(last.contacted, last.dropped, last.accepted, last.spent)
        )
        self.last_action = last_action
        self.setting = env.setting
        self.groups, self.size = env.groups, env.size
        self.group, self.customer = env.group, env.customer
        self.day, self.days_left = env.day, env.days_left
        self.contacts, self.days_since, self.refusals = env.contacts, env.days_since, env.refusals
        self.remaining_usd, self.budget_usd = env.remaining_usd, env.budget_usd
        self.daily_capacity = env.daily_capacity

    @property
    def tally(self) -> Tally:
        """Return observed and expected counts so far, by group."""
        return self._env.tally

    def available(self) -> Ints:
        """Return rows that may be contacted today, ascending."""
        return np.flatnonzero(self._env.available())

    def at_cap(self) -> Ints:
        """Return rows that could be contacted today but for the fatigue cap, ascending."""
        return np.flatnonzero(self._env.at_cap())

    def observe(self, multiplier: Floats, rows: Ints, *, lift_cap: bool = False) -> Observation:
        """Return the policies' observation of some rows.

        Args:
            multiplier: Multiplier of each group, shape (G,).
            rows: Rows to observe.
            lift_cap: Leave the fatigue cap out of the eligible actions.
        """
        return self._env.observe(multiplier, rows, lift_cap=lift_cap)


class Agent(Protocol):
    """A policy that plays one period for all groups at once; it learns by group, if it does."""

    @property
    def name(self) -> str:
        """Return the name in tables and pictures."""

    def begin(self, context: DecisionContext) -> None:
        """Begin a period and forget the one before."""

    def act(self, context: DecisionContext) -> ContactRequests:
        """Decide today."""


class MultiplierPolicy(Protocol):
    """A policy conditioned on the multiplier: given the price of a dollar, it decides."""

    @property
    def name(self) -> str:
        """Return the name in tables and pictures."""

    def begin(self, context: DecisionContext) -> None:
        """Begin a period and forget the one before."""

    def decide(self, context: DecisionContext, multiplier: Floats) -> ContactRequests:
        """Decide today at these multipliers, shape (G,)."""
