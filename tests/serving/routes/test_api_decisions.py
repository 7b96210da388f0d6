"""`/retain`, `/decisions` and `/outcomes` over real HTTP."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from upath import UPath

from churnsaver_serving.runtime.engine.release import CHURN_RISK, OFFER_ACCEPTANCE, Release
from churnsaver_serving.runtime.manifest import MANIFEST_FILE, Manifest
from churnsaver_serving.schemas import DecisionRecord, RetainAnswer
from tests.support.serving.messages import CHECKPOINT
from tests.support.serving.profiles import AT_RISK, LOYAL


def ask(client: httpx.Client, body: dict[str, Any], **headers: str) -> httpx.Response:
    response = client.post("/retain", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response


def test_answers_differ_with_the_customer(client: httpx.Client, body: dict[str, Any]) -> None:
    at_risk = ask(client, body).json()
    loyal = ask(client, {"customer_id": "loyal", "profile": msgspec.to_builtins(LOYAL)}).json()
    assert at_risk["decision"]["contact"]
    assert not loyal["decision"]["contact"]
    assert loyal["decision"] == {
        "contact": False,
        "offer_pct": 0,
        "delay_days": 0,
        "contact_on": None,
    }
    assert at_risk["scores"]["p_churn"] > 0.5 > loyal["scores"]["p_churn"]


def test_answer_is_complete(
    client: httpx.Client, body: dict[str, Any], release: Release, everyday_dir: UPath
) -> None:
    answer = ask(client, body).json()
    msgspec.convert(answer, RetainAnswer)
    assert set(answer) == set(RetainAnswer.__struct_fields__)
    assert set(answer["scores"]["p_accept"]) == {"0", "5", "10", "20"}
    accept = list(answer["scores"]["p_accept"].values())
    assert accept == sorted(accept)
    assert len(answer["reasons"]["risk"]) == 3
    assert answer["reasons"]["risk"][0]["value"] == getattr(
        AT_RISK, answer["reasons"]["risk"][0]["code"]
    )
    assert answer["release"] == {
        "id": everyday_dir.name,
        "churn_risk": release.model_hash(CHURN_RISK),
        "offer_acceptance": release.model_hash(OFFER_ACCEPTANCE),
        "messages": CHECKPOINT,
    }
    manifest = msgspec.json.decode((everyday_dir / MANIFEST_FILE).read_bytes(), type=Manifest)
    assert answer["data"] == manifest.data == "real"


def test_scores_are_the_models_own(
    client: httpx.Client, body: dict[str, Any], release: Release
) -> None:
    table = {name: [value] for name, value in body["profile"].items()}
    expected = release.risk.score(table)[0]
    assert ask(client, body).json()["scores"]["p_churn"] == pytest.approx(expected, abs=1e-9)


def test_history_comes_from_the_ledger(client: httpx.Client, body: dict[str, Any]) -> None:
    first = ask(client, body).json()
    again = ask(client, body).json()
    first_day, next_day = (one["decision"]["contact_on"] for one in (first, again))
    record = client.get(f"/decisions/{again['decision_id']}").json()
    assert record["customer"]["history"]["last_contact_on"] == first_day
    assert record["customer"]["history"]["contacts_in_window"] == 1
    assert record["customer"]["history"]["waiting"]
    assert again["reasons"]["constraints"] == ["open_contact", "cooldown"]
    assert again["reasons"]["only_no_contact"]
    assert next_day is None
    assert first_day is not None


def test_the_caller_cannot_bring_a_history(client: httpx.Client, body: dict[str, Any]) -> None:
    response = client.post("/retain", json=body | {"history": {"opted_out": False}})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "history"


def test_decision_reads_back_as_answered(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = ask(client, body).json()
    record = client.get(f"/decisions/{answer['decision_id']}").json()
    msgspec.convert(record, DecisionRecord)
    assert record["answer"] == answer
    assert record["customer"]["profile"] == body["profile"]
    assert record["outcomes"] == []
    log = record["log"]
    assert len(log["eligible"]) == len(log["probabilities"])
    assert sum(log["probabilities"]) == pytest.approx(1)
    chosen = log["eligible"].index(log["action"])
    assert log["probabilities"][chosen] == answer["propensity"]


def test_unknown_decision(client: httpx.Client) -> None:
    for decision_id, status in ((str(uuid4()), 404), ("not-an-id", 404), ("%00", 404)):
        response = client.get(f"/decisions/{decision_id}")
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"


def test_outcome_is_recorded_once(client: httpx.Client, body: dict[str, Any]) -> None:
    decision_id = ask(client, body).json()["decision_id"]
    outcome = {"decision_id": decision_id, "kind": "accepted"}
    first = client.post("/outcomes", json=outcome)
    assert first.status_code == 200
    assert client.post("/outcomes", json=outcome).json() == first.json()
    contrary = client.post("/outcomes", json=outcome | {"kind": "refused"})
    assert contrary.status_code == 409
    assert contrary.json()["errors"][0]["field"] == "kind"
    assert client.get(f"/decisions/{decision_id}").json()["outcomes"] == [first.json()]


def test_outcome_of_an_unknown_decision(client: httpx.Client) -> None:
    response = client.post("/outcomes", json={"decision_id": str(uuid4()), "kind": "churned"})
    assert response.status_code == 404
    assert response.json()["errors"][0]["field"] == "decision_id"


def test_opting_out_ends_contacts(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = ask(client, body).json()
    client.post("/outcomes", json={"decision_id": answer["decision_id"], "kind": "opted_out"})
    after = ask(client, body).json()
    assert not after["decision"]["contact"]
    assert "opt_out" in after["reasons"]["constraints"]
    assert after["reasons"]["only_no_contact"]


def test_idempotency_key_repeats_the_answer(client: httpx.Client, body: dict[str, Any]) -> None:
    key = uuid4().hex
    first = ask(client, body, **{"Idempotency-Key": key})
    again = ask(client, body, **{"Idempotency-Key": key})
    assert again.content == first.content
    reordered = json.dumps(dict(reversed(body.items())), indent=2)
    same = client.post(
        "/retain",
        content=reordered,
        headers={"Idempotency-Key": key, "Content-Type": "application/json"},
    )
    assert same.content == first.content
    assert ask(client, body).json()["decision_id"] != first.json()["decision_id"]


def test_idempotency_key_refuses_another_request(
    client: httpx.Client, body: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    ask(client, body, **key)
    response = client.post("/retain", json=body | {"channel": "telephone"}, headers=key)
    assert response.status_code == 409
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"


def test_idempotency_key_holds_under_concurrency(
    client: httpx.Client, body: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(client, body, **key).content, range(24)))
    assert len(set(answers)) == 1
