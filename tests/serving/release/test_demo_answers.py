"""What the demo prints: the examples on its fixed working day, and on the day it is run."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from churnsaver_assets.commands.api import EXAMPLES, request_body
from churnsaver_assets.commands.demo import AS_OF
from churnsaver_assets.commands.report import print_decisions
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.engine.choice import month_of
from churnsaver_serving.runtime.engine.decision import Pace
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.limits.account import Account
from churnsaver_serving.runtime.policies.pacing import Basis
from churnsaver_serving.schemas import RetainRequest

SUNDAY = datetime(2026, 11, 29, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def decider(release: Release) -> Decider:
    return Decider(release, overrides={"exploration": 0.0})


def ask(decider: Decider, name: str, now: datetime) -> dict[str, Any]:
    """Answer an example as the API does on an empty ledger."""
    request = msgspec.convert(request_body(name), RetainRequest)
    customer = Customer(request.customer_id, request.profile, request.channel, ContactHistory())
    days = np.array([day.toordinal() for day in decider.possible_days(now)])
    accounts = {int(month): Account(decider.budget_cents) for month in month_of(days)}
    pace = Pace(decider.pacing.start(Basis(decider.budget_cents, policy=decider.policy)))
    (decision,) = decider.decide(
        [customer], [decider.location(request)], now, accounts, {}, np.array([0.5]), pace
    )
    message = decider.message("an id", now, request, decision)
    answer = json.loads(decider.answer("an id", now, customer, decision, message))
    return {"example": name, "request": request_body(name), "answer": answer}


def test_the_fixed_day_is_a_working_day(decider: Decider) -> None:
    today, (opened,) = decider.calendar.open_days(AS_OF, "America/Chicago", None, (0,))
    assert today == AS_OF.date()
    assert opened


def test_both_days_are_shown_with_contacts_and_messages(decider: Decider) -> None:
    console = Console(record=True, width=200)
    answers, now = ([ask(decider, name, moment) for name in EXAMPLES] for moment in (AS_OF, SUNDAY))
    print_decisions(console, answers, as_of=AS_OF, now=now)
    text = console.export_text()
    assert "as of Tue 15 Sep 2026" in text
    assert "contact today" in text
    assert "contact in a day" in text
    assert "message Mon 30 Nov 14:00 to Tue 01 Dec 03:00 UTC" in text
    assert "ruled out by: contact_days" in text
    assert "message to 'at risk'" in text


def test_the_customer_at_risk_is_contacted_on_every_day_of_the_year(decider: Decider) -> None:
    for ahead in range(365):
        now = SUNDAY + timedelta(days=ahead)
        answer = ask(decider, "at_risk", now)["answer"]
        assert answer["decision"]["contact"], now
        assert answer["message"]["text"]
        assert (answer["decision"]["delay_days"] == 0) == (answer["reasons"]["constraints"] == [])
