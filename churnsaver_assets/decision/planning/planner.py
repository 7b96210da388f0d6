"""The Lagrangian planner: each customer's dynamic programme, solved anew every day at its prices.

It takes the world for what it is told, or learns from the period's outcomes how far the world is
off (`AdaptivePlanner`). It reads the `DecisionContext` only: customers as believed, never the true
worlds.
"""

import numpy as np

from churnsaver_assets.decision.planning.dynamic_programme import Choice, CustomerProgrammes
from churnsaver_assets.decision.planning.world_estimator import WorldEstimator
from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.assumptions import Assumptions, World


class LagrangianPlanner:
    """A policy that contacts where that is worth more than waiting (`MultiplierPolicy`).

    Args:
        world: The world that it believes in; the setting's nominal world where left out.
        capacity_multipliers: Price of a contact on each day, USD, shape (T,), as `upper_bound`
            finds them; none where left out.
        name: Name in tables and pictures.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        capacity_multipliers: Floats | None = None,
        name: str = "planner",
    ) -> None:
        self._world = world
        self._capacity_multipliers = capacity_multipliers
        self._name = name
        self._everybody: CustomerProgrammes | None = None

    @property
    def name(self) -> str:
        """Return the name in tables and pictures."""
        return self._name

    def begin(self, context: DecisionContext) -> None:  # noqa: ARG002 - nothing of it is kept
        """Forget the period before."""
        self._everybody = None

    def decide(self, context: DecisionContext, multiplier: Floats) -> ContactRequests:
        """Solve for the rows available today; those that gain most come first."""
        worlds = self._worlds(context)
        space = context.setting.space
        today = np.array([space.index(offer, 0) for offer in space.offers_pct])
        requests, rows = ContactRequests.none(context.size), context.available()
        alike: dict[tuple[World, float], list[int]] = {}
        for group in np.unique(context.group[rows]):
            alike.setdefault((worlds[group], float(multiplier[group])), []).append(int(group))
        for (world, price), groups in alike.items():
            at = rows[np.isin(context.group[rows], groups)]
            choice = self._choose(context, world, price, at)
            requests.action[at] = np.where(choice.advantage > 0.0, today[choice.offer], NO_CONTACT)
            requests.priority[at] = choice.advantage
            self._record(context, at, choice)
        return requests

    def _base(self, context: DecisionContext) -> World:
        return context.setting.nominal if self._world is None else self._world

    def _worlds(self, context: DecisionContext) -> list[World]:
        """Return the world believed of each group."""
        return [self._base(context)] * context.groups

    def _record(self, context: DecisionContext, rows: Ints, choice: Choice) -> None:
        """Remember today's best contacts with some rows; this planner needs nothing of them."""

    def _choose(self, context: DecisionContext, world: World, price: float, rows: Ints) -> Choice:
        """Return the best contacts today of rows that share a world and a multiplier."""
        cohort = context.setting.believed or context.setting.cohort
        customers = context.customer[rows]
        if world == self._base(context):
            if self._everybody is None:
                self._everybody = CustomerProgrammes(
                    cohort, context.setting, world, from_day=context.day
                )
            programmes = self._everybody
        else:
            some, customers = np.unique(customers, return_inverse=True)
            programmes = CustomerProgrammes(
                cohort.rows(some), context.setting, world, from_day=context.day
            )
        plan = programmes.solve(price, self._capacity_multipliers, from_day=context.day)
        contacts = context.contacts[rows].astype(np.int64)
        since = np.where(contacts > 0, context.days_since[rows], 0.0)
        return plan.choice(context.day, customers, contacts, context.day - since.astype(np.int64))


class AdaptivePlanner(LagrangianPlanner):
    """The planner with its world refitted every day to what each group has shown so far.

    Acceptance offset, hazard scale and disturbance are set to their most probable values given the
    period's counts, starting from the world it was told; see `evidence`.

    Args:
        assumptions: The priors of those three.
        world: The world that it believes in before there are outcomes; the nominal world where left
            out.
        capacity_multipliers: Price of a contact on each day, USD, shape (T,); none where left out.
        name: Name in tables and pictures.
    """

    def __init__(
        self,
        assumptions: Assumptions,
        world: World | None = None,
        *,
        capacity_multipliers: Floats | None = None,
        name: str = "planner_adaptive",
    ) -> None:
        super().__init__(world, capacity_multipliers=capacity_multipliers, name=name)
        self._assumptions = assumptions
        self._estimator: WorldEstimator | None = None

    def begin(self, context: DecisionContext) -> None:
        """Forget what the period before has shown."""
        super().begin(context)
        self._estimator = WorldEstimator(context, self._base(context), self._assumptions)

    def _worlds(self, context: DecisionContext) -> list[World]:
        if self._estimator is None:
            raise RuntimeError("decide() before begin()")
        return self._estimator.refit(context)

    def _record(self, context: DecisionContext, rows: Ints, choice: Choice) -> None:
        if self._estimator is not None:
            self._estimator.record(context, rows, choice.offer, choice.p_accept)
