"""A small learned policy: mostly the best offer's net value, with random weights around it."""

import numpy as np

from churnsaver_serving.runtime.policies.actor import Actor, LearnedSpec
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.pacing import PacingRule, Start
from churnsaver_serving.runtime.policies.policy_features import feature_names

OFFERS = (0, 5, 10, 20)


def small_policy(seed: int = 42) -> LearnedPolicy:
    """Make a policy that contacts less the higher the multiplier; other seeds, other weights."""
    names = feature_names(OFFERS)
    units = 2 * len(OFFERS) + 8
    rng = np.random.default_rng(seed)
    first = rng.normal(0.0, 0.3, (units, len(names)))
    last = rng.normal(0.0, 0.05, (1 + len(OFFERS), units))
    first[: 2 * len(OFFERS)] = 0.0
    for position, offer in enumerate(OFFERS):
        column = names.index(f"net_value_{offer}")
        first[2 * position, column], first[2 * position + 1, column] = 1.0, -1.0
        last[1 + position, 2 * position : 2 * position + 2] += (4.0, -4.0)
    spec = LearnedSpec(
        offers_pct=OFFERS,
        features=names,
        mean=(0.0,) * len(names),
        scale=(1.0,) * len(names),
        clip=10.0,
        hidden=(units,),
        activation="relu",
    )
    weights = {
        "0.weight": first,
        "0.bias": np.zeros(units),
        "1.weight": last,
        "1.bias": np.zeros(1 + len(OFFERS)),
    }
    actor = Actor(spec, {name: array.astype(np.float32) for name, array in weights.items()})
    return LearnedPolicy(actor)


def pacing_rule() -> PacingRule:
    """Make pacing that starts at 0.5 where there are 25 dollars for each customer."""
    return PacingRule(
        budgets_usd=(0.0, 25.0, 100.0),
        start=Start((4.0, 0.5, 0.0), (4.0, 0.5, 0.0)),
        step=0.02,
        correction=0.5,
        most_correction=2.0,
        most_overspend=2.0,
        capacity_step_usd=0.5,
        waiting_share=0.1,
        scarce_step=0.1,
    )
