"""Bad input over real HTTP: always a 4xx problem document that names the field."""

import json
from typing import Any

import httpx
import pytest

JSON = {"Content-Type": "application/json"}
UNKNOWN_ID = "019a9d3c-2f4e-7b1a-9c3d-5e6f7a8b9c0d"


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Check that the answer is a problem document of that status; return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance", "errors"} == set(document)
    assert document["status"] == status
    assert document["instance"] == response.request.url.path
    return document


def with_profile(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return body | {"profile": body["profile"] | changes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"gender": "Male"}, "profile.gender"),
        ({"tenure_months": "12"}, "profile.tenure_months"),
        ({"tenure_months": 1.5}, "profile.tenure_months"),
        ({"tenure_months": None}, "profile.tenure_months"),
        ({"tenure_months": -1}, "profile.tenure_months"),
        ({"tenure_months": 10**30}, "profile.tenure_months"),
        ({"monthly_charges_usd": -0.01}, "profile.monthly_charges_usd"),
        ({"monthly_charges_usd": 1e9}, "profile.monthly_charges_usd"),
        ({"senior_citizen": "yes"}, "profile.senior_citizen"),
        ({"senior_citizen": 1}, "profile.senior_citizen"),
        ({"contract": "Weekly"}, "profile.contract"),
        ({"contract": 1}, "profile.contract"),
        ({"phone_service": False}, "profile.multiple_lines"),
        ({"internet_service": "No"}, "profile.online_security"),
        ({"online_backup": "No internet service"}, "profile.online_backup"),
    ],
)
def test_profile_fields(
    client: httpx.Client, body: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    response = client.post("/retain", json=with_profile(body, **changes))
    document = problem(response, 422)
    assert document["errors"][0]["field"] == field
    assert field in document["detail"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"budget_usd": 1}, "budget_usd"),
        ({"customer_id": ""}, "customer_id"),
        ({"customer_id": "x" * 129}, "customer_id"),
        ({"customer_id": "a\x00b"}, "customer_id"),
        ({"customer_id": "a\n"}, "customer_id"),
        ({"customer_id": 7}, "customer_id"),
        ({"channel": "fax"}, "channel"),
        ({"channel": None}, "channel"),
        ({"profile": []}, "profile"),
    ],
)
def test_other_fields(
    client: httpx.Client, body: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    document = problem(client.post("/retain", json=body | changes), 422)
    assert document["errors"][0]["field"] == field


@pytest.mark.parametrize("field", ["customer_id", "profile", "profile.contract"])
def test_missing_fields(client: httpx.Client, body: dict[str, Any], field: str) -> None:
    holder = body["profile"] if "." in field else body
    del holder[field.rpartition(".")[2]]
    document = problem(client.post("/retain", json=body), 422)
    assert document["errors"][0] == {"field": field, "message": "required, but missing"}


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "+1", "1.", "0x1", "nul"])
@pytest.mark.parametrize("name", ["tenure_months", "monthly_charges_usd"])
def test_tokens_that_are_no_json(
    client: httpx.Client, body: dict[str, Any], token: str, name: str
) -> None:
    text = json.dumps(with_profile(body, **{name: "TOKEN"})).replace('"TOKEN"', token)
    document = problem(client.post("/retain", content=text, headers=JSON), 400)
    assert document["errors"][0]["field"] == f"profile.{name}"


def test_number_too_large_for_a_float(client: httpx.Client, body: dict[str, Any]) -> None:
    text = json.dumps(with_profile(body, monthly_charges_usd="TOKEN")).replace('"TOKEN"', "1e999")
    document = problem(client.post("/retain", content=text, headers=JSON), 422)
    assert document["errors"][0]["field"] == "profile.monthly_charges_usd"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"nonsense", 400),
        (b"{]", 400),
        (b"\xff\xfe", 400),
        (b"[" * 50_000, 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
    ],
)
@pytest.mark.parametrize("path", ["/retain", "/outcomes"])
def test_bodies_that_are_no_request(
    client: httpx.Client, path: str, content: bytes, status: int
) -> None:
    document = problem(client.post(path, content=content, headers=JSON), status)
    assert document["errors"][0]["field"] == "body"


@pytest.mark.parametrize("text", [rb"\xff", rb'"\xff"', rb'"\ud800"', rb'"\u12"', rb'"open'])
def test_strings_that_are_no_text(client: httpx.Client, text: bytes) -> None:
    content = b'{"customer_id": ' + text.replace(rb"\xff", b"\xff") + b"}"
    document = problem(client.post("/retain", content=content, headers=JSON), 400)
    assert document["errors"][0]["field"] in {"body", "customer_id"}


@pytest.mark.parametrize("path", ["/retain", "/outcomes"])
@pytest.mark.parametrize("declared", [True, False])
def test_body_of_two_megabytes(client: httpx.Client, path: str, *, declared: bool) -> None:
    content = b'{"customer_id": "' + b"x" * 2_000_000 + b'"}'
    chunks = (content[at : at + 65_536] for at in range(0, len(content), 65_536))
    response = client.post(path, content=content if declared else chunks, headers=JSON)
    assert problem(response, 413)["errors"][0]["field"] == "body"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_other_content_types(
    client: httpx.Client, body: dict[str, Any], content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post("/retain", content=json.dumps(body), headers=headers)
    assert problem(response, 415)["errors"][0]["field"] == "Content-Type"


def test_charset_is_no_other_content_type(client: httpx.Client, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/retain", content=json.dumps(body), headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["", "k" * 129, "a b", "\xe9"])
def test_idempotency_keys(client: httpx.Client, body: dict[str, Any], key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    document = problem(client.post("/retain", json=body, headers=headers), 422)
    assert document["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"kind": "maybe"}, 422, "kind"),
        ({"decision_id": "7"}, 422, "decision_id"),
        ({"decision_id": None}, 422, "decision_id"),
        ({"note": "x"}, 422, "note"),
        ({"observed_at": "yesterday"}, 422, "observed_at"),
        ({"observed_at": "2026-11-02T09:00:00"}, 422, "observed_at"),  # without a time zone
        ({"observed_at": "2999-01-01T00:00:00Z"}, 422, "observed_at"),
        ({"observed_at": "9999-12-31T23:59:59-23:59"}, 422, "observed_at"),
        ({"observed_at": "0001-01-01T00:00:00+23:59"}, 409, "observed_at"),
        ({"observed_at": "2020-01-01T00:00:00Z"}, 409, "observed_at"),  # before the decision
    ],
)
def test_outcomes(
    client: httpx.Client, body: dict[str, Any], changes: dict[str, Any], status: int, field: str
) -> None:
    decision_id = client.post("/retain", json=body).json()["decision_id"]
    outcome = {"decision_id": decision_id, "kind": "churned"} | changes
    document = problem(client.post("/outcomes", json=outcome), status)
    assert document["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", f"/decisions/{UNKNOWN_ID}", 404),
        ("GET", "/docs/assets/nothing.js", 404),
        ("GET", "/docs/assets/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/retain", 405),
        ("DELETE", f"/decisions/{UNKNOWN_ID}", 405),
        ("PUT", "/healthz", 405),
    ],
)
def test_paths_and_methods(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    problem_document = response.json()
    assert response.status_code == problem_document["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert status != 405 or "allow" in response.headers
