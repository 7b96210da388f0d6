"""Observations in the simulator: what a policy may see of customers, and nothing of the truth."""

import numpy as np
from scipy.special import expit

from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.world.effects import RISK_MONTHS, acceptance_shift


def believed_risk(dynamics: Dynamics, rows: Ints) -> Floats:
    """Return the monthly churn probability that the policies' model gives today, shape (k,)."""
    return believed_risks(dynamics, rows)[:, 0]


def believed_risks(dynamics: Dynamics, rows: Ints) -> Floats:
    """Return the same now and at each later one of `RISK_MONTHS`, shape (k, M)."""
    setting = dynamics.setting
    table = (setting.believed or setting.cohort).risk
    last = table.shape[1] - 1
    months = dynamics.population.months(dynamics.day, last)[dynamics.member[rows]]
    ahead = np.minimum(months[:, None] + np.asarray(RISK_MONTHS), last)
    risks: Floats = table[dynamics.customer[rows][:, None], ahead]
    return risks


def observed(
    dynamics: Dynamics,
    rows: Ints,
    wait_days: Floats,
    *,
    multiplier: Floats,
    belief: Floats,
    capacity_price_usd: Floats | None = None,
) -> Observation:
    """Observe rows as the decision path does, each on the day of a possible contact.

    Args:
        dynamics: The customers as they truly are today.
        rows: k rows.
        wait_days: Days until each contact, shape (k,).
        multiplier: Multiplier told, shape (k,).
        capacity_price_usd: Price of a place told, USD, shape (k,); 0 where left out.
        belief: Belief told, shape (k, signals).
    """
    setting = dynamics.setting
    contacts = dynamics.contacts_in_window(rows)
    table = (setting.believed or setting.cohort).accept_logit
    base = table[dynamics.customer[rows], np.minimum(contacts, table.shape[1] - 1)]
    since = dynamics.days_since_contact(rows) + wait_days
    counted = contacts.astype(np.float64)
    offers = setting.space.offers_pct
    shift = acceptance_shift(setting.nominal, offers, since, counted)
    return Observation(
        risk=believed_risks(dynamics, rows),
        p_accept=expit(base.astype(np.float64)[:, None] + shift),
        monthly_charge_usd=dynamics.charge[rows],
        wait_days=wait_days,
        days_since_contact=since,
        contacts_in_window=counted,
        multiplier=multiplier,
        capacity_price_usd=np.zeros(len(rows))
        if capacity_price_usd is None
        else capacity_price_usd,
        belief=belief,
        offers_pct=offers,
        world=setting.nominal,
    )
