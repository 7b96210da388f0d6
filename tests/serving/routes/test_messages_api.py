"""Messages over HTTP: what may be asked for, and live text behind its deadline."""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest
from litestar.testing import TestClient
from upath import UPath

from churnsaver_serving.app import create_app
from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.messages.message import Message
from churnsaver_serving.runtime.messages.quiet_hours import default_zones
from churnsaver_serving.settings import Settings
from tests.support.serving.clock import Clock
from tests.support.serving.messages import CHECKPOINT
from tests.support.serving.process import ServerProcess

LIVE = "We would love to keep you with us. Please tell us how we can make things better for you."


class Writer:
    """Writes after a while, or raises."""

    checkpoint = "f" * 64

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.seconds, self.error = seconds, error
        self.contexts: list[MessageContext] = []

    def write(self, context: MessageContext) -> str:
        self.contexts.append(context)
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return LIVE


def serve(release_dir: UPath, url: str, writer: Writer | None = None, **more: Any) -> Any:
    settings = Settings(release=str(release_dir), database_url=url, exploration=0.0, **more)
    app = create_app(settings, clock=Clock(), writer=writer)
    return TestClient(app, raise_server_exceptions=False)


def message_of(client: Any, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    response = client.post("/retain", json=body, headers=headers)
    assert response.status_code == 200, response.text
    message: dict[str, Any] = response.json()["message"]
    msgspec.convert(message, Message)
    return message


def test_message_of_the_bank(client: httpx.Client, body: dict[str, Any]) -> None:
    message = message_of(client, body | {"message": {"first_name": "Ana", "channel": "sms"}})
    assert (message["rung"], message["checkpoint"]) == ("bank", CHECKPOINT)
    assert message["text"].startswith("Hi Ana, ")
    assert message["text"].endswith("Reply STOP to opt out.")
    assert [one["part"] for one in message["verdicts"]] == ["bank", "first_name"]
    assert "\n" not in message["text"]


def test_a_message_says_when_it_may_go_out(client: httpx.Client, body: dict[str, Any]) -> None:
    known = message_of(client, body | {"message": {"time_zone": "America/Chicago"}})["send"]
    assert known["zones"] == ["America/Chicago"]
    opens, closes = (datetime.fromisoformat(known[name]) for name in ("opens", "closes"))
    local = opens.astimezone(ZoneInfo("America/Chicago"))
    assert 8 <= local.hour < 21
    assert timedelta() < closes - opens <= timedelta(hours=13)
    other = body | {"customer_id": "elsewhere"}
    assert message_of(client, other | {"message": {"state": "HI"}})["send"]["zones"] == [
        "Pacific/Honolulu"
    ]
    nowhere = message_of(client, body | {"customer_id": "nowhere"})["send"]
    assert set(nowhere["zones"]) == set(default_zones().every)


def test_when_it_may_go_out_is_kept(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.post("/retain", json=body | {"message": {"state": "IL"}}).json()
    assert answer["message"]["send"]["zones"] == ["America/Chicago"]
    kept = client.get(f"/decisions/{answer['decision_id']}").json()
    assert kept["answer"]["message"]["send"] == answer["message"]["send"]


def test_name_that_does_not_pass_is_left_out(client: httpx.Client, body: dict[str, Any]) -> None:
    message = message_of(client, body | {"message": {"first_name": "www.evil.example"}})
    assert message["text"].startswith("Hello,")
    [check] = [one for one in message["verdicts"] if one["part"] == "first_name"]
    assert not check["passed"]
    assert check["rules"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"first_name": ""}, "message.first_name"),
        ({"first_name": "x" * 65}, "message.first_name"),
        ({"first_name": 7}, "message.first_name"),
        ({"tone": "rude"}, "message.tone"),
        ({"channel": "fax"}, "message.channel"),
        ({"last_name": "Lee"}, "message.last_name"),
        ([], "message"),
        ("hello", "message"),
    ],
)
def test_bad_fields(client: httpx.Client, body: dict[str, Any], message: Any, field: str) -> None:
    response = client.post("/retain", json=body | {"message": message})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_first_name_does_not_reach_the_log(server: ServerProcess, client: httpx.Client) -> None:
    body = {"customer_id": "x", "profile": {}, "message": {"first_name": "Quintus"}}
    assert client.post("/retain", json=body).status_code == 422
    assert "Quintus" not in server.log.read_text()


def test_live_text(release_dir: UPath, any_url: str, body: dict[str, Any]) -> None:
    writer = Writer()
    key = {"Idempotency-Key": "k"}
    with serve(release_dir, any_url, writer) as client:
        first = client.post("/retain", json=body, headers=key)
        again = client.post("/retain", json=body, headers=key)
        quiet = client.post("/retain", json=body)  # in cooldown: perhaps later, never twice alike
    message = first.json()["message"]
    assert (message["rung"], message["checkpoint"]) == ("live", "f" * 64)
    assert LIVE in message["text"]
    assert again.content == first.content
    assert quiet.status_code == 200
    asked = [context.key for context in writer.contexts]
    assert asked[0] == message["context"]
    assert len(asked) == 1 + quiet.json()["decision"]["contact"]


@pytest.mark.parametrize(
    ("writer", "rule"),
    [(Writer(2.0), "late"), (Writer(error=RuntimeError("out of memory")), "failed")],
    ids=["slow", "broken"],
)
def test_bank_answers_in_time_for_a_writer_that_does_not(
    release_dir: UPath, sqlite_url: str, body: dict[str, Any], writer: Writer, rule: str
) -> None:
    with serve(release_dir, sqlite_url, writer, live_deadline_s=0.2) as client:
        client.post("/retain", json=body | {"profile": body["profile"] | {"tenure_months": 70}})
        began = time.monotonic()
        message = message_of(client, body | {"customer_id": "other"})
        took = time.monotonic() - began
        record = client.get("/readyz")
    assert message["rung"] == "bank"
    assert message["verdicts"][0] == {"part": "live", "passed": False, "rules": [rule]}
    assert took < 1.0
    assert record.status_code == 200


def test_live_text_that_may_not_be_sent(
    release_dir: UPath, sqlite_url: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer, "write", lambda *_: "Get 50% off today at www.example.com!")
    with serve(release_dir, sqlite_url, Writer()) as client:
        message = message_of(client, body)
    assert message["rung"] == "bank"
    live = message["verdicts"][0]
    assert (live["part"], live["passed"]) == ("live", False)
    assert live["rules"]


def test_model_that_cannot_be_loaded(
    release_dir: UPath,
    sqlite_url: str,
    body: dict[str, Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with serve(release_dir, sqlite_url, live_model=tmp_path / "nothing") as client:
        assert message_of(client, body)["rung"] == "bank"
        assert client.get("/readyz").status_code == 200
    line = json.loads(capfd.readouterr().err)
    assert line["event"] == "live_model_unavailable"
    assert "live.json" in line["detail"]
