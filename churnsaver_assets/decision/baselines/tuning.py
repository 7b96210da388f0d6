"""Tuning of each baseline in served mode, at the conditions in which it is shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
import numpy as np

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.baselines.parameters import (
    ConstantOffer,
    LogModels,
    MonthEnd,
    Nothing,
    Parameters,
    Propensity,
    Random,
    Thompson,
    TreeUplift,
    TwoModelUplift,
    build_policies,
)
from churnsaver_assets.decision.baselines.trials import Trials
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec
from churnsaver_serving.runtime.policies.pacing import PacingRule
from churnsaver_serving.runtime.policies.policy import Policy


class TunedBaseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A baseline at the parameters that gained most on training customers.

    Attributes:
        name: Name in tables and pictures.
        parameters: The parameters that gained most.
        gain_usd: Value over doing nothing in the months tried, USD per customer.
        spent_usd: Expected spend in 30 days, USD per customer.
        candidates: Number of parameters tried.
    """

    name: str
    parameters: Parameters
    gain_usd: float
    spent_usd: float
    candidates: int

    def policies(self, models: LogModels, *, groups: int, seed: int) -> Policy | list[Policy]:
        """Build the policy anew; see `build_policies`."""
        return build_policies(self.parameters, models, groups=groups, seed=seed)


@dataclass(frozen=True, slots=True)
class ParameterFamily:
    """A family of candidates that differ in one number.

    Attributes:
        make: Makes parameters from a number.
        grid: Numbers to begin with, ascending.
    """

    make: Callable[[float], Parameters]
    grid: Sequence[float]


Score = Callable[[Parameters], tuple[float, float]]
"""Gain and spend of parameters, USD per customer."""


def families(setting: Setting, spec: BaselinesSpec) -> dict[str, list[ParameterFamily]]:
    """Return the families that each baseline is tuned over, by the baseline's name."""
    believed = setting.believed or setting.cohort
    tuning, offers = spec.tuning, setting.space.offers_pct
    risks = np.unique(np.quantile(believed.p_churn, tuning.risk_quantiles)).tolist()
    prices = tuning.multipliers

    def propensity(offer_pct: int) -> ParameterFamily:
        return ParameterFamily(lambda threshold: Propensity(threshold, offer_pct), risks)

    def constant(offer_pct: int) -> ParameterFamily:
        return ParameterFamily(lambda price: ConstantOffer(offer_pct, price), prices)

    def paced(
        kind: type[Thompson | TreeUplift | TwoModelUplift | MonthEnd],
    ) -> list[ParameterFamily]:
        return [ParameterFamily(lambda _: kind(None), (0.0,)), ParameterFamily(kind, prices)]

    return {
        "nothing": [ParameterFamily(lambda _: Nothing(), (0.0,))],
        "random": [ParameterFamily(Random, tuning.contact_rates)],
        "propensity": [propensity(spec.propensity_offer_pct)],
        "propensity_tuned_offer": [propensity(offer_pct) for offer_pct in offers],
        "constant_offer": [constant(offer_pct) for offer_pct in offers],
        "thompson": paced(Thompson),
        "uplift_tree": paced(TreeUplift),
        "two_model_uplift": paced(TwoModelUplift),
        "month_end": paced(MonthEnd),
    }


def tune_baselines(
    setting: Setting,
    conditions: Conditions,
    models: LogModels,
    spec: BaselinesSpec,
    *,
    pacing: PacingRule,
    new_share: float,
    seed: int,
) -> tuple[TunedBaseline, ...]:
    """Tune every baseline to the conditions in which it is shown; all meet the same luck.

    Args:
        setting: Training customers, rules and calendar, whose first month is played by the one-step
            rule; the nominal world is the true one.
        conditions: Arrival pattern, budget and capacity.
        models: Models fitted on the randomised log.
        spec: The grids to search, and what they are tried on.
        pacing: The pacing that every policy is under.
        new_share: New customers a month, as a share of those of the first day.
        seed: Seed for everything drawn.
    """
    trials = Trials(setting, conditions, spec.tuning, pacing=pacing, new_share=new_share, seed=seed)

    @cache
    def score(parameters: Parameters) -> tuple[float, float]:
        return trials.play(build_policies(parameters, models, groups=trials.groups, seed=seed))

    return tuple(
        tune(name, own, score, refinements=spec.tuning.refinements)
        for name, own in families(setting, spec).items()
    )


def tune(
    name: str, candidates: Sequence[ParameterFamily], score: Score, *, refinements: int
) -> TunedBaseline:
    """Try every family's grid, then halve that of the best around its best number.

    Where gains are equal the larger number wins: it asks for more, so it spends no more.

    Args:
        name: Name of the baseline.
        candidates: Families of it, at least one.
        score: Plays parameters.
        refinements: Times that the neighbourhood of the best number is halved.
    """
    tried = [
        {float(number): score(family.make(number)) for number in family.grid}
        for family in candidates
    ]

    def best(numbers: dict[float, tuple[float, float]]) -> float:
        return max(numbers, key=lambda number: (numbers[number][0], number))

    at = max(range(len(tried)), key=lambda place: tried[place][best(tried[place])][0])
    numbers, family = tried[at], candidates[at]
    for _ in range(refinements):
        own = sorted(numbers)
        place = own.index(best(numbers))
        for neighbour in own[max(place - 1, 0) : place] + own[place + 1 : place + 2]:
            between = (own[place] + neighbour) / 2.0
            numbers[between] = score(family.make(between))
    number = best(numbers)
    gain, spent = numbers[number]
    return TunedBaseline(
        name=name,
        parameters=family.make(number),
        gain_usd=gain,
        spent_usd=spent,
        candidates=sum(map(len, tried)),
    )
