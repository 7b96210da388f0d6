"""The field of an evaluation: held-out customers, budgets and contenders from assets' values."""

from typing import TYPE_CHECKING

import msgspec

from churnsaver_assets.defs.holidays import HOLIDAYS_FILE
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.planning import read_budgets
from churnsaver_assets.defs.settings.decision import EvaluationSettings
from churnsaver_assets.experiments.evaluation_spec import SizeSpec
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.limits.holidays import Holidays
from churnsaver_serving.runtime.manifest import DataLabel
from churnsaver_serving.runtime.policies.pacing import PACING_FILE, PacingRule

if TYPE_CHECKING:
    from churnsaver_assets.decision.evaluation.whole import EvaluationInputs


def evaluation_inputs(
    settings: EvaluationSettings,
    size: SizeSpec,
    *,
    environment: Files,
    bounds: Files,
    policy: Files,
    pacing: Files,
    holidays: Files,
    data: DataLabel,
) -> "EvaluationInputs":
    """Build the inputs of an evaluation: the candidates, and the policy served before.

    That one goes by the multiplier told; other baselines must be tuned to what they are shown in.

    Args:
        settings: Settings of the evaluation.
        size: How much is played.
        environment: Value of `retention_environment`.
        bounds: Value of `upper_bound`, which has the budgets.
        policy: Value of `ppo_policy`.
        pacing: Value of `pacing_rule`.
        holidays: Value of `contact_holidays`.
        data: Whether the customers are real or a sample.
    """
    from churnsaver_assets.decision.baselines.month_end import MonthEndPolicy
    from churnsaver_assets.decision.evaluation.cells.cell import Ground
    from churnsaver_assets.decision.evaluation.cells.grid import Grid
    from churnsaver_assets.decision.evaluation.contenders import Same, candidates_of
    from churnsaver_assets.decision.evaluation.whole import EvaluationInputs
    from churnsaver_assets.decision.play.candidates import candidates
    from churnsaver_assets.decision.simulator.cohort_files import read_cohort
    from churnsaver_serving.runtime.policies.learned import LearnedPolicy

    spec, dates = settings.evaluation, msgspec.json.decode(holidays[HOLIDAYS_FILE], type=Holidays)
    served = candidates(settings.assumptions, LearnedPolicy.from_files(policy))
    ground = Ground(
        cohort=read_cohort(environment, "holdout"),
        truth=None,
        space=ActionSpace(settings.offers_pct, settings.delays_days),
        rules=settings.rules,
        nominal=settings.assumptions.nominal(),
        holidays=dates.national[dates.country],
        pacing=msgspec.json.decode(pacing[PACING_FILE], type=PacingRule),
        contenders=(*candidates_of(served), Same(spec.today, "today", MonthEndPolicy())),
        new_share=spec.new_share,
        seed=settings.seed,
    )
    grid = Grid(
        spec=spec,
        size=size,
        assumptions=settings.assumptions,
        budgets=tuple(one.budget_per_customer for one in read_budgets(bounds).plain),
        contenders=tuple(one.name for one in ground.contenders),
        truths=("model",),
        seed=settings.seed,
    )
    return EvaluationInputs(ground, grid, data)
