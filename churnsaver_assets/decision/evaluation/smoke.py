"""The whole evaluation at a size that takes seconds: every step runs, and no figure means anything.

Nothing else is different: the same code runs on the same assets' values.
"""

from dataclasses import replace

import msgspec
import numpy as np

from churnsaver_assets.decision.evaluation.whole import EvaluationInputs
from churnsaver_assets.decision.planning.budgets import BudgetBound, Budgets
from churnsaver_assets.decision.ppo.episodes import of_customers
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec
from churnsaver_assets.experiments.policy_spec import PolicySpec

_TRAINING_CUSTOMERS, _HOLDOUT_CUSTOMERS = 64, 40
_UPDATES, _GROUPS, _CUSTOMERS = 2, 8, 16
_REPLICATES = 2
_PACING = {"customers": 16, "multipliers": (0.0, 1.0, 3.0, 10.0), "switch_days": (0, 14)}


def shrink(inputs: EvaluationInputs) -> EvaluationInputs:
    """Return inputs of a few customers, replicates and updates, one scenario and one ablation.

    Budgets keep their amounts, because the baselines are tuned at them.
    """
    experiment, spec = inputs.experiment, inputs.experiment.evaluation
    ablation = next(one for one in spec.ablations if one.part != "pacing")
    misspecified = next(one for one in spec.scenarios if one.misspecified)
    ablated_in = [one for one in spec.scenarios if one.name == ablation.scenario]
    share = spec.scenario_shares[0]
    evaluation = spec.model_copy(
        update={
            "replicates": _REPLICATES,
            "budget_shares": (share,),
            "scenario_shares": (share,),
            "scenarios": tuple({one.name: one for one in (misspecified, *ablated_in)}.values()),
            "ablations": (ablation,),
        }
    )
    holdout = first_customers(inputs.holdout, _HOLDOUT_CUSTOMERS)
    pacing = experiment.pacing.model_copy(update=_PACING)
    return replace(
        inputs,
        experiment=experiment.model_copy(
            update={
                "evaluation": evaluation,
                "policy": shrink_training(experiment.policy),
                "pacing": pacing,
            }
        ),
        training=first_customers(inputs.training, _TRAINING_CUSTOMERS),
        holdout=holdout,
        budgets=_shrink_budgets(inputs.budgets, evaluation, len(holdout.cohort)),
    )


def shrink_training(spec: PolicySpec) -> PolicySpec:
    """Return the training with two updates a phase, each from a few customers."""
    return spec.model_copy(
        update={
            "rollout": spec.rollout.model_copy(update={"groups": _GROUPS, "customers": _CUSTOMERS}),
            "warm_up": spec.warm_up.model_copy(update={"updates": _UPDATES}),
            "ppo": spec.ppo.model_copy(update={"updates": _UPDATES}),
            "probe": spec.probe.model_copy(update={"every": _UPDATES, "customers": _CUSTOMERS}),
        }
    )


def first_customers(setting: Setting, count: int) -> Setting:
    """Return the setting with its first customers, all of them where there are no more."""
    rows = np.arange(min(count, len(setting.cohort)))
    return of_customers(setting, rows)


def _shrink_budgets(budgets: Budgets, spec: EvaluationSpec, customers: int) -> Budgets:
    """Keep the budgets that are played, with the daily capacity that fits fewer customers."""

    def fitting(bound: BudgetBound) -> BudgetBound:
        if bound.daily_capacity is None:
            return bound
        capacity = max(round(spec.capacity.daily_contacts * customers), 1)
        return msgspec.structs.replace(bound, daily_capacity=capacity)

    return msgspec.structs.replace(
        budgets,
        customers=customers,
        bounds=tuple(
            fitting(bound)
            for bound in budgets.bounds
            if bound.daily_capacity is not None or bound.budget_share in spec.budget_shares
        ),
    )
