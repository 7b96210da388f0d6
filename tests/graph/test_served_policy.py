"""From the policy to the API: what is served is what was trained, evaluated and released."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from churnsaver_assets.decision.baselines.fallback import read_fallback
from churnsaver_assets.decision.ppo import fit
from churnsaver_assets.defs.evaluation import read_policy_evaluation
from churnsaver_assets.defs.lib.gate import GateClosed
from churnsaver_assets.defs.pacing import read_pacing
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.engine.decide import DecisionEngine
from churnsaver_serving.runtime.engine.decision import Pace
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.policies.actor import SPEC_FILE, WEIGHTS_FILE
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.pacing import PACING_FILE, Basis, Day, Pacing
from churnsaver_serving.runtime.policies.served_policy import (
    BASELINE_FILE,
    OTHERS_FOLDER,
    POLICY_FOLDER,
)
from tests.support.graph.harness import Graph
from tests.support.graph.policies import policy_of
from tests.support.graph.served import (
    WEDNESDAY,
    Answers,
    Ask,
    decisions,
    p_accept,
    p_churn,
    running_api,
)

TUESDAY = datetime(2026, 11, 3, 15, tzinfo=UTC)
CUSTOMERS, BUDGET_USD = 150, 600.0


def test_the_release_carries_the_trained_policys_own_bytes(pristine: Graph) -> None:
    release, policy = pristine.release(), pristine.load("ppo_policy")
    folder = POLICY_FOLDER if release.default == "ppo" else f"{OTHERS_FOLDER}ppo/"
    for name in (SPEC_FILE, WEIGHTS_FILE):
        assert (release.path / folder / name).read_bytes() == policy[name]
    pacing = pristine.load("pacing_rule")[PACING_FILE]
    assert (release.path / POLICY_FOLDER / PACING_FILE).read_bytes() == pacing
    fallback = pristine.load("baseline_policies")[BASELINE_FILE]
    assert (release.path / BASELINE_FILE).read_bytes() == fallback


def test_the_served_policy_is_the_evaluations_and_the_others_travel_with_it(
    pristine: Graph, served: Answers
) -> None:
    release = pristine.release()
    evaluation = read_policy_evaluation(pristine.load("policy_evaluation"))
    assert {one["policy"] for one in served} == {release.default} == {evaluation.default}
    candidates = {name for name, role in evaluation.roles.items() if role != "today"}
    assert {release.baseline} | candidates == set(release.policies)


def judged_by(engine: DecisionEngine, record: dict[str, Any], release: Release) -> int:
    """The action that a policy prefers, of those that the log says were left."""
    answer, log, space = record["answer"], record["log"], release.space
    customer = msgspec.convert(record["customer"], Customer)
    left = np.array(log["eligible"][1:], dtype=np.int64)
    wait = space.delay_days[left[:1]] if len(left) else np.zeros(1, dtype=np.int64)
    today = np.array([datetime.fromisoformat(answer["decided_at"]).date().toordinal()])
    pace = Pace(log["multiplier"], tuple(log["belief"]), log["capacity_price_usd"])
    observation = engine.observe([customer], today, wait, pace)
    assert observation.p_churn[0] == pytest.approx(answer["scores"]["p_churn"])
    if not len(left):
        return 0
    for offer, p in zip(space.offers_pct, observation.p_accept[0], strict=True):
        assert p == pytest.approx(answer["scores"]["p_accept"][str(offer)])
    preferences = engine.policy.preferences(observation)[0]
    offered = [space.offers_pct.index(space.offer_pct[action]) for action in left]
    best = int(preferences[[0, *(1 + np.array(offered, dtype=np.int64))]].argmax())
    return int(log["eligible"][best])


def test_the_served_decision_is_the_exported_policys_own_action_on_what_was_served(
    pristine: Graph, tmp_path: Path
) -> None:
    release = pristine.release()
    engine = DecisionEngine(
        risk=release.risk,
        acceptance=release.acceptance,
        policy=policy_of(pristine.load("ppo_policy")),
        space=release.space,
        world=release.assumptions.nominal(),
        rules=release.rules,
    )
    customers = pristine.load("telco_customers").head(CUSTOMERS)
    limits = {"budget_usd": BUDGET_USD, "customers": CUSTOMERS, "policy": "ppo"}
    with running_api(pristine, tmp_path / "ledger.db", now=TUESDAY, **limits) as api:
        first = api.retain(customers)
        contacted = [one for one in first if one["decision"]["contact"]]
        for index, answer in enumerate(contacted):
            api.observe(answer, "refused" if index % 3 else "accepted")
        api.clock.now += timedelta(days=10)  # beyond the cooldown, in the same month
        records = api.records(first + api.retain(customers))

    actions = [record["log"]["action"] for record in records]
    assert actions == [judged_by(engine, record, release) for record in records]
    # The month began with no knowledge; then outcomes and contacts were part of what it saw.
    opening, later = records[0]["log"], records[-1]["log"]
    assert opening["belief"] == [0.0, 0.0, 0.0]
    assert later["belief"][0] != 0.0
    assert sum(record["customer"]["history"]["contacts_in_window"] > 0 for record in records) > 10
    assert len(set(actions)) > 1
    # The release's pacing set the multiplier, from the budget and the customers that it is for.
    pacing = Pacing(read_pacing(pristine.load("pacing_rule")), CUSTOMERS)
    cents = round(100 * BUDGET_USD)
    basis = Basis(cents, policy="ppo")
    begun = pacing.in_force(pacing.start(basis), Day(TUESDAY.day, 30, cents, 0, TUESDAY.day))
    assert opening["multiplier"] == pytest.approx(begun)
    assert begun > 0.0


def test_another_trained_policy_is_served_only_once_it_is_evaluated_and_then_decides(
    graph: Graph, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, served = graph.release(), ask(graph, policy="ppo")

    train = fit.train_policy
    monkeypatch.setattr(
        fit,
        "train_policy",
        lambda setting, assumptions, spec, seed, **named: train(
            setting,
            assumptions,
            # So long steps that a few updates take it far from its base.
            spec.model_copy(update={"ppo": spec.ppo.model_copy(update={"learning_rate": 0.1})}),
            seed,
            **named,
        ),
    )
    graph.run("ppo_policy")
    with pytest.raises(
        GateClosed, match="policy_evaluation was made from another ppo_policy than the latest"
    ):
        graph.run("release")
    assert graph.release().id == before.id

    pacing = read_pacing(graph.load("pacing_rule")).own_starts
    done = graph.bring_up_to_date()
    # Pacing begins elsewhere for the policy that is another, and for that alone.
    paced = read_pacing(graph.load("pacing_rule")).own_starts
    assert {name for name, start in pacing.items() if paced[name] != start} == {"ppo"}
    # Another policy makes other offers, so other messages are asked for; models stay as they are.
    assert {
        "pacing_rule",
        "policy_evaluation",
        "retention_prompts",
        "message_bank",
        "release",
    } <= set(done.ran)
    assert not {"churn_risk_model", "sft_model", "reward_model", "ppo_policy"} & set(done.ran)
    after = ask(graph, policy="ppo")
    learned = before.policies["ppo"]
    assert isinstance(learned, LearnedPolicy)
    old, new = learned.actor.weights, policy_of(graph.load("ppo_policy")).actor.weights
    assert all((old[name] != new[name]).any() for name in old)
    assert p_churn(served) == p_churn(after)
    assert p_accept(served, 0) == p_accept(after, 0)
    assert decisions(served) != decisions(after)


def test_the_fallback_of_the_same_release_is_served_where_it_is_forced(
    pristine: Graph, served: Answers, ask: Ask
) -> None:
    fallback = read_fallback(pristine.load("baseline_policies"))
    forced = ask(pristine, force_baseline=True)
    assert {one["policy"] for one in served} == {pristine.release().default}
    assert {one["policy"] for one in forced} == {"propensity_threshold"}
    assert served[0]["release"] == forced[0]["release"]
    assert decisions(forced) == [
        (True, fallback.offer_pct, 0) if p >= fallback.threshold else (False, 0, 0)
        for p in p_churn(forced)
    ]
    assert p_churn(forced) == p_churn(served)
    assert decisions(forced) != decisions(served)


def test_pacing_and_the_prior_decide_what_is_served(
    graph: Graph, pristine: Graph, ask: Ask, tmp_path: Path
) -> None:
    """Two arrows into a release, each with an outcome that it alone has."""
    other = "planner" if pristine.release().default != "planner" else "one_step"
    graph.edit_experiment(evaluation__default_order=[other], pacing__multipliers=[0, 0.1, 0.2])
    done = graph.bring_up_to_date(text=False)
    assert {"pacing_rule", "baseline_policies", "policy_evaluation", "release"} <= set(done.ran)
    assert not {"ppo_policy", "upper_bound"} & set(done.ran)

    # The policy: what the evaluation found best of those that may be the default.
    assert graph.release().default == other
    after = ask(graph)
    assert {one["policy"] for one in after} == {other}
    # Pacing: what the rule begins with at the release's own budget.
    multipliers = []
    for one in (pristine, graph):
        rules, customers = one.release().rules, one.load("telco_customers").head(1)
        with running_api(one, tmp_path / f"{len(multipliers)}.db") as api:
            (answer,) = api.retain(customers)
        pacing = Pacing(read_pacing(one.load("pacing_rule")), rules.customers)
        cents = round(100 * rules.budget_usd)
        basis = Basis(cents, policy=one.release().default)
        begun = pacing.in_force(
            pacing.start(basis), Day(WEDNESDAY.day, 30, cents, 0, WEDNESDAY.day)
        )
        assert answer["pacing"]["multiplier"] == pytest.approx(begun)
        multipliers.append(begun)
    assert multipliers[0] > multipliers[1] > 0.0
