"""Assembly of the evaluation's results from trials under the same conditions."""

from collections.abc import Mapping, Sequence

from churnsaver_assets.decision.evaluation.gains import GainAndCost, gain_over
from churnsaver_assets.decision.evaluation.metrics import (
    daily_path,
    headroom,
    headroom_difference,
    policy_metrics,
)
from churnsaver_assets.decision.evaluation.results import (
    AblationResult,
    BudgetResult,
    MisspecifiedResult,
    PacingEffect,
    ScenarioResult,
)
from churnsaver_assets.decision.evaluation.trials import Conditions, Trial, UpperBound
from churnsaver_assets.experiments.evaluation_spec import AblationSpec, EvaluationSpec, Scenario

Trials = Mapping[str, Trial]


def budget_result(
    share: float,
    trials: Trials,
    conditions: Conditions,
    bound: UpperBound,
    *,
    baselines: Sequence[str],
    curve: Sequence[GainAndCost],
    spec: EvaluationSpec,
) -> BudgetResult:
    """Assemble the result of one budget in the nominal world.

    Args:
        share: Budget as a share of the unconstrained spend.
        trials: Trials by policy.
        conditions: Conditions that all trials share.
        bound: The upper bound under these conditions.
        baselines: Names of the policies that are baselines.
        curve: The learned policy under every budget, ascending.
        spec: The evaluation, which names the learned policy and the goals.
    """
    ours = GainAndCost.of(trials[spec.learned], bound)
    starting, nothing = conditions.starting_usd().mean(), conditions.nothing_usd().mean()
    seeds = spec.goals.seed_baselines
    return BudgetResult(
        budget_share=share,
        budget_per_customer=conditions.budget_usd,
        daily_capacity=conditions.daily_capacity,
        bound=bound.usd_per_customer,
        bound_nrr=float((nothing + bound.usd_per_customer) / starting),
        multiplier=bound.multiplier,
        policies={name: policy_metrics(one, conditions, bound) for name, one in trials.items()},
        best_baseline=max(seeds, key=lambda name: float(trials[name].played.nrr.mean())),
        gains={
            name: gain_over(
                GainAndCost.of(trials[name], bound),
                ours=ours,
                curve=curve,
                conditions=conditions,
                bound=bound,
                goals=spec.goals,
            )
            for name in baselines
        },
        paths={name: daily_path(one) for name, one in trials.items()},
    )


def scenario_result(
    share: float, scenario: Scenario, trials: Trials, conditions: Conditions, bound: UpperBound
) -> ScenarioResult:
    """Assemble the result of one scenario under one budget; see `budget_result`."""
    return ScenarioResult(
        scenario=scenario.name,
        says=scenario.says,
        budget_share=share,
        budget_per_customer=conditions.budget_usd,
        bound=bound.usd_per_customer,
        policies={name: policy_metrics(one, conditions, bound) for name, one in trials.items()},
    )


def misspecified_result(
    share: float,
    scenario: Scenario,
    trials: Trials,
    unpaced: Trials,
    bound: UpperBound,
    *,
    reference: str,
) -> MisspecifiedResult:
    """Assemble the result of one world that policies don't expect.

    Args:
        share: Budget as a share of the unconstrained spend.
        scenario: The scenario that sets the true world.
        trials: Trials by policy.
        unpaced: Trials of policies without pacing, by the name of the policy with it.
        bound: The upper bound under these conditions.
        reference: Name of the policy that the others are compared with.
    """
    return MisspecifiedResult(
        scenario=scenario.name,
        says=scenario.says,
        budget_share=share,
        headroom={name: headroom(trial, bound) for name, trial in trials.items()},
        ahead_of_reference={
            name: headroom_difference(trial, trials[reference], bound)
            for name, trial in trials.items()
            if name != reference
        },
        pacing={
            name: PacingEffect(
                on=headroom(trials[name], bound),
                off=headroom(off, bound),
                difference=headroom_difference(trials[name], off, bound),
            )
            for name, off in unpaced.items()
        },
    )


def ablation_result(
    ablation: AblationSpec, whole: Trial, without: Trial, bound: UpperBound
) -> AblationResult:
    """Assemble the result of one part taken away."""
    return AblationResult(
        scenario=ablation.scenario,
        budget_share=ablation.budget_share,
        whole=headroom(whole, bound),
        without=headroom(without, bound),
        loss=headroom_difference(whole, without, bound),
    )
