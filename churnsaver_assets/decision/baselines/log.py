"""A randomised log to learn uplift and acceptance from.

The log is simulated: Telco and Bank Marketing have no randomised treatment. A real campaign would
give each customer an offer or none by chance, wait, and see who is still there; so does this.
"""

from dataclasses import dataclass, replace

import numpy as np

from churnsaver_assets.decision.baselines.streams import own_stream
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.observed import observed
from churnsaver_assets.decision.simulator.population import draw_population
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.scoring.calibration import logit
from churnsaver_serving.runtime.world.belief import SIGNALS

FEATURES = ("p_churn", "monthly_charge_usd", "accept_logit")

_PROBABILITY_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class RandomisedLog:
    """A log of n customers, each given one offer or none at random, with the outcomes.

    Attributes:
        matrix: `customer_features`, shape (n, F).
        arm: The arm: 0 for no offer, else the offer's position plus 1, shape (n,).
        accepted: Whether the offer was accepted, shape (n,).
        stayed: Whether the customer was still there after `days` days, shape (n,).
        days: Days from the offer to the outcome.
    """

    matrix: Floats
    arm: Ints
    accepted: Bools
    stayed: Bools
    days: int


def customer_features(observation: Observation) -> Floats:
    """Return what uplift is learnt from, shape (n, len(FEATURES)).

    The acceptance log-odds are those of the first offer on the day of the contact.
    """
    plain = observation.p_accept[:, 0].clip(_PROBABILITY_FLOOR, 1.0 - _PROBABILITY_FLOOR)
    return np.column_stack([observation.p_churn, observation.monthly_charge_usd, logit(plain)])


def randomised_log(setting: Setting, replicates: int, seed: int) -> RandomisedLog:
    """Make each customer an offer, or none, by chance on the first working day, and then wait.

    Nobody is contacted again. The outcome is who is still there when a nominal offer's effect ends.

    Args:
        setting: Customers, rules and the first day; the nominal world is the true one.
        replicates: Times that each customer is in the log.
        seed: Seed for arms and outcomes.

    Raises:
        ValueError: The calendar has no working day, so there is nothing to log.
    """
    if not setting.calendar.working.any():
        raise ValueError("the calendar has no working day, so there is nothing to log")
    rng = own_stream(seed, "log")
    wait, days = int(setting.calendar.working.argmax()), round(setting.nominal.effect_days)
    calendar = Calendar.starting(setting.calendar.first, wait + days + 1, setting.rules)
    whole = replace(setting, calendar=calendar)
    own_seed = int(rng.integers(2**32))
    population = draw_population(
        setting.cohort, calendar, arrival="daily", new_share=0.0, seed=own_seed
    )
    dynamics = Dynamics(whole, population, [setting.nominal] * replicates, seed=own_seed)
    for _ in range(wait):
        dynamics.pass_day(dynamics.luck()[1])
    rows = np.flatnonzero(dynamics.there)
    arm = rng.integers(len(setting.space.offers_pct) + 1, size=len(rows))
    nobody_told = np.zeros(len(rows))
    matrix = customer_features(
        observed(
            dynamics,
            rows,
            np.zeros(len(rows)),
            multiplier=nobody_told,
            belief=np.zeros((len(rows), len(SIGNALS))),
        )
    )
    accept, leave = dynamics.luck()
    offered = np.flatnonzero(arm > 0)
    made = dynamics.contact(rows[offered], arm[offered] - 1, accept[rows[offered]])
    accepted = np.zeros(len(rows), dtype=np.bool_)
    accepted[offered] = made.accepted
    dynamics.pass_day(leave)
    for _ in range(days - 1):
        dynamics.pass_day(dynamics.luck()[1])
    return RandomisedLog(
        matrix=matrix, arm=arm, accepted=accepted, stayed=dynamics.there[rows], days=days
    )
