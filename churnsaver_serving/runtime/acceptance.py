"""Acceptance of an offer: the Bank Marketing model at each delay and the declared response."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import product

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.calibration import logit, sigmoid
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.features import CategoryField
from churnsaver_serving.runtime.scores import ModelError, ScoringModel

Floats = npt.NDArray[np.float64]

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class AcceptanceModel:
    """p(accept) of each offer after each delay.

    Bank Marketing has no January, February or weekend in it. Where a contact would fall there, the
    score is the average over the months (weekdays) that training saw, weighted by their shares.

    Args:
        model: scores the fields that Bank Marketing and a customer here share (DESIGN, section 4).

    Raises:
        ModelError: the encoder has no calendar fields with training shares.
    """

    def __init__(self, model: ScoringModel) -> None:
        self.model = model
        self._months = _shares(model, "contact_month")
        self._weekdays = _shares(model, "contact_weekday")

    def base(
        self, customers: Sequence[Customer], today: date, delays_days: Sequence[int]
    ) -> Floats:
        """p(accept) of a plain contact, without any discount.

        Args:
            customers: n customers.
            today: the day of the decision.
            delays_days: D delays.

        Returns:
            Shape (n, D).
        """
        rows: dict[str, list[object]] = {name: [] for name in _FIELDS}
        weights: list[float] = []
        delay_of: list[int] = []
        for position, delay in enumerate(delays_days):
            day = today + timedelta(days=delay)
            for (month, p_month), (weekday, p_weekday) in product(
                _options(self._months, MONTHS[day.month - 1]),
                _options(self._weekdays, WEEKDAYS[day.weekday()]),
            ):
                _extend(rows, customers, day, month, weekday)
                weights.append(p_month * p_weekday)
                delay_of.append(position)
        scores = self.model.score(rows).reshape(len(weights), len(customers))
        result = np.zeros((len(delays_days), len(customers)))
        np.add.at(result, delay_of, scores * np.asarray(weights)[:, None])
        return result.T

    def predict(
        self, customers: Sequence[Customer], today: date, space: ActionSpace, world: World
    ) -> Floats:
        """p(accept) of each offer after each delay: the base with the declared effects on top.

        Returns:
            Shape (n, D, O) for the space's D delays and O offers.
        """
        base = logit(self.base(customers, today, space.delays_days))
        recency = days_since_contact(customers, today)[:, None] + np.asarray(space.delays_days)
        return sigmoid(base[..., None] + world.acceptance_shift(space.offers_pct, recency))


def days_since_contact(customers: Sequence[Customer], today: date) -> Floats:
    """Days from each customer's latest contact to today, shape (n,); infinity for never.

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


_FIELDS = (
    "channel",
    "contact_month",
    "contact_weekday",
    "senior",
    "partner",
    "contacts_this_campaign",
    "days_since_previous_campaign",
    "previous_contacts",
    "previous_outcome",
)


def _extend(
    rows: dict[str, list[object]],
    customers: Sequence[Customer],
    day: date,
    month: str,
    weekday: str,
) -> None:
    """Append the customers' shared features for a contact on that day."""
    for customer in customers:
        history = customer.history
        before = history.previous_contact_on
        rows["channel"].append(customer.channel)
        rows["contact_month"].append(month)
        rows["contact_weekday"].append(weekday)
        rows["senior"].append(customer.profile.senior_citizen)
        rows["partner"].append(customer.profile.partner)
        # Bank counts the contact being made.
        rows["contacts_this_campaign"].append(history.contacts_in_window + 1)
        rows["days_since_previous_campaign"].append(None if before is None else (day - before).days)
        rows["previous_contacts"].append(history.previous_contacts)
        rows["previous_outcome"].append(history.previous_outcome)


def _shares(model: ScoringModel, name: str) -> dict[str, float]:
    """Training share of each category of a calendar field."""
    field = model.encoder.field(name)
    if not isinstance(field, CategoryField) or field.frequencies is None:
        raise ModelError(f"{name}: expected a category field with training frequencies")
    return dict(zip(field.categories, field.frequencies, strict=True))


def _options(shares: dict[str, float], value: str) -> list[tuple[str, float]]:
    """The value itself where training saw it, else every value it saw, by share."""
    return [(value, 1.0)] if value in shares else list(shares.items())
