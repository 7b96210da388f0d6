"""Acceptance of a plain contact, by the Bank Marketing model."""

from collections.abc import Sequence
from typing import Any

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.scoring.scores import ModelError, ScoringModel


class AcceptanceModel:
    """The probability of accepting a contact without any discount, whatever the day.

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
