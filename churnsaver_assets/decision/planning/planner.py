"""The Lagrangian planner: each customer's dynamic programme, solved anew every day at its prices.

It takes the world for what it is told, or learns from the period's outcomes how far the world is
off (`AdaptivePlanner`). It reads the `View` only: customers as believed, never the true worlds.
"""

import numpy as np

from churnsaver_assets.decision.planning.dynamic_programme import Choice, CustomerProgrammes
from churnsaver_assets.decision.planning.evidence import Evidence
from churnsaver_assets.decision.play.agents import View, Wish
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.assumptions import Assumptions, World


class LagrangianPlanner:
    """Contacts where that is worth more than waiting, at the day's multiplier (`Priced`).

    Args:
        world: what it believes in; the setting's nominal world where left out.
        capacity_multipliers: of a contact on each day, USD, shape (T,), as `upper_bound` finds
            them; none where left out.
        name: in tables and pictures.
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
        """Name in tables and pictures."""
        return self._name

    def begin(self, view: View) -> None:  # noqa: ARG002 - nothing of it is kept
        """Forget the period before."""
        self._everybody = None

    def wish(self, view: View, multiplier: Floats) -> Wish:
        """Solve for those who may be contacted today; who gains most by it comes first."""
        worlds = self._worlds(view)
        space = view.setting.space
        today = np.array([space.index(offer, 0) for offer in space.offers_pct])
        wish, rows = Wish.nothing(view.size), view.available()
        alike: dict[tuple[World, float], list[int]] = {}
        for group in np.unique(view.group[rows]):
            alike.setdefault((worlds[group], float(multiplier[group])), []).append(int(group))
        for (world, price), groups in alike.items():
            at = rows[np.isin(view.group[rows], groups)]
            choice = self._choose(view, world, price, at)
            wish.action[at] = np.where(choice.advantage > 0.0, today[choice.offer], NO_CONTACT)
            wish.priority[at] = choice.advantage
            self._note(view, at, choice)
        return wish

    def _base(self, view: View) -> World:
        return view.setting.nominal if self._world is None else self._world

    def _worlds(self, view: View) -> list[World]:
        """The world believed of each group."""
        return [self._base(view)] * view.groups

    def _note(self, view: View, rows: Ints, choice: Choice) -> None:
        """Today's best contacts with some rows; nothing to remember of them here."""

    def _choose(self, view: View, world: World, price: float, rows: Ints) -> Choice:
        """The best contacts today of rows that share a world and a multiplier."""
        cohort = view.setting.believed or view.setting.cohort
        customers = view.customer[rows]
        if world == self._base(view):
            if self._everybody is None:
                self._everybody = CustomerProgrammes(cohort, view.setting, world, from_day=view.day)
            programmes = self._everybody
        else:
            some, customers = np.unique(customers, return_inverse=True)
            programmes = CustomerProgrammes(
                cohort.rows(some), view.setting, world, from_day=view.day
            )
        plan = programmes.solve(price, self._capacity_multipliers, from_day=view.day)
        contacts = view.contacts[rows].astype(np.int64)
        since = np.where(contacts > 0, view.days_since[rows], 0.0)
        return plan.choice(view.day, customers, contacts, view.day - since.astype(np.int64))


class AdaptivePlanner(LagrangianPlanner):
    """The planner with its world refitted every day to what each group has shown so far.

    Acceptance offset, hazard scale and disturbance are set to their most probable values given the
    period's counts, starting from the world it was told; see `evidence`.

    Args:
        assumptions: how uncertain those three are.
        world: what it believes in before there are outcomes; the nominal world where left out.
        capacity_multipliers: as the planner's.
        name: in tables and pictures.
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
        self._evidence: Evidence | None = None

    def begin(self, view: View) -> None:
        """Forget what the period before has shown."""
        super().begin(view)
        self._evidence = Evidence(view, self._base(view), self._assumptions)

    def _worlds(self, view: View) -> list[World]:
        if self._evidence is None:
            raise RuntimeError("wish() before begin()")
        return self._evidence.refit(view)

    def _note(self, view: View, rows: Ints, choice: Choice) -> None:
        if self._evidence is not None:
            self._evidence.note(view, rows, choice.offer, choice.p_accept)
