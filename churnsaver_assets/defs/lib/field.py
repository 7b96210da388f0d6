"""The field of an evaluation: held-out customers, budgets and contenders from assets' values."""

from typing import TYPE_CHECKING

import msgspec

from churnsaver_assets.defs.holidays import HOLIDAYS_FILE
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.planning import read_budgets
from churnsaver_assets.defs.settings.decision import EvaluationSettings
from churnsaver_assets.experiments.evaluation_spec import SizeSpec
from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.holidays import Holidays
from churnsaver_serving.runtime.manifest import DataLabel
from churnsaver_serving.runtime.pacing import PACING_FILE, PacingRule

if TYPE_CHECKING:
    from churnsaver_assets.decision.evaluation.whole import EvaluationInputs


def evaluation_inputs(
    settings: EvaluationSettings,
    size: SizeSpec,
    *,
    environment: Files,
    bounds: Files,
    baselines: Files,
    policy: Files,
    pacing: Files,
    holidays: Files,
    data: DataLabel,
    truth: Files | None = None,
) -> "EvaluationInputs":
    """Build the inputs of an evaluation.

    Args:
        settings: Settings of the evaluation.
        size: How much is played.
        environment: Value of `retention_environment`.
        bounds: Value of `upper_bound`, which has the budgets.
        baselines: Value of `baseline_policies`.
        policy: Value of `ppo_policy`.
        pacing: Value of `pacing_rule`.
        holidays: Value of `contact_holidays`.
        data: Whether the customers are real or a sample.
        truth: Value of `simulated_truth`; None to play in the models' own world alone.
    """
    from churnsaver_assets.decision.evaluation.cells import Ground
    from churnsaver_assets.decision.evaluation.contenders import (
        Same,
        one_step_rules,
        tuned_baselines,
    )
    from churnsaver_assets.decision.evaluation.grid import Grid
    from churnsaver_assets.decision.evaluation.whole import EvaluationInputs
    from churnsaver_assets.decision.simulator.cohort_files import read_cohort
    from churnsaver_serving.runtime.learned import LearnedPolicy

    spec, dates = settings.evaluation, msgspec.json.decode(holidays[HOLIDAYS_FILE], type=Holidays)
    contenders = (
        *one_step_rules(settings.assumptions),
        Same("ppo", "learned", LearnedPolicy.from_files(policy)),
        *tuned_baselines(baselines, spec.today),
    )
    ground = Ground(
        cohort=read_cohort(environment, "holdout"),
        truth=None if truth is None else read_cohort(truth, "holdout"),
        space=ActionSpace(settings.offers_pct, settings.delays_days),
        rules=settings.rules,
        nominal=settings.assumptions.nominal(),
        holidays=dates.national[dates.country],
        pacing=msgspec.json.decode(pacing[PACING_FILE], type=PacingRule),
        contenders=contenders,
        new_share=spec.new_share,
        seed=settings.seed,
    )
    grid = Grid(
        spec=spec,
        size=size,
        assumptions=settings.assumptions,
        budgets=tuple(one.budget_per_customer for one in read_budgets(bounds).plain),
        contenders=tuple(one.name for one in contenders),
        truths=("model",) if truth is None else ("model", "other_family"),
        seed=settings.seed,
    )
    return EvaluationInputs(ground, grid, data, seeds={}, contact_share={})
