"""Trials: one policy played under one set of conditions, with gain and cost by customer."""

from dataclasses import dataclass, replace

import numpy as np

from churnsaver_assets.decision.evaluation.evaluated_policies import EvaluatedPolicy
from churnsaver_assets.decision.play.execution import PeriodResult, play
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.effects import daily_hazard

# Share of a budget that counts as all of it.
_USED_UP = 0.98

# Share of a budget under which its last dollars' worth is found.
TIGHTER = 0.95


@dataclass(frozen=True, slots=True)
class UpperBound:
    """The upper bound on any policy's value over doing nothing, by customer.

    Attributes:
        by_customer: Each customer's part of the bound, USD, shape (n,); their mean is the bound. It
            is the value of the customer's own problem at the bound's prices, plus an equal share of
            the value of what is priced.
        multiplier: Price of the budget, dollars of value per dollar.
        capacity_multipliers: Price of a contact on each day, USD, shape (T,).
    """

    by_customer: Floats
    multiplier: float
    capacity_multipliers: Floats

    @property
    def usd_per_customer(self) -> float:
        """Return the bound, USD per customer."""
        return float(self.by_customer.mean())


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions that all policies compared with each other are played in.

    Attributes:
        setting: Held-out customers, rules, days, the world that policies believe in.
        world: The true world.
        planned_usd: Budget that policies were prepared for, USD per customer.
        budget_usd: Budget that they get, USD per customer.
        daily_capacity: Most contacts on a day; None for no limit.
        replicates: Number of periods, each with its own luck.
        seed: Seed for the luck, the same for every policy.
    """

    setting: Setting
    world: World
    planned_usd: float
    budget_usd: float
    daily_capacity: int | None
    replicates: int
    seed: int

    def starting_usd(self) -> Floats:
        """Return the revenue over the horizon of each customer who stays, shape (n,)."""
        return self.setting.cohort.monthly_charge_usd * self.world.horizon_months

    def nothing_usd(self) -> Floats:
        """Return the expected retained revenue of each customer without any contact, shape (n,)."""
        hazard = daily_hazard(self.world, self.setting.cohort.p_churn)
        kept: Floats = self.starting_usd() * (1.0 - hazard) ** self.setting.calendar.days
        return kept


@dataclass(frozen=True, slots=True)
class Trial:
    """The outcome of one policy played under one set of conditions.

    Attributes:
        policy: Name of the policy.
        budget_usd: Budget that it was given, USD per customer.
        played: Results of the periods.
        multipliers: Mean multiplier of the replicates on each day, shape (T,); None for a policy
            without one.
        tighter: Results with `TIGHTER` of the budget; None where that was not played.
    """

    policy: str
    budget_usd: float
    played: PeriodResult
    multipliers: Floats | None
    tighter: PeriodResult | None = None

    @property
    def steered(self) -> bool:
        """Return whether a multiplier made the policy use its budget up."""
        used = float(self.played.spent_usd.mean()) / self.budget_usd
        return self.multipliers is not None and used >= _USED_UP

    def gain(self, bound: UpperBound) -> Floats:
        """Return the value over doing nothing of each replicate's customers, shape (R, n), USD.

        The mean is that of `PeriodResult.gain_by_customer` but for a term that is 0 in expectation,
        and the spread is that of a cohort that shares a budget and a capacity:

        - Who met more refusals than expected had money for more contacts. What a replicate is
          expected to have cost beyond what it spent (a martingale) is charged at the budget's
          price: a control variate, and the luck of acceptances is gone.
        - With another customer in this one's place, money and contacts would have gone to others.
          So customers are charged what they took more than the mean one, at what that is worth
          under this policy: at the bound's prices where the policy is steered by them, at nothing
          where money is left over.

        Args:
            bound: The upper bound, with its prices.
        """
        gain = _net_of_luck(self.played, bound.multiplier)
        taken = self._own_price(bound.multiplier) * self.played.cost_by_customer
        if self.steered:
            taken = bound.multiplier * self.played.cost_by_customer
            taken += np.einsum("t,gtn->gn", bound.capacity_multipliers, self.played.contacted)
        charged: Floats = gain - (taken - taken.mean(axis=1, keepdims=True))
        return charged

    def _own_price(self, multiplier: float) -> float:
        """Estimate the value of the budget's last dollars under a policy that isn't steered."""
        if self.tighter is None:
            return 0.0
        lost = _net_of_luck(self.played, multiplier) - _net_of_luck(self.tighter, multiplier)
        price = float(lost.mean()) / ((1.0 - TIGHTER) * self.budget_usd)
        return min(max(price, 0.0), multiplier)

    def cost(self) -> Floats:
        """Return each replicate's spend, spread evenly over its customers, shape (R, n), USD.

        What a cohort costs is up to the budget, not to who is in it: what varies is luck.
        """
        spent = self.played.spent_usd[:, None]
        return np.broadcast_to(spent, self.played.cost_by_customer.shape)


def _net_of_luck(played: PeriodResult, multiplier: float) -> Floats:
    """Return gain by customer, less the price of the expected cost beyond what was spent."""
    beyond = played.cost_usd - played.spent_usd
    gain: Floats = played.gain_by_customer - multiplier * beyond[:, None]
    return gain


def run_trial(policy: EvaluatedPolicy, conditions: Conditions) -> Trial:
    """Play one policy; once more with a little less money where it ran out of it."""
    played, multipliers = _play(policy, conditions)
    trial = Trial(policy.name, conditions.budget_usd, played, multipliers)
    if trial.steered or not played.dropped.any():
        return trial
    less = replace(conditions, budget_usd=TIGHTER * conditions.budget_usd)
    return replace(trial, tighter=_play(policy, less)[0])


def _play(policy: EvaluatedPolicy, conditions: Conditions) -> tuple[PeriodResult, Floats | None]:
    """Play the periods; return their result and the multipliers that were set in them."""
    prepared = policy.prepare(conditions.planned_usd, conditions.daily_capacity)
    played = play(
        prepared.agent,
        conditions.setting,
        [conditions.world] * conditions.replicates,
        budget_per_customer=conditions.budget_usd,
        seed=conditions.seed,
        daily_capacity=conditions.daily_capacity,
    )
    return played, prepared.multipliers()
