"""A whole evaluation: its JSON and tables, its checks, its bytes, and the fields it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from churnsaver_assets.decision.evaluation.checks import (
    above_the_bound,
    broken_constraints,
)
from churnsaver_assets.decision.evaluation.results import decode, encode
from churnsaver_assets.decision.evaluation.run import evaluate
from tests.support.decision.cohort import small_setting
from tests.support.decision.evaluation import SEED

if TYPE_CHECKING:
    from churnsaver_assets.decision.evaluation.evaluated_policies import EvaluatedPolicy
    from churnsaver_assets.decision.evaluation.results import PolicyEvaluation
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec


def test_the_json_is_as_promised(evaluation: PolicyEvaluation) -> None:
    written = msgspec.json.decode(encode(evaluation))
    assert written["simulated"] is True
    assert written["data"] == "sample"
    assert written["horizon_months"] == 6.0
    assert set(written) >= {"budgets", "misspecified", "ablations", "stress", "capacity"}
    for case in (*written["budgets"], written["capacity"]):
        assert {"budget_per_customer", "bound", "policies"} <= set(case)
        assert set(case["policies"]) == {"greedy", "slow", "propensity", "nothing"}
        for policy in case["policies"].values():
            assert set(policy["headroom"]) == {"mean", "low", "high"}
            assert set(policy) >= {"headroom", "nrr", "offer_cost", "violations"}
    assert decode(encode(evaluation)) == evaluation


def test_nobody_is_above_the_bound_and_nothing_is_broken(evaluation: PolicyEvaluation) -> None:
    assert above_the_bound(evaluation) == []
    assert broken_constraints(evaluation) == []
    cases = (*evaluation.budgets, evaluation.capacity)
    assert min(case.policies["greedy"].headroom.mean for case in cases) > 0.8


def test_what_is_broken_is_named(evaluation: PolicyEvaluation) -> None:
    case = evaluation.budgets[0]
    figures = case.policies["propensity"]
    bad = msgspec.structs.replace(
        figures,
        above_bound=True,
        violations=msgspec.structs.replace(figures.violations, overspent=2),
    )
    spoilt = msgspec.structs.replace(
        evaluation,
        budgets=(
            msgspec.structs.replace(case, policies={**case.policies, "propensity": bad}),
            *evaluation.budgets[1:],
        ),
    )
    assert [line.split(",")[0] for line in above_the_bound(spoilt)] == ["propensity"]
    assert broken_constraints(spoilt) == ["propensity, budget 20 %: 2 budgets overspent"]


def test_gains_are_the_differences_of_the_policies(evaluation: PolicyEvaluation) -> None:
    for case in evaluation.budgets:
        ours, theirs = case.policies["greedy"], case.policies["propensity"]
        gain = case.gains["propensity"]
        points = 100.0 * (ours.nrr.mean - theirs.nrr.mean)
        assert gain.nrr_points.mean == pytest.approx(points)
        # Paired: much narrower than the two side by side.
        assert gain.nrr_points.high - gain.nrr_points.low < 100 * (ours.nrr.high - ours.nrr.low)
        assert gain.bound_nrr_relative == pytest.approx(case.bound_nrr / theirs.nrr.mean - 1.0)
        assert case.best_baseline == "propensity"
        assert case.gains["nothing"].offer_cost_goal == "impossible"


def test_scenarios_are_in_their_tables(evaluation: PolicyEvaluation) -> None:
    assert [row.scenario for row in evaluation.stress] == ["disturbed", "tight"]
    assert evaluation.stress[1].budget_per_customer == pytest.approx(
        evaluation.budgets[1].budget_per_customer / 2
    )
    (world,) = evaluation.misspecified.worlds
    assert world.scenario == "disturbed"
    assert set(world.ahead_of_reference) == {"greedy", "propensity", "nothing"}
    effect = world.pacing["greedy"]
    assert effect.difference.mean == pytest.approx(100 * (effect.on.mean - effect.off.mean))


def test_ablations_lose_what_they_lack(evaluation: PolicyEvaluation) -> None:
    blind = evaluation.ablations["risk_model"]
    assert blind.loss.low > 0.0
    assert blind.whole.mean == evaluation.budgets[1].policies["greedy"].headroom.mean


def test_the_same_seed_gives_the_same_bytes(
    policies: list[EvaluatedPolicy], evaluation_spec: EvaluationSpec, spend: float
) -> None:
    few = small_setting(40)

    def once(seed: int) -> bytes:
        return encode(
            evaluate(
                policies,
                few,
                evaluation_spec.brief(),
                unconstrained_spend=spend,
                data="real",
                seed=seed,
            )
        )

    first = once(SEED)
    assert once(SEED) == first
    other = decode(once(SEED + 1))
    assert other != decode(first)
    assert other.stress == ()


@pytest.mark.parametrize(
    ("drop", "says"), [("slow", "missing \\['slow'\\]"), (None, "names must be distinct")]
)
def test_a_field_that_does_not_fit_is_refused(
    policies: list[EvaluatedPolicy],
    setting: Setting,
    evaluation_spec: EvaluationSpec,
    drop: str | None,
    says: str,
) -> None:
    players = [one for one in policies if one.name != drop] if drop else [*policies, policies[0]]
    with pytest.raises(ValueError, match=says):
        evaluate(players, setting, evaluation_spec, unconstrained_spend=1.0, data="real", seed=SEED)


def test_missing_ablations_are_named(
    policies: list[EvaluatedPolicy], setting: Setting, evaluation_spec: EvaluationSpec
) -> None:
    with pytest.raises(ValueError, match=r"ablated: missing \['pacing', 'risk_model'\]"):
        evaluate(
            policies, setting, evaluation_spec, unconstrained_spend=1.0, data="real", seed=SEED
        )
