"""The rule that was served before worth was geometric: value counted at the calendar month's end.

Who is there then is worth M monthly charges, so a contact is worth the churn that it prevents
before that day. Kept to be compared with, as it was.
"""

from calendar import monthrange
from datetime import date

import numpy as np

from churnsaver_assets.decision.baselines.rules import at_price
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.world.effects import daily_hazard, discount_usd, disturbed_hazard


class MonthEndPolicy:
    """The offer of highest value by the month's end, net of the multiplier, as if none followed.

    Args:
        price: Value that a dollar must bring beyond itself; None for the multiplier told.
    """

    name = "month_end"

    def __init__(self, price: float | None = None) -> None:
        self._price = price
        self._today: date | None = None

    def begin_day(self, day: date) -> None:
        """Take note of today's date."""
        self._today = day

    def preferences(self, observation: Observation) -> Floats:
        """Return the value of no contact, 0, and of each offer, USD, if there on its day.

        Raises:
            ValueError: No day has begun.
        """
        if self._today is None:
            raise ValueError("begin_day: expected before the first decision")
        seen = at_price(observation, self._price)
        world, charge = seen.world, seen.monthly_charge_usd
        most = min(float(days_left(self._today)), world.period_days)
        left = np.maximum(most - seen.wait_days, 0.0)
        hazard = daily_hazard(world, seen.p_churn)
        raised = disturbed_hazard(world, hazard, seen.p_churn, np.ones_like(hazard))
        untouched, refused = (1.0 - hazard) ** left, (1.0 - raised) ** left
        save = np.asarray(world.save_effect, dtype=np.float64)
        saved = (1.0 - hazard[:, None] * save) ** left[:, None]
        accept = seen.p_accept
        kept = accept * saved + (1.0 - accept) * refused[:, None] - untouched[:, None]
        gain = (charge * world.horizon_months)[:, None] * kept
        cost = world.contact_cost_usd + accept * discount_usd(world, charge, seen.offers_pct)
        # That the customer must still be there on the day scales all of a row, so it is left out.
        return np.column_stack([np.zeros(len(seen)), gain - cost - seen.price_usd(cost)])


def days_left(day: date) -> int:
    """Return the days left of the calendar month, `day` included."""
    return monthrange(day.year, day.month)[1] - day.day + 1
