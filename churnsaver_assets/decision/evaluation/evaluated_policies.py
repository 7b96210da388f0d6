"""Policies under evaluation: each has a name and can be prepared for any budget."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from churnsaver_assets.decision.evaluation.results import Role
from churnsaver_assets.decision.play.agents import (
    Agent,
    ContactRequests,
    DecisionContext,
    MultiplierPolicy,
)
from churnsaver_assets.decision.play.paced import FixedMultiplierAgent, PacedAgent
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.pacing import Pacing, PacingTable


class EvaluatedPolicy(Protocol):
    """A policy in the evaluation."""

    @property
    def name(self) -> str:
        """Return the name in tables, pictures and the JSON."""

    @property
    def role(self) -> Role:
        """Return the kind of policy that it is shown as."""

    def prepare(self, budget_per_customer: float, daily_capacity: int | None) -> "PreparedAgent":
        """Return the agent for a planned budget, USD, and a daily capacity."""


@dataclass(frozen=True, slots=True)
class SingleAgent:
    """A policy with one agent for every budget.

    Attributes:
        name: Name in tables, pictures and the JSON.
        role: Kind of policy that it is shown as.
        agent: The agent that plays.
    """

    name: str
    role: Role
    agent: Agent

    def prepare(
        self,
        budget_per_customer: float,  # noqa: ARG002 - the protocol's
        daily_capacity: int | None,  # noqa: ARG002
    ) -> "PreparedAgent":
        """Return the one agent."""
        return PreparedAgent(self.agent)


@dataclass(frozen=True, slots=True)
class AgentByBudget:
    """A policy with an agent for each budget that it was tuned at.

    Attributes:
        name: Name in tables, pictures and the JSON.
        role: Kind of policy that it is shown as.
        agents: Agents by budget per customer, USD.
    """

    name: str
    role: Role
    agents: Mapping[float, Agent]

    def prepare(
        self,
        budget_per_customer: float,
        daily_capacity: int | None,  # noqa: ARG002 - the protocol's
    ) -> "PreparedAgent":
        """Return the agent tuned at the budget nearest to this one."""
        nearest = min(self.agents, key=lambda budget: abs(budget - budget_per_customer))
        return PreparedAgent(self.agents[nearest])


@dataclass(frozen=True, slots=True)
class PacedPolicy:
    """A policy for every multiplier, under the pacing controller.

    Attributes:
        name: Name in tables, pictures and the JSON.
        role: Kind of policy that it is shown as.
        policy: The policy that decides at a multiplier.
        table: The pacing table: spend of the policy at each multiplier.
        pacing: Whether the multiplier is set anew each day; else the one that fits the nominal
            world is kept.
        heed_acceptance: Whether the forecast of spend is scaled by offers accepted over expected.
        under_capacity: The policy that decides where there is a daily capacity; None for `policy`.
        limited: The pacing table where there is a daily capacity; None for `table`.
    """

    name: str
    role: Role
    policy: MultiplierPolicy
    table: PacingTable
    pacing: bool = True
    heed_acceptance: bool = True
    under_capacity: MultiplierPolicy | None = None
    limited: PacingTable | None = None

    def prepare(self, budget_per_customer: float, daily_capacity: int | None) -> "PreparedAgent":
        """Return the policy with the agent that sets its multiplier."""
        policy, table = self.policy, self.table
        if daily_capacity is not None:
            policy, table = self.under_capacity or policy, self.limited or table
        pacing, recorder = Pacing(table), MultiplierRecorder(policy)
        if self.pacing:
            agent = PacedAgent(recorder, pacing, heed_acceptance=self.heed_acceptance)
            return PreparedAgent(agent, recorder)
        fitting = pacing.multiplier(0, budget_per_customer, customers=0.0, undecided=1.0)
        return PreparedAgent(FixedMultiplierAgent(recorder, fitting), recorder)

    def unpaced(self) -> "PacedPolicy":
        """Return the same policy without pacing."""
        return replace(self, name=f"{self.name}_unpaced", role="variant", pacing=False)


class MultiplierRecorder:
    """A wrapper of a policy that records the multipliers it is given.

    Args:
        policy: The policy that decides at a multiplier.
    """

    def __init__(self, policy: MultiplierPolicy) -> None:
        self._policy = policy
        self.multipliers: list[Floats] = []

    @property
    def name(self) -> str:
        """Return the policy's name."""
        return self._policy.name

    def begin(self, context: DecisionContext) -> None:
        """Forget the period before."""
        self.multipliers = []
        self._policy.begin(context)

    def decide(self, context: DecisionContext, multiplier: Floats) -> ContactRequests:
        """Record the multipliers, then let the policy decide."""
        self.multipliers.append(multiplier.copy())
        return self._policy.decide(context, multiplier)


@dataclass(frozen=True, slots=True)
class PreparedAgent:
    """A policy prepared for one budget.

    Attributes:
        agent: The agent that plays.
        recorder: The recorder of the agent's multipliers; None where it has none.
    """

    agent: Agent
    recorder: MultiplierRecorder | None = None

    def multipliers(self) -> Floats | None:
        """Return the mean over replicates of the latest period's multipliers, shape (T,)."""
        if self.recorder is None:
            return None
        path: Floats = np.mean(self.recorder.multipliers, axis=1)
        return path
