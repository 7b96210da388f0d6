"""Tuning of each baseline by simulation on training customers, at a given budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from churnsaver_assets.decision.baselines.choice import ValueRule
from churnsaver_assets.decision.baselines.parameters import (
    ConstantOffer,
    GreedyValue,
    LogModels,
    Nothing,
    Parameters,
    Propensity,
    Random,
    Thompson,
    TreeUplift,
    TwoModelUplift,
    build_agent,
)
from churnsaver_assets.decision.play.execution import play
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec


class TunedBaseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A baseline at the parameters that gained most on training customers.

    Attributes:
        parameters: The parameters that gained most.
        gain_usd: Value over doing nothing, USD per training customer.
        spent_usd: Money spent, USD per training customer.
        candidates: Number of parameters tried.
    """

    parameters: Parameters
    gain_usd: float
    spent_usd: float
    candidates: int


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


def families(setting: Setting, spec: BaselinesSpec) -> list[list[ParameterFamily]]:
    """List the families that each baseline is tuned over."""
    believed = setting.believed or setting.cohort
    tuning = spec.tuning
    risks = np.unique(np.quantile(believed.p_churn, tuning.risk_quantiles)).tolist()
    prices = tuning.multipliers

    def propensity(threshold: float) -> Propensity:
        return Propensity(threshold, spec.propensity_offer_pct)

    def by_rule(kind: type[Thompson | TreeUplift | TwoModelUplift]) -> list[ParameterFamily]:
        return [
            ParameterFamily(lambda price: kind(ValueRule(price, price_offers=True)), prices),
            ParameterFamily(lambda price: kind(ValueRule(price, price_offers=False)), prices),
        ]

    def constant(offer_pct: int) -> ParameterFamily:
        return ParameterFamily(lambda price: ConstantOffer(offer_pct, price), prices)

    return [
        [ParameterFamily(lambda _: Nothing(), (0.0,))],
        [ParameterFamily(Random, tuning.contact_rates)],
        [ParameterFamily(propensity, risks)],
        by_rule(Thompson),
        by_rule(TreeUplift),
        by_rule(TwoModelUplift),
        [constant(offer_pct) for offer_pct in setting.space.offers_pct],
        [ParameterFamily(GreedyValue, prices)],
    ]


def tune_baselines(
    setting: Setting,
    log_models: LogModels,
    spec: BaselinesSpec,
    *,
    budget_per_customer: float,
    seed: int,
) -> tuple[TunedBaseline, ...]:
    """Tune every baseline at one budget; all meet the same luck.

    Args:
        setting: Training customers; the nominal world is the true one.
        log_models: Models fitted on the randomised log.
        spec: The grids to search.
        budget_per_customer: USD, a hard cap on the sum.
        seed: Seed for outcomes and the agents' own draws.
    """

    def score(parameters: Parameters) -> tuple[float, float]:
        played = play(
            build_agent(parameters, log_models, seed),
            setting,
            [setting.nominal] * spec.tuning.replicates,
            budget_per_customer=budget_per_customer,
            seed=seed,
        )
        return float(played.gain_usd.mean()), float(played.spent_usd.mean())

    return tuple(
        tune(own, score, refinements=spec.tuning.refinements) for own in families(setting, spec)
    )


def tune(candidates: Sequence[ParameterFamily], score: Score, *, refinements: int) -> TunedBaseline:
    """Search every family, and take the best of all.

    Args:
        candidates: Families of one baseline, at least one.
        score: Plays parameters.
        refinements: Times that the neighbourhood of a family's best number is halved.
    """
    found = [_search(family, score, refinements) for family in candidates]
    best = max(found, key=lambda tuned: tuned.gain_usd)
    return msgspec.structs.replace(best, candidates=sum(tuned.candidates for tuned in found))


def _search(family: ParameterFamily, score: Score, refinements: int) -> TunedBaseline:
    """Try the grid, then halve it around the best number.

    Where gains are equal the larger number wins: it asks for more, so it spends no more.
    """
    tried = {float(number): score(family.make(number)) for number in family.grid}

    def best() -> float:
        return max(tried, key=lambda number: (tried[number][0], number))

    for _ in range(refinements):
        own = sorted(tried)
        place = own.index(best())
        for neighbour in own[max(place - 1, 0) : place] + own[place + 1 : place + 2]:
            between = (own[place] + neighbour) / 2.0
            tried[between] = score(family.make(between))
    gain, spent = tried[best()]
    return TunedBaseline(family.make(best()), gain, spent, len(tried))
