"""A randomised log to learn uplift and acceptance from.

The log is simulated: Telco and Bank Marketing have no randomised treatment. A real campaign would
give each customer an offer or none by chance and wait for the period to end; so does this.
"""

from dataclasses import dataclass

import numpy as np

from churnsaver_assets.decision.baselines.streams import own_stream
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints

FEATURES = ("p_churn", "monthly_charge_usd", "accept_logit")


@dataclass(frozen=True, slots=True)
class RandomisedLog:
    """A log of n customers, each given one offer or none at random, with the outcomes.

    Attributes:
        matrix: `customer_features`, shape (n, F).
        arm: The arm: 0 for no offer, else the offer's position plus 1, shape (n,).
        accepted: Whether the offer was accepted, shape (n,).
        stayed: Whether the customer stayed until the period's end, shape (n,).
    """

    matrix: Floats
    arm: Ints
    accepted: Bools
    stayed: Bools


def customer_features(setting: Setting) -> Floats:
    """Return what is believed of each customer before any contact, shape (n, len(FEATURES)).

    The acceptance log-odds are those of a plain contact.
    """
    believed = setting.believed or setting.cohort
    accept_logit = believed.accept_logit[:, 0].astype(np.float64)
    return np.column_stack([believed.p_churn, believed.monthly_charge_usd, accept_logit])


def randomised_log(setting: Setting, replicates: int, seed: int) -> RandomisedLog:
    """Play a period in which the first contact day's actions are drawn evenly, and no more follow.

    Args:
        setting: Customers, rules, days; the nominal world is the true one.
        replicates: Times that each customer is played.
        seed: Seed for arms and outcomes.

    Raises:
        ValueError: The period has no contact day.
    """
    if not setting.calendar.working.any():
        raise ValueError("the period has no contact day, so there is nothing to log")
    rng = own_stream(seed, "log")
    env = RetentionVectorEnv(setting, [setting.nominal] * replicates, mode="sampled", rng=rng)
    nothing = np.full(env.size, NO_CONTACT, dtype=np.int64)
    while not setting.calendar.working[env.day]:
        env.step(nothing)
    there = env.available()
    arm = rng.integers(len(setting.space.offers_pct) + 1, size=env.size)
    first = setting.space.index(setting.space.offers_pct[0], 0)
    contact = there & (arm > 0)
    saved_hazard = env.hazard() * np.asarray(setting.nominal.save_effect)[np.maximum(arm - 1, 0)]
    stays_if_saved = (1.0 - saved_hazard) ** env.days_left
    accepted = env.step(np.where(contact, first + arm - 1, NO_CONTACT)).accepted
    while not env.done:
        env.step(nothing)
    # The simulator closes a case at acceptance: who stays of those is drawn here.
    stayed = np.where(accepted, rng.random(env.size) < stays_if_saved, ~env.left)
    return RandomisedLog(
        matrix=customer_features(setting)[env.customer[there]],
        arm=arm[there],
        accepted=accepted[there],
        stayed=stayed[there],
    )
