"""Stages of contacts in a period: days, earlier contacts, probabilities, value and cost."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.effects import Effects, acceptance_shift, contact_terms


class ContactDays:
    """The days of a period on which contacts are allowed, and those of possible latest contacts.

    Args:
        setting: Rules and days.

    Attributes:
        days: Contact days, ascending, shape (W,). A latest contact is named by its day's position
            here.
    """

    def __init__(self, setting: Setting) -> None:
        self.days: Ints = np.flatnonzero(setting.calendar.working)
        self._gap = max(setting.rules.cooldown_days, 1)
        # Position of the earliest first, second, ... contact; past the end where there is none.
        self._earliest = [0]
        for _ in range(setting.rules.fatigue_cap):
            previous = self._earliest[-1]
            at_end = previous >= len(self.days)
            self._earliest.append(
                len(self.days) if at_end else self.position(int(self.days[previous]) + self._gap)
            )

    def position(self, day: int) -> int:
        """Return the position of the first contact day that is not before `day`."""
        return int(np.searchsorted(self.days, day))

    def latest(self, day: int, contacts: int) -> slice:
        """Return positions of the latest of so many contacts, if one may contact again on `day`.

        Never contacted counts as one latest contact, at position 0.
        """
        if contacts == 0:
            return slice(0, 1)
        first = self._earliest[contacts - 1]
        return slice(first, max(first, self.position(day - self._gap + 1)))


@dataclass(frozen=True, slots=True)
class Stage:
    """Contacts on one day after one number of contacts, with O offers, after C latest contacts.

    Worth and cost of a contact are straight lines in the probability that it is accepted. Held
    here are their values if it is refused, and what acceptance adds.

    Attributes:
        latest: Positions of the C latest contacts.
        p_accept: Probability of acceptance, shape (O, C, n).
        net: Gain less cost if the contact is refused, USD, shape (O, n).
        net_accepted: Addition to `net` if the contact is accepted, USD, shape (O, n).
        cost: Cost if the contact is refused, USD, shape (O, n).
        cost_accepted: Addition to `cost` if the contact is accepted, USD, shape (O, n).
    """

    latest: slice
    p_accept: Floats
    net: Floats
    net_accepted: Floats
    cost: Floats
    cost_accepted: Floats


def build_stage(
    cohort: Cohort,
    setting: Setting,
    effects: Effects,
    days: ContactDays,
    *,
    day: int,
    contacts: int,
    hazard: Floats,
    hidden: Floats,
) -> Stage:
    """Build the stage of contacts with n customers on `day` after so many contacts, all refused.

    Args:
        cohort: The customers.
        setting: Offers and days.
        effects: The world, or one for each customer.
        days: The days that contacts fall on.
        day: A contact day.
        contacts: Number of contacts before this one.
        hazard: Daily probability to leave after so many refusals, shape (n,).
        hidden: Hidden acceptance log-odds of each customer, shape (n,).
    """
    offers, n = setting.space.offers_pct, len(cohort)
    latest = days.latest(day, contacts)
    since = np.array(day - days.days[latest] if contacts else [np.inf], dtype=np.float64)
    # One column for all customers where the world is one for all.
    ago = since[:, None]
    shift = acceptance_shift(effects, offers, ago, np.full_like(ago, contacts)).transpose(2, 0, 1)
    counted = min(contacts, cohort.accept_logit.shape[1] - 1)
    base = cohort.accept_logit[:, counted] + hidden
    refused, accepted = (
        contact_terms(
            effects,
            offers,
            p_churn=cohort.p_churn,
            hazard=hazard,
            monthly_charge_usd=cohort.monthly_charge_usd,
            p_accept=np.full((n, len(offers)), end),
            days_left=np.full(n, float(setting.calendar.days - day)),
        )
        for end in (0.0, 1.0)
    )
    return Stage(
        latest=latest,
        p_accept=expit(shift + base),
        net=np.ascontiguousarray(refused.net.T),
        net_accepted=np.ascontiguousarray((accepted.net - refused.net).T),
        cost=np.ascontiguousarray(refused.cost.T),
        cost_accepted=np.ascontiguousarray((accepted.cost - refused.cost).T),
    )
