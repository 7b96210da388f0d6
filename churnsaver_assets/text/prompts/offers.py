"""Offers that the policy decides, and the requests for messages that go with them."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pandas as pd

from churnsaver_assets.data.profiles import profile_of
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.population import everybody
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.context import (
    MESSAGE_CHANNELS,
    TONES,
    MessageContext,
    context_of,
)
from churnsaver_serving.runtime.policies.policy import Policy

# From a budget that never binds to one that leaves few worth a contact.
_MULTIPLIERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def decided_offers(policy: Policy, setting: Setting, *, seed: int) -> dict[str, int]:
    """Play the first day, and return the offers of contacted customers, in percent.

    Which customers are worth which offer turns on what a dollar of budget is worth, so several
    multipliers are played, and each customer takes the offer of one at which they are contacted,
    drawn by the seed: tight budgets and loose ones are all met.

    Args:
        policy: The policy that decides.
        setting: The customers, n of them, and the days.
        seed: Seed for the draws.
    """
    n = len(setting.cohort)
    age = np.zeros(n, dtype=np.int64)
    env = RetentionVectorEnv(
        setting,
        everybody(np.arange(n), age, setting.calendar.days),
        [setting.nominal] * len(_MULTIPLIERS),
        "sampled",
        seed=seed,
    )
    chosen = np.zeros((len(_MULTIPLIERS), n), dtype=np.int64)
    rows = env.available()
    observation = env.observe(rows, np.array(_MULTIPLIERS))
    chosen[np.unravel_index(rows, chosen.shape)] = policy.preferences(observation).argmax(axis=1)
    contacted = chosen > 0
    draws = np.random.default_rng(seed).random(chosen.shape)
    at = np.where(contacted, draws, -1.0).argmax(axis=0)
    offers = setting.space.offers_pct
    return {
        str(setting.cohort.customer_id[customer]): offers[int(chosen[at[customer], customer]) - 1]
        for customer in np.flatnonzero(contacted.any(axis=0))
    }


def explored_offers(
    offers: Mapping[str, int], offers_pct: Sequence[int], *, share: float, seed: int
) -> dict[str, int]:
    """Replace a share of the offers by ones drawn evenly, as the API's exploration does.

    Any customer may be sent any offer there, and a model that learns only from the frequent offers
    never learns to write for the others.

    Args:
        offers: Decided offers, percent by customer.
        offers_pct: Offers to draw from; 0 is a contact without an offer.
        share: Share of the customers whose offer is replaced, 0 to 1.
        seed: Seed for the draws.
    """
    rng = np.random.default_rng(seed)
    explored = rng.random(len(offers)) < share
    drawn = rng.choice(np.array(offers_pct, dtype=np.int64), len(offers))
    return {
        customer: int(other) if explores else offer
        for (customer, offer), explores, other in zip(offers.items(), explored, drawn, strict=True)
    }


def message_requests(
    customers: pd.DataFrame, offers: Mapping[str, int], *, count: int, seed: int
) -> pd.DataFrame:
    """Draw at most `count` requests from contacted customers in each tone and channel.

    They are drawn without replacement, an offer's share being proportional to the square root of
    its customers: what is rarely offered needs messages too.

    Args:
        customers: The canonical Telco table.
        offers: Offers in percent, by customer.
        count: Number of requests to draw.
        seed: Seed for the draw.

    Returns:
        One row per request: `prompt_id`, `customer_id` and the fields of `MessageContext`.
    """
    wanted = customers[customers["customer_id"].isin(offers.keys())].sort_values("customer_id")
    rows = [
        {
            "prompt_id": f"{row['customer_id']}/{tone}/{channel}",
            "customer_id": row["customer_id"],
            **msgspec.structs.asdict(
                context_of(
                    profile_of(row), offers[str(row["customer_id"])], tone=tone, channel=channel
                )
            ),
        }
        for row in wanted.to_dict("records")
        for tone in TONES
        for channel in MESSAGE_CHANNELS
    ]
    frame = pd.DataFrame(rows)
    weights = 1.0 / np.sqrt(frame.groupby("offer_pct")["offer_pct"].transform("size"))
    drawn = np.random.default_rng(seed).choice(
        len(frame), min(count, len(frame)), replace=False, p=weights / weights.sum()
    )
    return frame.iloc[drawn].reset_index(drop=True)


def contexts_of(requests: pd.DataFrame) -> dict[str, MessageContext]:
    """Return the contexts of a table of requests, by prompt id."""
    fields = MessageContext.__struct_fields__
    return {
        str(row["prompt_id"]): MessageContext(**{name: row[name] for name in fields})
        for row in requests.to_dict("records")
    }
