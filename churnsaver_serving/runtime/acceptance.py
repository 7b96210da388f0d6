"""Acceptance of an offer: the Bank Marketing model's score and the declared response to offers."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.calibration import logit, sigmoid
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.effects import acceptance_shift
from churnsaver_serving.runtime.scores import ModelError, ScoringModel


class AcceptanceModel:
    """The probability of accepting each offer, whatever the day of the contact.

    Args:
        model: Model of the fields that Bank Marketing and a customer here share (DESIGN, section
            4).

    Raises:
        ModelError: The encoder has a field that no customer here gives.
    """

    def __init__(self, model: ScoringModel) -> None:
        known = shared_features(())
        unknown = [one.name for one in model.encoder.spec.fields if one.name not in known]
        if unknown:
            raise ModelError(f"{', '.join(unknown)}: expected only fields among {', '.join(known)}")
        self.model = model

    def base(self, customers: Sequence[Customer]) -> Floats:
        """Predict p(accept) of a plain contact, without any discount, shape (n,)."""
        return self.model.score(shared_features(customers))

    def predict(
        self,
        customers: Sequence[Customer],
        days_since_contact: Floats,
        world: World,
        offers_pct: tuple[int, ...],
    ) -> Floats:
        """Predict p(accept) of each offer: the base and the declared effects.

        Args:
            customers: The n customers.
            days_since_contact: Days from each customer's latest contact to the one scored, shape
                (n,); infinity for never.
            world: The declared effects.
            offers_pct: The offers, length O.

        Returns:
            Shape (n, O).
        """
        contacts = np.array([one.history.contacts_in_window for one in customers], dtype=np.float64)
        shift = acceptance_shift(world, offers_pct, days_since_contact, contacts)
        return sigmoid(logit(self.base(customers))[:, None] + shift)


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


def shared_features(customers: Sequence[Customer]) -> dict[str, list[Any]]:
    """Tabulate the features that every customer shares with Bank Marketing.

    Days since the previous campaign aren't among them: Bank Marketing dates it 0 to 27 days back,
    a campaign here ends 30 days back or more, so no value served would lie where training had any.
    Counts above the table's largest are scored as that one, since trees extrapolate flat.
    """
    histories = [customer.history for customer in customers]
    return {
        "channel": [customer.channel for customer in customers],
        "senior": [customer.profile.senior_citizen for customer in customers],
        "partner": [customer.profile.partner for customer in customers],
        # Bank counts the contact being made.
        "contacts_this_campaign": [one.contacts_in_window + 1 for one in histories],
        "previous_contacts": [one.previous_contacts for one in histories],
        "previous_outcome": [one.previous_outcome for one in histories],
    }
