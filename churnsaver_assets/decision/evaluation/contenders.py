"""What is evaluated: policies by name, each ready to play under any budget."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from churnsaver_assets.decision.evaluation.results import Role
from churnsaver_assets.decision.play.agents import Agent, Priced, View, Wish
from churnsaver_assets.decision.play.paced import FixedAgent, PacedAgent
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.pacing import Pacing, PacingTable


class Contender(Protocol):
    """A policy in the evaluation."""

    @property
    def name(self) -> str:
        """Name in tables, pictures and the JSON."""

    @property
    def role(self) -> Role:
        """What it is shown as."""

    def enter(self, budget_per_customer: float, daily_capacity: int | None) -> "Entry":
        """The agent for a planned budget, USD, and a daily capacity."""


@dataclass(frozen=True, slots=True)
class AnyBudget:
    """One agent for every budget: it looks at what is left, or doesn't care.

    Attributes:
        name: in tables.
        role: what it is shown as.
        player: the agent.
    """

    name: str
    role: Role
    player: Agent

    def enter(
        self,
        budget_per_customer: float,  # noqa: ARG002 - the protocol's
        daily_capacity: int | None,  # noqa: ARG002
    ) -> "Entry":
        """The one agent."""
        return Entry(self.player)


@dataclass(frozen=True, slots=True)
class ByBudget:
    """An agent for each budget that it was tuned at.

    Attributes:
        name: in tables.
        role: what it is shown as.
        players: agents by budget per customer, USD.
    """

    name: str
    role: Role
    players: Mapping[float, Agent]

    def enter(
        self,
        budget_per_customer: float,
        daily_capacity: int | None,  # noqa: ARG002 - the protocol's
    ) -> "Entry":
        """The agent tuned at the budget nearest to this one."""
        nearest = min(self.players, key=lambda budget: abs(budget - budget_per_customer))
        return Entry(self.players[nearest])


@dataclass(frozen=True, slots=True)
class Paced:
    """A policy for every multiplier, under the pacing controller.

    Attributes:
        name: in tables.
        role: what it is shown as.
        policy: decides at a multiplier.
        table: what the policy spends.
        pacing: set the multiplier anew each day; else keep the one that fits the nominal world.
        heed_acceptance: scale the forecast by offers accepted over expected.
        under_capacity: what decides where there is a daily capacity; None for `policy`.
        limited: the table where there is a daily capacity; None for `table`.
    """

    name: str
    role: Role
    policy: Priced
    table: PacingTable
    pacing: bool = True
    heed_acceptance: bool = True
    under_capacity: Priced | None = None
    limited: PacingTable | None = None

    def enter(self, budget_per_customer: float, daily_capacity: int | None) -> "Entry":
        """The policy with what sets its multiplier."""
        policy, table = self.policy, self.table
        if daily_capacity is not None:
            policy, table = self.under_capacity or policy, self.limited or table
        pacing, watched = Pacing(table), Watched(policy)
        if self.pacing:
            agent = PacedAgent(watched, pacing, heed_acceptance=self.heed_acceptance)
            return Entry(agent, watched)
        fitting = pacing.multiplier(0, budget_per_customer, customers=0.0, undecided=1.0)
        return Entry(FixedAgent(watched, fitting), watched)

    def unpaced(self) -> "Paced":
        """The same policy without pacing."""
        return replace(self, name=f"{self.name}_unpaced", role="variant", pacing=False)


class Watched:
    """A policy, and the multipliers that it was told.

    Args:
        policy: decides at a multiplier.
    """

    def __init__(self, policy: Priced) -> None:
        self._policy = policy
        self.multipliers: list[Floats] = []

    @property
    def name(self) -> str:
        """The policy's."""
        return self._policy.name

    def begin(self, view: View) -> None:
        """Forget the period before."""
        self.multipliers = []
        self._policy.begin(view)

    def wish(self, view: View, multiplier: Floats) -> Wish:
        """Note the multipliers, then let the policy decide."""
        self.multipliers.append(multiplier.copy())
        return self._policy.wish(view, multiplier)


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender made ready for one budget.

    Attributes:
        agent: plays.
        watched: what the agent asks at its multipliers; None where it has none.
    """

    agent: Agent
    watched: Watched | None = None

    def multipliers(self) -> Floats | None:
        """Mean over replicates of the latest period's multipliers, shape (T,)."""
        if self.watched is None:
            return None
        path: Floats = np.mean(self.watched.multipliers, axis=1)
        return path
