"""VariantTraining: it learns, it can be repeated and resumed, and it depends on what it should."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.common.checkpoint_file import CheckpointError
from churnsaver_assets.decision.ppo.checkpoint import CHECKPOINT_FILE
from churnsaver_assets.decision.ppo.train import train_policy
from tests.support.decision.cohort import at_risk, packaged_assumptions, small_setting
from tests.support.decision.ppo import (
    CUSTOMERS,
    fine_tuned,
    share_of_optimum,
    small_spec,
    spends,
    train,
)

if TYPE_CHECKING:
    from pathlib import Path

    from churnsaver_assets.decision.ppo.curves import UpdateFigures

SETTING = small_setting(CUSTOMERS)
# Enough to see that something is learnt, not what.
SHORT = {
    "rollout": {"groups": 4, "customers": 24},
    "distillation": {"updates": 2, "epochs": 1},
    "ppo": {"updates": 2, "epochs": 1},
}


class Cut(Exception):
    """Stands for a run that was killed."""


@pytest.mark.parametrize("multiplier", [0.0, 1.0])
def test_training_comes_close_to_the_dynamic_programme(multiplier: float) -> None:
    assert share_of_optimum(fine_tuned().actor, SETTING, multiplier) > 0.95


def test_training_from_scratch_learns() -> None:
    trained = train(
        SETTING,
        distillation={"updates": 0},
        ppo={"updates": 25},
        probe={"every": 1, "multipliers": [0.0]},
    )
    gain = [one.gain_usd for one in trained.curves.probes]
    assert gain[-1] > 1.1 * gain[0]
    assert share_of_optimum(trained.actor, SETTING, 0.0) > 0.95
    assert share_of_optimum(trained.actor, SETTING, 1.0) > 0.8


def test_distillation_alone_comes_close_to_its_teacher() -> None:
    distilled = train(SETTING, ppo={"updates": 0})
    assert share_of_optimum(distilled.actor, SETTING, 1.0) > 0.85
    assert {one.phase for one in distilled.curves.updates} == {"distillation"}


def test_a_dearer_dollar_is_spent_less() -> None:
    costs = [one.cost_usd for one in spends(fine_tuned().actor, SETTING, (0.0, 1.0, 2.0, 4.0))]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.5 * costs[0]


def test_without_its_input_a_policy_does_not_heed_the_multiplier() -> None:
    # Nor the belief, whose noise differs from group to group.
    unaware = {"multiplier_input": False, "belief_input": False}
    blind = train(SETTING, network=unaware, distillation={"updates": 4}, ppo={"updates": 0}).actor
    left_out = ("multiplier", "net", "belief")
    assert not [name for name in blind.spec.features if name.startswith(left_out)]
    few, many = spends(blind, SETTING, (0.0, 5.0))
    assert few.cost_usd > 0.0
    assert few.cost_usd == many.cost_usd


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first, again = train(SETTING, **SHORT), train(SETTING, **SHORT)
    assert first.actor.to_files() == again.actor.to_files()
    assert first.curves == again.curves
    other = train(SETTING, seed=43, **SHORT)
    assert other.actor.to_files() != first.actor.to_files()


@pytest.mark.parametrize("cut_after", [1, 2, 3])
def test_a_resumed_run_gives_the_bytes_of_an_uncut_one(tmp_path: Path, cut_after: int) -> None:
    spec, assumptions = small_spec(**SHORT), packaged_assumptions()
    uncut = train_policy(SETTING, assumptions, spec, 42)

    def cut(figures: UpdateFigures) -> None:
        if figures.update == cut_after:
            raise Cut

    with pytest.raises(Cut):
        train_policy(SETTING, assumptions, spec, 42, checkpoint_dir=tmp_path, progress=cut)
    seen: list[int] = []
    resumed = train_policy(
        SETTING,
        assumptions,
        spec,
        42,
        checkpoint_dir=tmp_path,
        progress=lambda figures: seen.append(figures.update),
    )
    assert seen == list(range(cut_after + 1, 5))
    assert resumed.actor.to_files() == uncut.actor.to_files()
    assert resumed.curves == uncut.curves


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    spec, assumptions = small_spec(**SHORT), packaged_assumptions()
    train_policy(SETTING, assumptions, spec, 42, checkpoint_dir=tmp_path)
    with pytest.raises(CheckpointError, match="other inputs, settings or seed"):
        train_policy(SETTING, assumptions, spec, 43, checkpoint_dir=tmp_path)
    other = small_setting(CUSTOMERS, seed=7)
    with pytest.raises(CheckpointError, match="other inputs, settings or seed"):
        train_policy(other, assumptions, spec, 42, checkpoint_dir=tmp_path)
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"cut short")
    with pytest.raises(CheckpointError, match="can't be read"):
        train_policy(SETTING, assumptions, spec, 42, checkpoint_dir=tmp_path)


def test_another_risk_or_acceptance_model_gives_another_policy() -> None:
    cohort = SETTING.cohort
    files = [
        train(replace(SETTING, cohort=one), **SHORT).actor.to_files()
        for one in (
            cohort,
            at_risk(cohort, np.clip(1.5 * cohort.p_churn, 0.0, 0.95)),
            replace(cohort, accept_logit=cohort.accept_logit - np.float32(0.5)),
        )
    ]
    assert files[0] != files[1]
    assert files[0] != files[2]


def test_the_controller_brings_the_spend_to_the_budget() -> None:
    budget = 6.0
    pid = {
        "budget_per_customer": budget,
        "proportional": 0.1,
        "integral": 0.03,
        "derivative": 0.01,
        "initial": 1.0,
    }
    trained = train(
        SETTING,
        network={"multiplier_input": False},
        rollout={"groups": 2, "customers": CUSTOMERS},
        distillation={"updates": 0},
        ppo={"updates": 60, "final_learning_rate": 1e-3},
        pid=pid,
    )
    updates = trained.curves.updates
    assert np.mean([one.violation_usd for one in updates[:5]]) > budget
    # It swings around the budget, as integral control does.
    late = np.mean([one.cost_usd for one in updates[-20:]])
    assert late == pytest.approx(budget, rel=0.25)
    assert len({one.multiplier for one in updates}) > 10


def test_curves_have_every_update() -> None:
    curves = fine_tuned().curves
    assert [one.update for one in curves.updates] == list(range(1, 25))
    assert [one.phase for one in curves.updates] == ["distillation"] * 12 + ["ppo"] * 12
    assert all(one.entropy > 0.0 and one.kl >= 0.0 for one in curves.updates)
    assert curves.updates[-1].learning_rate < curves.updates[12].learning_rate
    assert [one.multiplier for one in curves.probes] == [0.0, 1.0, 3.0]
