"""Decisions on requests, from what the ledger holds of the customers and of the days ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.history import contact_histories
from churnsaver_serving.live.totals.days import read_contacts
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.engine.decision import Decision, Pace
from churnsaver_serving.runtime.limits.account import Account
from churnsaver_serving.schemas import RetainRequest


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions, and what they were made from.

    Attributes:
        customers: The customers as the ledger knows them, in order of the requests.
        decisions: The decision on each.
    """

    customers: list[Customer]
    decisions: list[Decision]


def decide(
    connection: sa.Connection,
    decider: Decider,
    requests: Sequence[RetainRequest],
    *,
    now: datetime,
    accounts: dict[int, Account],
    uniforms: Floats,
    pace: Pace,
) -> Decided:
    """Decide on requests; nothing is written.

    Args:
        connection: A connection in a transaction.
        decider: The release that decides.
        requests: Requests of n distinct customers.
        now: The time.
        accounts: The account of each month that a contact may fall in; changed to what is left
            afterwards.
        uniforms: Random numbers in [0, 1), shape (n,).
        pace: The day's prices and belief.
    """
    locations = [decider.location(request) for request in requests]
    own_today = decider.contact_days(locations, now).today
    histories = contact_histories(
        connection,
        {
            request.customer_id: date.fromordinal(day)
            for request, day in zip(requests, own_today.tolist(), strict=True)
        },
        now.date(),
        window_days=decider.rules.fatigue_window_days,
        answer_days=decider.rules.answer_days,
    )
    customers = [
        Customer(
            request.customer_id, request.profile, request.channel, histories[request.customer_id]
        )
        for request in requests
    ]
    contacts = read_contacts(connection, decider.possible_days(now))
    decisions = decider.decide(
        customers,
        locations,
        now,
        accounts,
        contacts,
        uniforms,
        pace,
    )
    return Decided(customers, decisions)
