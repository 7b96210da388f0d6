"""Acceptance on days that Bank Marketing has, and the share-weighted average on those it hasn't."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.tabular.model import FittedModel, fit_model
from churnsaver_serving.runtime.acceptance import AcceptanceModel
from churnsaver_serving.runtime.customer import ContactHistory, Customer, Profile

if TYPE_CHECKING:
    from churnsaver_assets.experiments.spec import TemporalSpec
    from tests.support.data.small_tables import Small

WEDNESDAY_IN_MAY = date(2024, 5, 15)
SATURDAY_IN_JANUARY = date(2024, 1, 6)
MONDAY_IN_JANUARY = date(2024, 1, 8)
SUNDAY_IN_MAY = date(2024, 5, 19)


@pytest.fixture(scope="module")
def fitted(small_bank: Small, acceptance_spec: TemporalSpec) -> FittedModel:
    return fit_model(small_bank.frame, small_bank.splits, acceptance_spec, 42, "offer_acceptance")


@pytest.fixture(scope="module")
def customer() -> Customer:
    extras = dict.fromkeys(
        (
            "online_security",
            "online_backup",
            "device_protection",
            "tech_support",
            "streaming_tv",
            "streaming_movies",
        ),
        "No internet service",
    )
    profile = Profile(
        senior_citizen=True,
        partner=False,
        dependents=False,
        tenure_months=4,
        phone_service=True,
        multiple_lines="No",
        internet_service="No",
        contract="Month-to-month",
        paperless_billing=True,
        payment_method="Mailed check",
        monthly_charges_usd=20.0,
        total_charges_usd=80.0,
        **extras,  # type: ignore[arg-type]
    )
    history = ContactHistory(
        last_contact_on=WEDNESDAY_IN_MAY - timedelta(days=9),
        contacts_in_window=2,
        previous_contact_on=date(2023, 12, 30),
        previous_contacts=1,
        previous_outcome="success",
    )
    return Customer("c-1", profile, "cellular", history)


def row(month: str, weekday: str) -> dict[str, list[object]]:
    """Return the customer's features for a contact then, written by hand."""
    return {
        "channel": ["cellular"],
        "contact_month": [month],
        "contact_weekday": [weekday],
        "senior": [True],
        "partner": [False],
        "contacts_this_campaign": [3],
        "previous_contacts": [1],
        "previous_outcome": ["success"],
    }


def shares(small: Small, name: str) -> dict[str, float]:
    return {value: (small.frame[name] == value).mean() for value in set(small.frame[name])}


def test_a_working_day_of_the_table_is_scored_as_it_is(
    fitted: FittedModel, customer: Customer
) -> None:
    base = AcceptanceModel(fitted.model).base([customer], WEDNESDAY_IN_MAY, [0])
    assert base[0, 0] == fitted.model.score(row("may", "wed"))[0]


@pytest.mark.parametrize("day", [SATURDAY_IN_JANUARY, MONDAY_IN_JANUARY, SUNDAY_IN_MAY])
def test_other_days_average_over_what_the_table_has(
    fitted: FittedModel, customer: Customer, small_bank: Small, day: date
) -> None:
    months = shares(small_bank, "contact_month") if day.month == 1 else {"may": 1.0}
    weekdays = shares(small_bank, "contact_weekday") if day.weekday() > 4 else {"mon": 1.0}
    by_hand = sum(
        p_month * p_weekday * fitted.model.score(row(month, weekday))[0]
        for month, p_month in months.items()
        for weekday, p_weekday in weekdays.items()
    )
    assert len(months) * len(weekdays) > 1
    base = AcceptanceModel(fitted.model).base([customer], day, [0])
    assert base[0, 0] == pytest.approx(by_hand, abs=1e-12)


def test_delays_and_customers_do_not_mix(fitted: FittedModel, customer: Customer) -> None:
    stranger = Customer("c-2", customer.profile, "telephone", ContactHistory())
    model = AcceptanceModel(fitted.model)
    together = model.base([customer, stranger], SATURDAY_IN_JANUARY, [0, 2, 130])
    assert together.shape == (2, 3)
    for n, one in enumerate((customer, stranger)):
        for d, delay in enumerate((0, 2, 130)):
            alone = model.base([one], SATURDAY_IN_JANUARY + timedelta(days=delay), [0])
            assert together[n, d] == pytest.approx(alone[0, 0], abs=1e-12)
    assert not np.allclose(together[0], together[1])


def test_one_more_contact_never_helps(fitted: FittedModel, customer: Customer) -> None:
    tables = [row("may", "wed") | {"contacts_this_campaign": [k]} for k in range(1, 12)]
    margins = [fitted.model.margin(fitted.model.encoder.encode(table))[0] for table in tables]
    assert (np.diff(margins) <= 0).all()
