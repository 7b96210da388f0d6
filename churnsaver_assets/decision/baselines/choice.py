"""The rule that all value-based baselines share: whom to contact, with what, in which order."""

from dataclasses import replace

import msgspec
import numpy as np

from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
from churnsaver_serving.runtime.arrays import Floats, Ints


class ValueRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule that says when a contact is worth its price.

    Attributes:
        multiplier: Value that a dollar of cost must bring beyond itself, dollars.
        price_offers: Whether an offer is chosen by its value net of the multiplier's price; else
            the offer of most value is chosen, whatever it costs.
    """

    multiplier: float
    price_offers: bool


def reviewed(context: DecisionContext) -> Ints:
    """Return rows to decide on today, ascending: available ones, and those at the fatigue cap."""
    available = context.available()
    if not (context.contacts >= context.setting.rules.fatigue_cap).any():
        return available
    return np.union1d(available, context.at_cap())


def contact_today(
    context: DecisionContext, rows: Ints, offer: Ints, priority: Floats
) -> ContactRequests:
    """Request contacts today; rows at the fatigue cap are only marked in `unmasked`.

    Args:
        context: The day as the policy sees it.
        rows: Rows to contact, each of `reviewed`.
        offer: Position of each row's offer in the space, of the shape of `rows`.
        priority: Rank of each row where money or capacity run out, highest first, of the shape of
            `rows`.
    """
    space = context.setting.space
    capped = context.contacts[rows] >= context.setting.rules.fatigue_cap
    requests = ContactRequests.none(context.size)
    free = rows[~capped]
    requests.action[free] = space.index(space.offers_pct[0], 0) + offer[~capped]
    requests.priority[free] = priority[~capped]
    unmasked = np.zeros(context.size, dtype=np.bool_)
    unmasked[rows[capped]] = True
    return replace(requests, unmasked=unmasked)


def contact_by_value(
    context: DecisionContext, rows: Ints, net_usd: Floats, cost_usd: Floats, rule: ValueRule
) -> ContactRequests:
    """Contact each row whose best offer is worth its price, in order of value per dollar spent.

    So a budget that runs out has bought the best.

    Args:
        context: The day as the policy sees it.
        rows: Rows to decide on, each of `reviewed`, shape (m,).
        net_usd: Expected gain less expected cost of each offer, shape (m, O).
        cost_usd: Expected cost of each offer, shape (m, O).
        rule: The rule that says when a contact is worth its price, and how an offer is chosen.
    """
    price = rule.multiplier if rule.price_offers else 0.0
    offer = (net_usd - price * cost_usd).argmax(axis=1)
    at = np.arange(len(rows))
    net, cost = net_usd[at, offer], cost_usd[at, offer]
    wanted = net > rule.multiplier * cost
    return contact_today(context, rows[wanted], offer[wanted], net[wanted] / cost[wanted])
