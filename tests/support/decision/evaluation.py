"""A small evaluation: made-up customers, contenders, and a size that takes a second."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from churnsaver_assets.decision.evaluation.cells.cell import Cell, Ground, Play
from churnsaver_assets.decision.evaluation.cells.grid import Grid
from churnsaver_assets.decision.evaluation.contenders import Same
from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec, SizeSpec
from churnsaver_serving.runtime.policies.pacing import PacingRule, Start
from churnsaver_serving.runtime.policies.policy import OneStepPolicy, PropensityPolicy
from churnsaver_serving.runtime.world.assumptions import Assumption, Assumptions
from tests.support.decision.cohort import (
    nominal_world,
    packaged_actions,
    packaged_assumptions,
    packaged_rules,
    packaged_section,
    small_cohort,
)

if TYPE_CHECKING:
    from churnsaver_assets.decision.evaluation.contenders import Contender

CUSTOMERS, SEED = 120, 42
START = date(2026, 3, 1)
BUDGETS = (1.0, 2.5, 6.0)
PACING = PacingRule(
    budgets_usd=(0.0, 1.0, 4.0, 12.0),
    start=Start((2.0, 1.0, 0.4, 0.0), (2.0, 1.0, 0.4, 0.0)),
    step=0.01,
    correction=0.5,
    most_correction=1.5,
    most_overspend=2.0,
    capacity_step_usd=0.5,
    waiting_share=0.1,
    scarce_step=0.1,
)
NOBODY = Same("nobody", "baseline", PropensityPolicy(1.1, 10))
GREEDY = Same("one_step", "one_step", OneStepPolicy())
HASTY = Same("propensity", "baseline", PropensityPolicy(0.5, 10))
SIZE = SizeSpec(
    customers=60,
    replicates=2,
    start_months=2,
    worst_months=1,
    worlds=4,
    world_customers=40,
    scenarios=1,
    tornado=True,
    causes=True,
)


def small_ground(*contenders: Contender, truth: bool = False, **changes: Any) -> Ground:
    cohort = small_cohort(CUSTOMERS)
    ground = Ground(
        cohort=cohort,
        truth=small_cohort(CUSTOMERS, seed=7) if truth else None,
        space=packaged_actions(),
        rules=packaged_rules(),
        nominal=nominal_world(),
        holidays=(),
        pacing=PACING,
        contenders=contenders or (GREEDY, HASTY, NOBODY),
        new_share=0.15,
        seed=SEED,
    )
    return replace(ground, **changes)


def small_cell(*plays: Play, groups: int = 3, **changes: Any) -> Cell:
    given: dict[str, Any] = {
        "start_month": START,
        "arrival": "daily",
        "budget_usd": BUDGETS[1],
        "worlds": (nominal_world(),) * groups,
        "plays": plays or (Play("one_step"),),
        "scored_months": 1,
    }
    return Cell(**(given | changes))


def packaged_spec(**changes: Any) -> EvaluationSpec:
    return EvaluationSpec.model_validate(packaged_section("evaluation") | changes)


def few_assumptions() -> Assumptions:
    """Return the packaged assumptions, of which three alone are uncertain."""
    packaged = packaged_assumptions()
    kept = {"disturbance", "acceptance_offset", "contact_cost_usd"}

    def certain(one: Assumption) -> Assumption:
        return msgspec.structs.replace(one, low=one.value, high=one.value)

    return msgspec.structs.replace(
        packaged,
        save_effect=tuple(certain(one) for one in packaged.save_effect),
        **{
            name: certain(getattr(packaged, name))
            for name in Assumptions.__struct_fields__
            if name not in kept | {"save_effect"}
        },
    )


def small_grid(size: SizeSpec = SIZE, **changes: Any) -> Grid:
    return Grid(
        spec=packaged_spec(scored_months=1, today="propensity", **changes),
        size=size,
        assumptions=few_assumptions(),
        budgets=BUDGETS,
        contenders=("one_step", "propensity", "nobody"),
        truths=("model",),
        seed=SEED,
    )
