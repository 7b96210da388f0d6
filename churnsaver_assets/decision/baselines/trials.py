"""Trials: some months in service, on which the parameters of a baseline are judged."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.play.pacing_rule import some_customers
from churnsaver_assets.decision.play.served import ServedMode
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.population import draw_population
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.baselines_spec import TuningSpec
from churnsaver_serving.runtime.policies.pacing import Pacing, PacingRule
from churnsaver_serving.runtime.policies.policy import OneStepPolicy, Policy


def tuning_setting(setting: Setting, months: int) -> Setting:
    """Return the setting over whole months: the one it begins in, and so many to score after it."""
    first = setting.calendar.first.replace(day=1)
    years, month = divmod(first.month + months, 12)
    end = first.replace(year=first.year + years, month=month + 1)
    calendar = Calendar.starting(first, (end - first).days, setting.rules)
    return replace(setting, calendar=calendar)


class Trials:
    """Some months in service, from one state on, with the same luck for every policy.

    The calendar's first month is played by the one-step rule, once.

    Args:
        setting: Training customers, rules and calendar; the nominal world is the true one.
        conditions: Arrival pattern, budget and capacity.
        spec: Number of customers, months and replicates.
        pacing: The pacing that everyone is under.
        new_share: New customers a month, as a share of those of the first day.
        seed: Seed for everything drawn.

    Attributes:
        groups: Number of replicates.
        days: Days scored.

    Raises:
        ValueError: The calendar has one month only.
    """

    def __init__(
        self,
        setting: Setting,
        conditions: Conditions,
        spec: TuningSpec,
        *,
        pacing: PacingRule,
        new_share: float,
        seed: int,
    ) -> None:
        months = setting.calendar.months
        if months[-1] == months[0]:
            raise ValueError("calendar: expected a month of burn-in and at least one to score")
        some = some_customers(setting, spec.customers, seed)
        population = draw_population(
            some.cohort, some.calendar, arrival=conditions.arrival, new_share=new_share, seed=seed
        )
        self.groups = spec.replicates
        self._pacing, self._customers = pacing, population.first
        self._start = ServedMode(
            Dynamics(some, population, [some.nominal] * self.groups, seed=seed),
            OneStepPolicy(),
            Pacing(pacing, population.first),
            conditions.served(population.first),
            seed=seed,
        )
        burn_in = int((months == months[0]).sum())
        self.days = int((months <= months[0] + spec.months).sum()) - burn_in
        for _ in range(burn_in):
            self._start.play_day(last_contact_day=burn_in - 1)

    def play(self, policy: Policy | Sequence[Policy]) -> tuple[float, float]:
        """Play the months with a policy, or with one for each group.

        Returns:
            The discounted value over no contact, and the expected spend in 30 days, USD a customer.
        """
        served = self._start.copy(policy, Pacing(self._pacing, self._customers))
        value = cost = 0.0
        factor = 1.0
        for _ in range(self.days):
            day = served.play_day()
            value += factor * float(np.sum(day.gain - day.cost))
            cost += float(day.cost.sum())
            factor *= served.dynamics.discount
        customers = self._customers * self.groups
        return value / customers, cost / customers * 30.0 / self.days
