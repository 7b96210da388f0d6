"""Training: it learns, it can be repeated and resumed, and it depends on what it should."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.common.checkpoint_file import CheckpointError
from churnsaver_assets.decision.ppo.checkpoint import CHECKPOINT_FILE
from churnsaver_assets.decision.ppo.train import train_policy
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from tests.support.decision.cohort import at_risk, packaged_assumptions, small_setting
from tests.support.decision.ppo import (
    CUSTOMERS,
    plays,
    score,
    small_spec,
    train,
    trained,
)

if TYPE_CHECKING:
    from pathlib import Path

    from churnsaver_assets.decision.ppo.curves import UpdateFigures

SETTING = small_setting(CUSTOMERS)
BASE = OneStepPolicy("base", world=packaged_assumptions().prior_mean())
# Enough to see that something is learnt, not what; an episode has one part.
SHORT = {
    "rollout": {"groups": 4, "customers": 24, "parts": 1},
    "warm_up": {"updates": 2, "epochs": 1},
    "ppo": {"updates": 2, "epochs": 1},
    "probe": {"every": 2, "customers": 20},
}


class Cut(Exception):
    """Stands for a run that was killed."""


def test_an_untrained_policy_is_its_base() -> None:
    untrained = train(SETTING, warm_up={"updates": 1}, ppo={"updates": 0})
    policy = LearnedPolicy(untrained.actor)
    for multiplier in (0.0, 0.5):
        base = score(BASE, SETTING, multiplier)
        assert score(policy, SETTING, multiplier) == pytest.approx(base, rel=0.01)


@pytest.mark.parametrize("multiplier", [0.0, 0.25, 0.5])
def test_training_in_the_nominal_world_finds_what_the_base_is_wrong_about(
    multiplier: float,
) -> None:
    """On customers that it wasn't trained on; the rule that knows the world is ahead of both."""
    others = small_setting(600, seed=9)
    base, informed = (score(one, others, multiplier) for one in (BASE, OneStepPolicy()))
    assert informed > base
    found = score(LearnedPolicy(trained().actor), others, multiplier)
    assert found > base + 0.3 * (informed - base)


def test_a_dearer_dollar_is_spent_less() -> None:
    policy = LearnedPolicy(trained().actor)
    costs = [one.cost_usd for one in plays(policy, SETTING, (0.0, 0.3, 0.6, 1.0))]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.3 * costs[0]


def test_inputs_can_be_left_out() -> None:
    unaware = {"multiplier_input": False, "belief_input": False}
    blind = train(SETTING, **SHORT, network=unaware).actor
    left_out = ("multiplier", "net", "belief")
    assert not [name for name in blind.spec.features if name.startswith(left_out)]
    assert [name for name in trained().actor.spec.features if name.startswith("belief")]


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first, again = train(SETTING, **SHORT), train(SETTING, **SHORT)
    assert first.actor.to_files() == again.actor.to_files()
    assert first.curves == again.curves
    other = train(SETTING, seed=43, **SHORT)
    assert other.actor.to_files() != first.actor.to_files()


@pytest.mark.parametrize(("parts", "cut_after"), [(1, 1), (1, 2), (1, 3), (3, 3), (2, 3)])
def test_a_resumed_run_gives_the_bytes_of_an_uncut_one(
    tmp_path: Path, parts: int, cut_after: int
) -> None:
    """It goes on from the last episode that was whole."""
    rollout = SHORT["rollout"] | {"parts": parts}
    spec, assumptions = small_spec(**(SHORT | {"rollout": rollout})), packaged_assumptions()
    uncut = train_policy(SETTING, assumptions, spec, 42)

    def cut(figures: UpdateFigures) -> None:
        if figures.update == cut_after + 1:
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
    assert seen == list(range(cut_after // parts * parts + 1, 5))
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


def test_curves_have_every_update() -> None:
    curves = trained().curves
    assert [one.update for one in curves.updates] == list(range(1, 37))
    assert [one.phase for one in curves.updates] == ["warm_up"] * 4 + ["ppo"] * 32
    assert all(one.entropy > 0.0 and one.kl >= 0.0 for one in curves.updates)
    assert all(one.kl == 0.0 for one in curves.updates[:4])
    assert curves.updates[-1].learning_rate < curves.updates[4].learning_rate
    assert [one.multiplier for one in curves.probes] == [0.0, 0.5]


def test_a_picture_of_the_curves_is_drawn_and_the_same_each_time() -> None:
    from churnsaver_assets.decision.evaluation.pictures.training_plots import (
        entropy_png,
        learning_curves_png,
    )

    curves = train(SETTING, **SHORT).curves
    for draw in (learning_curves_png, lambda some: entropy_png({"ppo": some})):
        assert draw(curves).startswith(b"\x89PNG")
        assert draw(curves) == draw(curves)
