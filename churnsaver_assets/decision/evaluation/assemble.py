"""From trials under the same conditions to the rows of the evaluation's tables."""

from collections.abc import Mapping, Sequence

from churnsaver_assets.decision.evaluation.figures import (
    daily_path,
    headroom,
    headroom_difference,
    policy_figures,
)
from churnsaver_assets.decision.evaluation.gains import Point, gain_over
from churnsaver_assets.decision.evaluation.results import (
    AblationResult,
    BudgetResult,
    MisspecifiedResult,
    PacingEffect,
    ScenarioResult,
)
from churnsaver_assets.decision.evaluation.trials import Ceiling, Conditions, Trial
from churnsaver_assets.experiments.evaluation_spec import AblationSpec, EvaluationSpec, Scenario

Trials = Mapping[str, Trial]


def budget_result(
    share: float,
    trials: Trials,
    conditions: Conditions,
    ceiling: Ceiling,
    *,
    baselines: Sequence[str],
    curve: Sequence[Point],
    spec: EvaluationSpec,
) -> BudgetResult:
    """One budget in the nominal world.

    Args:
        share: the budget's, of the unconstrained spend.
        trials: by policy.
        conditions: of all of them.
        ceiling: the bound.
        baselines: which of them are.
        curve: the learned policy under every budget, ascending.
        spec: names the learned policy and the goals.
    """
    ours = Point.of(trials[spec.learned], ceiling)
    starting, nothing = conditions.starting_usd().mean(), conditions.nothing_usd().mean()
    seeds = spec.goals.seed_baselines
    return BudgetResult(
        budget_share=share,
        budget_per_customer=conditions.budget_usd,
        daily_capacity=conditions.daily_capacity,
        bound=ceiling.usd_per_customer,
        bound_nrr=float((nothing + ceiling.usd_per_customer) / starting),
        multiplier=ceiling.multiplier,
        policies={name: policy_figures(one, conditions, ceiling) for name, one in trials.items()},
        best_baseline=max(seeds, key=lambda name: float(trials[name].played.nrr.mean())),
        gains={
            name: gain_over(
                Point.of(trials[name], ceiling),
                ours=ours,
                curve=curve,
                conditions=conditions,
                ceiling=ceiling,
                goals=spec.goals,
            )
            for name in baselines
        },
        paths={name: daily_path(one) for name, one in trials.items()},
    )


def scenario_result(
    share: float, scenario: Scenario, trials: Trials, conditions: Conditions, ceiling: Ceiling
) -> ScenarioResult:
    """One scenario under one budget; see `budget_result`."""
    return ScenarioResult(
        scenario=scenario.name,
        says=scenario.says,
        budget_share=share,
        budget_per_customer=conditions.budget_usd,
        bound=ceiling.usd_per_customer,
        policies={name: policy_figures(one, conditions, ceiling) for name, one in trials.items()},
    )


def misspecified_result(
    share: float,
    scenario: Scenario,
    trials: Trials,
    unpaced: Trials,
    ceiling: Ceiling,
    *,
    reference: str,
) -> MisspecifiedResult:
    """One world that policies don't expect.

    Args:
        share: the budget's, of the unconstrained spend.
        scenario: the world.
        trials: by policy.
        unpaced: those of policies without pacing, by the name of the policy with it.
        ceiling: the bound.
        reference: compared with.
    """
    return MisspecifiedResult(
        scenario=scenario.name,
        says=scenario.says,
        budget_share=share,
        headroom={name: headroom(trial, ceiling) for name, trial in trials.items()},
        ahead_of_reference={
            name: headroom_difference(trial, trials[reference], ceiling)
            for name, trial in trials.items()
            if name != reference
        },
        pacing={
            name: PacingEffect(
                on=headroom(trials[name], ceiling),
                off=headroom(off, ceiling),
                difference=headroom_difference(trials[name], off, ceiling),
            )
            for name, off in unpaced.items()
        },
    )


def ablation_result(
    ablation: AblationSpec, whole: Trial, without: Trial, ceiling: Ceiling
) -> AblationResult:
    """One part taken away."""
    return AblationResult(
        scenario=ablation.scenario,
        budget_share=ablation.budget_share,
        whole=headroom(whole, ceiling),
        without=headroom(without, ceiling),
        loss=headroom_difference(whole, without, ceiling),
    )
