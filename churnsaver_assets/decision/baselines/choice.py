"""The rule that all value-based baselines share: whom to contact, with what, in which order."""

from dataclasses import replace

import msgspec
import numpy as np

from churnsaver_assets.decision.play.agents import View, Wish
from churnsaver_serving.runtime.arrays import Floats, Ints


class ValueRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a contact is worth its price.

    Attributes:
        multiplier: value that a dollar must bring beyond itself.
        price_offers: of a customer's offers take the one of most value net of the multiplier's
            price; else the one of most value, whatever it costs.
    """

    multiplier: float
    price_offers: bool


def reviewed(view: View) -> Ints:
    """Rows to decide on today, ascending: who may be contacted, and who only the cap forbids."""
    available = view.available()
    if not (view.contacts >= view.setting.rules.fatigue_cap).any():
        return available
    return np.union1d(available, view.at_cap())


def contact_today(view: View, rows: Ints, offer: Ints, priority: Floats) -> Wish:
    """Contact these rows today; of those at the fatigue cap only tell that one would.

    Args:
        view: the day.
        rows: whom, each of `reviewed`.
        offer: position of the offer, of the shape of `rows`.
        priority: highest first, of the shape of `rows`.
    """
    space = view.setting.space
    capped = view.contacts[rows] >= view.setting.rules.fatigue_cap
    wish = Wish.nothing(view.size)
    free = rows[~capped]
    wish.action[free] = space.index(space.offers_pct[0], 0) + offer[~capped]
    wish.priority[free] = priority[~capped]
    unmasked = np.zeros(view.size, dtype=np.bool_)
    unmasked[rows[capped]] = True
    return replace(wish, unmasked=unmasked)


def contact_by_value(
    view: View, rows: Ints, net_usd: Floats, cost_usd: Floats, rule: ValueRule
) -> Wish:
    """Contact each row whose best offer is worth its price, in order of value per dollar spent.

    So a budget that runs out has bought the best.

    Args:
        view: the day.
        rows: each of `reviewed`, shape (m,).
        net_usd: expected gain less expected cost of each offer, shape (m, O).
        cost_usd: expected cost of each offer, shape (m, O).
        rule: what a dollar must bring, and how an offer is chosen.
    """
    price = rule.multiplier if rule.price_offers else 0.0
    offer = (net_usd - price * cost_usd).argmax(axis=1)
    at = np.arange(len(rows))
    net, cost = net_usd[at, offer], cost_usd[at, offer]
    wanted = net > rule.multiplier * cost
    return contact_today(view, rows[wanted], offer[wanted], net[wanted] / cost[wanted])
