"""Baselines as data: tuned parameters, and the policies built from them and the log's models."""

from dataclasses import dataclass

import msgspec

from churnsaver_assets.decision.baselines.month_end import MonthEndPolicy
from churnsaver_assets.decision.baselines.rules import (
    ConstantOfferPolicy,
    NothingPolicy,
    RandomPolicy,
)
from churnsaver_assets.decision.baselines.thompson import AcceptancePosterior, ThompsonPolicy
from churnsaver_assets.decision.baselines.uplift_policy import UpliftPolicy
from churnsaver_assets.decision.uplift.forest import UpliftForest
from churnsaver_assets.decision.uplift.t_learner import TLearner
from churnsaver_serving.runtime.policies.policy import Policy, PropensityPolicy


class Nothing(msgspec.Struct, tag="nothing", frozen=True, forbid_unknown_fields=True):
    """Parameters of `NothingPolicy`: none."""


class Random(msgspec.Struct, tag="random", frozen=True, forbid_unknown_fields=True):
    """Parameters of `RandomPolicy`."""

    rate: float


class Propensity(msgspec.Struct, tag="propensity", frozen=True, forbid_unknown_fields=True):
    """Parameters of `PropensityPolicy`."""

    threshold: float
    offer_pct: int


class ConstantOffer(msgspec.Struct, tag="constant_offer", frozen=True, forbid_unknown_fields=True):
    """Parameters of `ConstantOfferPolicy`."""

    offer_pct: int
    price: float


class Thompson(msgspec.Struct, tag="thompson", frozen=True, forbid_unknown_fields=True):
    """Parameters of `ThompsonPolicy`; price None goes by pacing."""

    price: float | None


class TreeUplift(msgspec.Struct, tag="uplift_tree", frozen=True, forbid_unknown_fields=True):
    """Parameters of `UpliftPolicy` with the forest; price None goes by pacing."""

    price: float | None


class TwoModelUplift(
    msgspec.Struct, tag="two_model_uplift", frozen=True, forbid_unknown_fields=True
):
    """Parameters of `UpliftPolicy` with the T-learner; price None goes by pacing."""

    price: float | None


class MonthEnd(msgspec.Struct, tag="month_end", frozen=True, forbid_unknown_fields=True):
    """Parameters of `MonthEndPolicy`; price None goes by pacing."""

    price: float | None


Parameters = (
    Nothing
    | Random
    | Propensity
    | ConstantOffer
    | Thompson
    | TreeUplift
    | TwoModelUplift
    | MonthEnd
)


@dataclass(frozen=True, slots=True)
class LogModels:
    """Models fitted on the randomised log, the same for all conditions.

    Attributes:
        forest: Uplift trees: retention by arm.
        two_model: The T-learner: retention by arm.
        days: Days from offer to outcome in the log.
        posterior: Posterior of Thompson sampling after the warm-up.
    """

    forest: UpliftForest
    two_model: TLearner
    days: int
    posterior: AcceptancePosterior


def build_policies(
    parameters: Parameters, models: LogModels, *, groups: int, seed: int
) -> Policy | list[Policy]:
    """Build the policy that plays by these parameters, anew; one for each group where it learns.

    Args:
        parameters: Parameters of one baseline.
        models: Models fitted on the randomised log.
        groups: Number of groups that it is played in.
        seed: Seed for the policy's own draws, where it draws.
    """
    policy: Policy
    match parameters:
        case Thompson(price=price):
            return [
                ThompsonPolicy(models.posterior, price, seed=seed, learner=group)
                for group in range(groups)
            ]
        case Nothing():
            policy = NothingPolicy()
        case Random(rate=rate):
            policy = RandomPolicy(rate, seed)
        case Propensity(threshold=threshold, offer_pct=offer_pct):
            policy = PropensityPolicy(threshold, offer_pct)
        case ConstantOffer(offer_pct=offer_pct, price=own):
            policy = ConstantOfferPolicy(offer_pct, own)
        case TreeUplift(price=price):
            policy = UpliftPolicy("uplift_tree", models.forest, models.days, price)
        case TwoModelUplift(price=price):
            policy = UpliftPolicy("two_model_uplift", models.two_model, models.days, price)
        case MonthEnd(price=price):
            policy = MonthEndPolicy(price)
    return policy
