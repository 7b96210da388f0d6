"""A customer as the decision path sees one: the profile the caller sends, the history we keep."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Channel = Literal["cellular", "telephone"]
Outcome = Literal["nonexistent", "failure", "success"]
WithInternet = Literal["No", "Yes", "No internet service"]

INTERNET_EXTRAS = (
    "online_security",
    "online_backup",
    "device_protection",
    "tech_support",
    "streaming_tv",
    "streaming_movies",
)


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A telecom customer in the terms of the IBM Telco table, without the gender.

    Gender is left out on purpose: it adds nothing to the risk model and an offer must not turn on
    it. `total_charges_usd` is 0 before the first bill.
    """

    senior_citizen: bool
    partner: bool
    dependents: bool
    tenure_months: Annotated[int, Meta(ge=0, le=1200, description="Months as a customer.")]
    phone_service: bool
    multiple_lines: Literal["No", "Yes", "No phone service"]
    internet_service: Literal["DSL", "Fiber optic", "No"]
    online_security: WithInternet
    online_backup: WithInternet
    device_protection: WithInternet
    tech_support: WithInternet
    streaming_tv: WithInternet
    streaming_movies: WithInternet
    contract: Literal["Month-to-month", "One year", "Two year"]
    paperless_billing: bool
    payment_method: Literal[
        "Electronic check",
        "Mailed check",
        "Bank transfer (automatic)",
        "Credit card (automatic)",
    ]
    monthly_charges_usd: Annotated[float, Meta(ge=0, le=100_000, description="USD a month.")]
    total_charges_usd: Annotated[float, Meta(ge=0, le=100_000_000, description="USD so far.")]

    def __post_init__(self) -> None:
        """Refuse profiles that contradict themselves; the models never saw such rows."""
        if self.phone_service == (self.multiple_lines == "No phone service"):
            raise ValueError(
                f"multiple_lines: {self.multiple_lines!r} contradicts "
                f"phone_service: {self.phone_service}"
            )
        for name in INTERNET_EXTRAS:
            value = getattr(self, name)
            if (value == "No internet service") != (self.internet_service == "No"):
                raise ValueError(
                    f"{name}: {value!r} contradicts internet_service: {self.internet_service!r}"
                )


class ContactHistory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Our contacts with one customer, as the ledger has them.

    A campaign is the fatigue window (30 days) up to the decision; Bank Marketing's `campaign`,
    `previous` and `poutcome` are read off these. Contacts decided and still to come count.

    Attributes:
        last_contact_on: Date of the latest contact, past or pending; None for never.
        contacts_in_window: Contacts within the window, pending ones included.
        previous_contact_on: Latest contact before the window; kept as a record, since no model
            and no rule reads it.
        previous_contacts: Number of contacts before the window.
        previous_outcome: Outcome of the earlier campaigns: `success` where one was accepted.
        last_accepted_on: Date on which an offer was last accepted; None for never.
        opted_out: True where the customer asked not to be contacted.
        waiting: True where a contact is booked, or made and not yet answered.
        churned: True where the customer has left, as far as reported.
    """

    last_contact_on: date | None = None
    contacts_in_window: int = 0
    previous_contact_on: date | None = None
    previous_contacts: int = 0
    previous_outcome: Outcome = "nonexistent"
    last_accepted_on: date | None = None
    opted_out: bool = False
    waiting: bool = False
    churned: bool = False


class Customer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One customer to decide on.

    Attributes:
        customer_id: The caller's key for the customer.
        profile: The profile as the caller sent it.
        channel: The channel a contact would use.
        history: The contacts as the ledger has them, never as the caller says.
    """

    customer_id: str
    profile: Profile
    channel: Channel
    history: ContactHistory
