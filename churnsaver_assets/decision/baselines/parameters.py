"""Baselines as data: tuned parameters, and the agents built from them and the log's models."""

from dataclasses import dataclass

import msgspec

from churnsaver_assets.decision.baselines.acceptance import LoggedAcceptance
from churnsaver_assets.decision.baselines.choice import ValueRule
from churnsaver_assets.decision.baselines.rules import (
    NothingAgent,
    OneStepAgent,
    PropensityAgent,
    RandomAgent,
)
from churnsaver_assets.decision.baselines.thompson import AcceptancePosterior, ThompsonAgent
from churnsaver_assets.decision.baselines.uplift_agent import UpliftAgent
from churnsaver_assets.decision.play.agents import Agent
from churnsaver_assets.decision.uplift.forest import UpliftForest
from churnsaver_assets.decision.uplift.t_learner import TLearner


class Nothing(msgspec.Struct, tag="nothing", frozen=True, forbid_unknown_fields=True):
    """`NothingAgent`."""


class Random(msgspec.Struct, tag="random", frozen=True, forbid_unknown_fields=True):
    """`RandomAgent`."""

    rate: float


class Propensity(msgspec.Struct, tag="propensity", frozen=True, forbid_unknown_fields=True):
    """`PropensityAgent`."""

    threshold: float
    offer_pct: int


class Thompson(msgspec.Struct, tag="thompson", frozen=True, forbid_unknown_fields=True):
    """`ThompsonAgent`."""

    rule: ValueRule


class TreeUplift(msgspec.Struct, tag="uplift_tree", frozen=True, forbid_unknown_fields=True):
    """`UpliftAgent` with the forest."""

    rule: ValueRule


class TwoModelUplift(
    msgspec.Struct, tag="two_model_uplift", frozen=True, forbid_unknown_fields=True
):
    """`UpliftAgent` with the T-learner."""

    rule: ValueRule


class ConstantOffer(msgspec.Struct, tag="constant_offer", frozen=True, forbid_unknown_fields=True):
    """`OneStepAgent` with one offer."""

    offer_pct: int
    multiplier: float


class GreedyValue(msgspec.Struct, tag="greedy_value", frozen=True, forbid_unknown_fields=True):
    """`OneStepAgent` with all offers."""

    multiplier: float


Parameters = (
    Nothing
    | Random
    | Propensity
    | Thompson
    | TreeUplift
    | TwoModelUplift
    | ConstantOffer
    | GreedyValue
)


@dataclass(frozen=True, slots=True)
class LogModels:
    """Models fitted on the randomised log, the same for every budget.

    Attributes:
        forest: Uplift trees: retention by arm.
        two_model: The T-learner: retention by arm.
        acceptance: Model of each offer's acceptance.
        posterior: Posterior of Thompson sampling after the warm-up.
    """

    forest: UpliftForest
    two_model: TLearner
    acceptance: LoggedAcceptance
    posterior: AcceptancePosterior


def build_agent(parameters: Parameters, log_models: LogModels, seed: int) -> Agent:
    """Build the agent that plays by these parameters.

    Args:
        parameters: Parameters of one baseline.
        log_models: Models fitted on the randomised log.
        seed: Seed for the agent's own draws, where it draws.
    """
    agent: Agent
    match parameters:
        case Nothing():
            agent = NothingAgent()
        case Random(rate=rate):
            agent = RandomAgent(rate, seed)
        case Propensity(threshold=threshold, offer_pct=offer_pct):
            agent = PropensityAgent(threshold, offer_pct)
        case Thompson(rule=rule):
            agent = ThompsonAgent(log_models.posterior, rule, seed)
        case TreeUplift(rule=rule):
            agent = UpliftAgent("uplift_tree", log_models.forest, log_models.acceptance, rule)
        case TwoModelUplift(rule=rule):
            agent = UpliftAgent(
                "two_model_uplift", log_models.two_model, log_models.acceptance, rule
            )
        case ConstantOffer(offer_pct=offer_pct, multiplier=multiplier):
            agent = OneStepAgent("constant_offer", multiplier, (offer_pct,))
        case GreedyValue(multiplier=multiplier):
            agent = OneStepAgent("greedy_value", multiplier)
    return agent
