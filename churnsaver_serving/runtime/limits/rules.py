"""The rules a contact must keep: cooldown, fatigue cap, working days, budget, capacity."""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Constraints on contacts. Money in USD, times in days.

    Attributes:
        cooldown_days: Least number of days between two contacts with a customer.
        fatigue_cap: Most contacts with a customer within the window.
        fatigue_window_days: Length of that window.
        contact_weekdays: Days on which contacts are made. The acceptance data has working days
            only, so a weekend would be extrapolation.
        budget_usd: Money for contacts and discounts in a calendar month (UTC).
        customers: Number of customers the budget is meant for; pacing spreads it over them.
        daily_capacity: Most contacts on one day, all customers together.
        exploration: Probability mass spread evenly over the actions that are near-equal to the
            policy's choice, so that these can be evaluated later from the log.
        exploration_margin_usd: Value by which a near-equal action may differ, USD.
        accepted_rest_days: Least number of days from an accepted offer to the next contact; at
            least as long as the discount runs, so that nobody has two.
        answer_days: Days after a contact by which it counts as refused where no answer came; its
            reserve is then released.
        reserve_deviations: Standard deviations reserved above the expected cost of all contacts
            not yet answered.
    """

    cooldown_days: Annotated[int, Meta(ge=0)]
    fatigue_cap: Annotated[int, Meta(ge=0)]
    fatigue_window_days: Annotated[int, Meta(ge=1)]
    contact_weekdays: Annotated[tuple[Weekday, ...], Meta(min_length=1)]
    budget_usd: Annotated[float, Meta(ge=0)]
    customers: Annotated[int, Meta(ge=1)]
    daily_capacity: Annotated[int, Meta(ge=0)]
    exploration: Annotated[float, Meta(ge=0, le=1)]
    exploration_margin_usd: Annotated[float, Meta(ge=0)]
    accepted_rest_days: Annotated[int, Meta(ge=0)]
    answer_days: Annotated[int, Meta(ge=0)]
    reserve_deviations: Annotated[float, Meta(ge=0)]
