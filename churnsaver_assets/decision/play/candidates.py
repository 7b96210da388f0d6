"""Candidates for service: the policies that a release carries, the simplest first."""

from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.planner import StationaryPlanner
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from churnsaver_serving.runtime.policies.served_policy import ServedPolicy
from churnsaver_serving.runtime.world.assumptions import Assumptions


def candidates(assumptions: Assumptions, learned: LearnedPolicy) -> dict[str, ServedPolicy]:
    """Return the candidates by name: one-step rules, planners, and the learned policy.

    The rule and the planner each stand in the nominal world and at the priors' mean, which is
    where a decision maker who doesn't know the world would.

    Args:
        assumptions: The declared effects and their priors.
        learned: The trained policy.
    """
    mean = assumptions.prior_mean()
    policies: tuple[ServedPolicy, ...] = (
        OneStepPolicy(),
        OneStepPolicy("one_step_prior", world=mean),
        StationaryPlanner(),
        StationaryPlanner("planner_prior", world=mean),
        learned,
    )
    return {policy.name: policy for policy in policies}
