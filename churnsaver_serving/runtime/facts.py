"""The facts that a message may state; whatever else it states is invented."""

import msgspec


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The facts that code fills in around a body, and all that a message may claim.

    Attributes:
        sender: The business, as customers know it.
        plan: The customer's service in words ("fiber internet").
        offer_pct: Discount on the monthly bill, percent; 0 for none.
        offer_months: Number of bills that the discount is for.
        opt_out: The way to stop such messages, as a whole sentence.
        first_name: The customer's first name; None where it isn't known or didn't pass the shield.
    """

    sender: str
    plan: str
    offer_pct: int
    offer_months: int
    opt_out: str
    first_name: str | None = None
