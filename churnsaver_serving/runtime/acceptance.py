"""Acceptance of an offer: the Bank Marketing model at each delay and the declared response."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import product
from typing import Any

import numpy as np

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.calibration import logit, sigmoid
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.effects import acceptance_shift
from churnsaver_serving.runtime.features import CategoryField
from churnsaver_serving.runtime.scores import ModelError, ScoringModel

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class AcceptanceModel:
    """The probability of accepting each offer after each delay.

    Bank Marketing has no January, February or weekend in it. Where a contact would fall there, the
    score is the average over the months (weekdays) that training saw, weighted by their shares.

    Args:
        model: Model of the fields that Bank Marketing and a customer here share (DESIGN, section
            4).

    Raises:
        ModelError: The encoder has no calendar fields with training shares.
    """

    def __init__(self, model: ScoringModel) -> None:
        self.model = model
        self._months = _shares(model, "contact_month")
        self._weekdays = _shares(model, "contact_weekday")

    def base(
        self, customers: Sequence[Customer], today: date, delays_days: Sequence[int]
    ) -> Floats:
        """Predict p(accept) of a plain contact, without any discount.

        Args:
            customers: The n customers.
            today: The day of the decision.
            delays_days: D delays.

        Returns:
            Shape (n, D).
        """
        months: list[str] = []
        weekdays: list[str] = []
        weights: list[float] = []
        delay_of: list[int] = []
        for position, delay in enumerate(delays_days):
            day = today + timedelta(days=delay)
            for (month, p_month), (weekday, p_weekday) in product(
                _options(self._months, MONTHS[day.month - 1]),
                _options(self._weekdays, WEEKDAYS[day.weekday()]),
            ):
                months.append(month)
                weekdays.append(weekday)
                weights.append(p_month * p_weekday)
                delay_of.append(position)
        rows = _table(customers, months, weekdays)
        scores = self.model.score(rows).reshape(len(weights), len(customers))
        result = np.zeros((len(delays_days), len(customers)))
        np.add.at(result, delay_of, scores * np.asarray(weights)[:, None])
        return result.T

    def predict(
        self, customers: Sequence[Customer], today: date, space: ActionSpace, world: World
    ) -> Floats:
        """Predict p(accept) of each offer after each delay: the base and the declared effects.

        Returns:
            Shape (n, D, O) for the space's D delays and O offers.
        """
        base = logit(self.base(customers, today, space.delays_days))
        recency = days_since_contact(customers, today)[:, None] + np.asarray(space.delays_days)
        contacts = np.array(
            [[one.history.contacts_in_window] for one in customers], dtype=np.float64
        )
        shift = acceptance_shift(world, space.offers_pct, recency, contacts)
        return sigmoid(base[..., None] + shift)


def days_since_contact(customers: Sequence[Customer], today: date) -> Floats:
    """Return days from each customer's latest contact to today, shape (n,); infinity for never.

    A pending contact counts as today's: 0, not negative.
    """
    return np.array(
        [
            np.inf
            if customer.history.last_contact_on is None
            else max((today - customer.history.last_contact_on).days, 0)
            for customer in customers
        ],
        dtype=np.float64,
    )


def _table(
    customers: Sequence[Customer],
    months: Sequence[str],
    weekdays: Sequence[str],
) -> dict[str, list[Any]]:
    """Tabulate the shared features of every customer on every day: all of the first day first.

    Days since the previous campaign aren't among them: Bank Marketing dates it 0 to 27 days back,
    a campaign here ends 30 days back or more, so no value served would lie where training had any.
    Counts above the table's largest are scored as that one, since trees extrapolate flat.
    """
    times, n = len(months), len(customers)
    histories = [customer.history for customer in customers]
    return {
        "channel": [customer.channel for customer in customers] * times,
        "contact_month": [month for month in months for _ in range(n)],
        "contact_weekday": [weekday for weekday in weekdays for _ in range(n)],
        "senior": [customer.profile.senior_citizen for customer in customers] * times,
        "partner": [customer.profile.partner for customer in customers] * times,
        # Bank counts the contact being made.
        "contacts_this_campaign": [one.contacts_in_window + 1 for one in histories] * times,
        "previous_contacts": [one.previous_contacts for one in histories] * times,
        "previous_outcome": [one.previous_outcome for one in histories] * times,
    }


def _shares(model: ScoringModel, name: str) -> dict[str, float]:
    """Return the training share of each category of a calendar field."""
    try:
        field = model.encoder.field(name)
    except KeyError as error:
        raise ModelError(str(error.args[0])) from error
    if not isinstance(field, CategoryField) or field.frequencies is None:
        raise ModelError(f"{name}: expected a category field with training frequencies")
    return dict(zip(field.categories, field.frequencies, strict=True))


def _options(shares: dict[str, float], value: str) -> list[tuple[str, float]]:
    """Return the value itself where training saw it, else every value it saw, by share."""
    return [(value, 1.0)] if value in shares else list(shares.items())
