"""Cells of the evaluation: conditions under which policies are played in service for months."""

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

import msgspec
import numpy as np

from churnsaver_assets.decision.evaluation.contenders import Contender
from churnsaver_assets.decision.play.pacing_rule import fixed_multiplier
from churnsaver_assets.decision.play.served import ServedConditions
from churnsaver_assets.decision.simulator.arrivals import Arrival
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.policies.pacing import PacingRule
from churnsaver_serving.runtime.world.assumptions import World

Truth = Literal["model", "other_family"]


class Outcomes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The way in which answers to contacts are reported.

    Attributes:
        late_days: Days from a contact to the report of its answer.
        unreported: Share of the refusals that are never reported.
    """

    late_days: int = 0
    unreported: float = 0.0

    def __str__(self) -> str:
        if not self.late_days and not self.unreported:
            return "prompt"
        return f"{self.late_days} days late, {self.unreported:.0%} of refusals unreported"


PROMPT = Outcomes()


class Play(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One contender's part in a cell, whole or with a part of serving taken away.

    Attributes:
        contender: Name of the contender.
        multiplier: Multiplier that is kept in place of pacing; None to pace.
        fixed_start: Whether the prices that pacing begins with are kept.
        reserve_deviations: Standard deviations reserved; None for the rules'.
        exploration: Share of exploration; None for the rules'.
        ranked: Whether requests of a day come in the order of their value; else as they come.
    """

    contender: str
    multiplier: float | None = None
    fixed_start: bool = False
    reserve_deviations: float | None = None
    exploration: float | None = None
    ranked: bool = False

    @property
    def unpaced(self) -> bool:
        """Return whether one multiplier is kept."""
        return self.fixed_start or self.multiplier is not None

    def rules(self, rules: Rules) -> Rules:
        """Return the rules that it is played under."""
        changes = {
            name: value
            for name in ("reserve_deviations", "exploration")
            if (value := getattr(self, name)) is not None
        }
        return msgspec.structs.replace(rules, **changes)

    def pacing(self, rule: PacingRule) -> PacingRule:
        """Return the rule that sets its multipliers."""
        if self.multiplier is not None:
            return fixed_multiplier(self.multiplier)
        if self.fixed_start:
            return msgspec.structs.replace(
                rule, step=0.0, scarce_step=0.0, correction=0.0, capacity_step_usd=0.0
            )
        return rule


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One set of conditions, and who is played in it.

    Attributes:
        start_month: First day of the first scored month, after a month of burn-in.
        arrival: The arrival pattern.
        budget_usd: Budget of a month, USD for each customer of the first day.
        worlds: True world of each group.
        plays: What is played, all of it on the same luck.
        outcomes: The way in which answers are reported.
        daily_contacts: Most contacts a day, as a share of the customers of the first day; None for
            no limit.
        truth: Whether customers are as the served models have them, or as another family of models.
        nominal: The world that policies believe in; None for the ground's.
        customers: Number of customers of the first day; None for all.
        bounded: Whether the upper bound is computed.
        scored_months: Months that are scored.
    """

    start_month: date
    arrival: Arrival
    budget_usd: float
    worlds: tuple[World, ...]
    plays: tuple[Play, ...]
    outcomes: Outcomes = PROMPT
    daily_contacts: float | None = None
    truth: Truth = "model"
    nominal: World | None = None
    customers: int | None = None
    bounded: bool = True
    scored_months: int = 3

    @property
    def first_day(self) -> date:
        """Return the first day of the burn-in: that of the month before."""
        return (self.start_month - timedelta(days=1)).replace(day=1)

    @property
    def burn_in_days(self) -> int:
        """Return the number of days before the first scored one."""
        return (self.start_month - self.first_day).days

    @property
    def days(self) -> int:
        """Return the number of days, burn-in included."""
        return (month_after(self.start_month, self.scored_months) - self.first_day).days


@dataclass(frozen=True, slots=True)
class Ground:
    """All that the cells of an evaluation share.

    Attributes:
        cohort: The held-out customers as the served models have them.
        truth: The same customers as another family of models has them; None where there is none.
        space: Joint actions.
        rules: Limits on contacts.
        nominal: The world that policies believe in.
        holidays: Days on which nobody is contacted.
        pacing: The rule of pacing that a release has.
        contenders: The policies.
        new_share: New customers a month, as a share of those of the first day.
        seed: Seed for everything drawn.
    """

    cohort: Cohort
    truth: Cohort | None
    space: ActionSpace
    rules: Rules
    nominal: World
    holidays: tuple[date, ...]
    pacing: PacingRule
    contenders: tuple[Contender, ...]
    new_share: float
    seed: int
    _by_name: dict[str, Contender] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the contenders.

        Raises:
            ValueError: Two of them have one name.
        """
        by_name = {one.name: one for one in self.contenders}
        if len(by_name) != len(self.contenders):
            names = [one.name for one in self.contenders]
            raise ValueError(f"contenders: names must be distinct, got {names}")
        object.__setattr__(self, "_by_name", by_name)

    def contender(self, name: str) -> Contender:
        """Return the contender of a name.

        Raises:
            KeyError: There is none.
        """
        return self._by_name[name]

    def setting(self, cell: Cell) -> Setting:
        """Return the setting of a cell.

        Raises:
            ValueError: The cell's truth is one that the ground lacks.
        """
        rows = np.arange(len(self.cohort))
        if cell.customers is not None and cell.customers < len(rows):
            chosen = np.random.default_rng(self.seed).permutation(rows)[: cell.customers]
            rows = np.sort(chosen)
        model = self.cohort.rows(rows)
        if cell.truth == "other_family" and self.truth is None:
            raise ValueError("truth: no customers as another family of models has them")
        other = None if self.truth is None or cell.truth == "model" else self.truth.rows(rows)
        return Setting(
            cohort=model if other is None else other,
            space=self.space,
            rules=self.rules_for(cell),
            calendar=Calendar.starting(cell.first_day, cell.days, self.rules, self.holidays),
            nominal=self.nominal if cell.nominal is None else cell.nominal,
            believed=None if other is None else model,
        )

    def rules_for(self, cell: Cell) -> Rules:
        """Return the rules in a cell: after an acceptance they rest while the discount runs."""
        nominal = self.nominal if cell.nominal is None else cell.nominal
        discount_days = math.ceil(nominal.period_days * nominal.discount_months)
        rest = max(self.rules.accepted_rest_days, discount_days)
        return msgspec.structs.replace(self.rules, accepted_rest_days=rest)

    def conditions(self, cell: Cell, customers: int, *, ranked: bool = False) -> ServedConditions:
        """Return what a cell's customers are served under.

        Args:
            cell: The cell.
            customers: Number of customers of the first day.
            ranked: Whether requests of a day come in the order of their value.
        """
        share = cell.daily_contacts
        return ServedConditions(
            budget_usd=cell.budget_usd,
            daily_capacity=None if share is None else max(round(share * customers), 1),
            late_days=cell.outcomes.late_days,
            unreported=cell.outcomes.unreported,
            ranked=ranked,
        )


def month_after(month: date, count: int) -> date:
    """Return the first day of the month that is `count` months after a month's first day."""
    months = 12 * month.year + month.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)
