"""From the policy to the API: what is served is what was trained, evaluated and released."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from churnsaver_serving.runtime.period import day_index, days_left

from churnsaver_assets.decision.baselines.fallback import read_fallback
from churnsaver_assets.decision.ppo import fit
from churnsaver_assets.defs.lib.gate import GateClosed
from churnsaver_serving.runtime.actor import SPEC_FILE, WEIGHTS_FILE
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.learned import PACING_FILE, LearnedPolicy
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.release import BASELINE_FILE, Release
from tests.support.graph.harness import Graph
from tests.support.graph.policies import policy_of
from tests.support.graph.served import Answers, Ask, decisions, p_accept, p_churn, running_api

TUESDAY = datetime(2026, 11, 3, 9, tzinfo=UTC)
CUSTOMERS, BUDGET_USD = 150, 1500.0


def test_the_release_carries_the_trained_policys_own_bytes(pristine: Graph) -> None:
    release, policy = pristine.release(), pristine.load("ppo_policy")
    for name in (SPEC_FILE, WEIGHTS_FILE, PACING_FILE):
        assert (release.path / "policy" / name).read_bytes() == policy[name]
    fallback = pristine.load("baseline_policies")[BASELINE_FILE]
    assert (release.path / BASELINE_FILE).read_bytes() == fallback


def observation_of(record: dict[str, Any], release: Release) -> Observation:
    """What the policy saw, from what the API says of a decision whose contact could be today."""
    answer, log, space = record["answer"], record["log"], release.space
    customer = msgspec.convert(record["customer"], Customer)
    today = datetime.fromisoformat(answer["decided_at"]).date()
    last = customer.history.last_contact_on
    eligible = np.zeros((1, space.size), dtype=np.bool_)
    eligible[0, log["eligible"]] = True
    acceptance = [answer["scores"]["p_accept"][str(offer)] for offer in space.offers_pct]
    world = release.assumptions.nominal()
    return Observation(
        p_churn=np.array([answer["scores"]["p_churn"]]),
        # Only today's is read: no later day is looked at while a contact today is allowed.
        p_accept=np.tile(acceptance, (1, len(space.delays_days), 1)),
        monthly_charge_usd=np.array([customer.profile.monthly_charges_usd]),
        days_left=np.array([days_left(today, world.period_days)]),
        days_since_contact=np.array([np.inf if last is None else float((today - last).days)]),
        contacts_in_window=np.array([float(customer.history.contacts_in_window)]),
        multiplier=np.array([log["multiplier"]]),
        belief=np.array([log["belief"]]),
        eligible=eligible,
        space=space,
        world=world,
    )


def test_the_served_decision_is_the_exported_policys_own_action_on_what_was_served(
    pristine: Graph, tmp_path: Path
) -> None:
    policy, release = policy_of(pristine.load("ppo_policy")), pristine.release()
    customers = pristine.load("telco_customers").head(CUSTOMERS)
    with running_api(
        pristine, tmp_path / "ledger.db", now=TUESDAY, budget_usd=BUDGET_USD, customers=CUSTOMERS
    ) as api:
        first = api.retain(customers)
        contacted = [one for one in first if one["decision"]["contact"]]
        for index, answer in enumerate(contacted):
            api.observe(answer, "refused" if index % 3 else "accepted")
        api.clock.now += timedelta(days=10)  # beyond the cooldown, in the same month
        records = api.records(first + api.retain(customers))

    actions = [record["log"]["action"] for record in records]
    for record, action in zip(records, actions, strict=True):
        observation = observation_of(record, release)
        assert policy.distribution(observation).argmax() == action
    # The month began with no knowledge; then outcomes and contacts were part of what it saw.
    opening, later = records[0]["log"], records[-1]["log"]
    assert opening["belief"] == [0.0, 0.0, 0.0]
    assert later["belief"][0] != 0.0
    assert sum(record["customer"]["history"]["contacts_in_window"] > 0 for record in records) > 10
    assert len(set(actions)) > 1
    # Its own pacing set the multiplier, from the budget and the customers that it is for.
    assert opening["multiplier"] > 0.0
    assert opening["multiplier"] == pytest.approx(
        policy.pacing.multiplier(
            day_index(TUESDAY.date()), BUDGET_USD, customers=0, undecided=CUSTOMERS
        )
    )


def test_another_trained_policy_is_served_only_once_it_is_evaluated_and_then_decides(
    graph: Graph, served: Answers, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = graph.release()

    train = fit.train_policy
    monkeypatch.setattr(
        fit,
        "train_policy",
        lambda setting, assumptions, spec, seed, **named: train(
            setting, assumptions, spec, seed + 1, **named
        ),
    )
    graph.run("ppo_policy")
    with pytest.raises(
        GateClosed, match="policy_evaluation was made from another ppo_policy than the latest"
    ):
        graph.run("release")
    assert graph.release().id == before.id

    done = graph.bring_up_to_date()
    # Another policy makes other offers, so other messages are asked for; models stay as they are.
    assert {"policy_evaluation", "retention_prompts", "message_bank", "release"} <= set(done.ran)
    assert not {"churn_risk_model", "sft_model", "reward_model", "ppo_policy"} & set(done.ran)
    after = ask(graph)
    assert isinstance(before.policy, LearnedPolicy)
    old, new = before.policy.actor.weights, policy_of(graph.load("ppo_policy")).actor.weights
    assert all((old[name] != new[name]).any() for name in old)
    assert p_churn(served) == p_churn(after)
    assert p_accept(served, 0) == p_accept(after, 0)
    assert decisions(served) != decisions(after)


def test_the_fallback_of_the_same_release_is_served_where_it_is_forced(
    pristine: Graph, served: Answers, ask: Ask
) -> None:
    fallback = read_fallback(pristine.load("baseline_policies"))
    forced = ask(pristine, force_baseline=True)
    assert {one["policy"] for one in served} == {"learned"}
    assert {one["policy"] for one in forced} == {"propensity_threshold"}
    assert served[0]["release"] == forced[0]["release"]
    assert decisions(forced) == [
        (True, fallback.offer_pct, 0) if p >= fallback.threshold else (False, 0, 0)
        for p in p_churn(forced)
    ]
    assert p_churn(forced) == p_churn(served)
    assert decisions(forced) != decisions(served)
    assert {one["pacing"]["multiplier"] for one in forced} == {0.0}
