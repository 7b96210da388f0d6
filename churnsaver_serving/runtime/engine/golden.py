"""Golden customers: scores and judgements of a release when made, asked again where it loads."""

from datetime import date

import msgspec
import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.engine.decide import DecisionEngine
from churnsaver_serving.runtime.engine.decision import Pace
from churnsaver_serving.runtime.limits.actions import NO_CONTACT
from churnsaver_serving.runtime.limits.constraints import NO_DAY, allowed_days, first_day

# Scores are single precision sums over trees; another machine may round the last digits otherwise.
_TOLERANCES = {"p_churn": 1e-5, "p_accept": 1e-5, "preferences": 1e-3}


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Customers with their scores and what the policy makes of them.

    Every day is taken to be open for contacts, and money to be ample.

    Attributes:
        today: Day of the decision.
        pace: Multiplier and belief that the policy was given.
        customers: The n customers.
        p_churn: Probability of churn, length n.
        p_accept: Probability of acceptance on the first day that the rules for one customer allow,
            today where they allow none, n x O.
        preferences: The policy's preferences of no contact and of each offer on that day,
            n x (1 + O); None for what it rules out itself.
        action: The joint action that it prefers under these rules, length n.
    """

    today: date
    pace: Pace
    customers: tuple[Customer, ...]
    p_churn: tuple[float, ...]
    p_accept: tuple[tuple[float, ...], ...]
    preferences: tuple[tuple[float | None, ...], ...]
    action: tuple[int, ...]

    def differences(self, other: "Golden") -> dict[str, float]:
        """Return the largest absolute difference of each score, for the same customers and day."""
        return {
            name: _difference(getattr(self, name), getattr(other, name)) for name in _TOLERANCES
        }

    def mismatch(self, engine: DecisionEngine) -> str | None:
        """Say in words what `engine` does otherwise than recorded; None where it does the same."""
        now = golden_answers(engine, customers=self.customers, today=self.today, pace=self.pace)
        for name, off in self.differences(now).items():
            if not off <= _TOLERANCES[name]:
                return (
                    f"{name} differs by {off:.2g} from what was recorded "
                    f"(allowed {_TOLERANCES[name]:g}); is it another version of xgboost?"
                )
        others = [
            customer.customer_id
            for customer, then, again in zip(self.customers, self.action, now.action, strict=True)
            if then != again
        ]
        return f"action differs from what was recorded for {others}" if others else None


def golden_answers(
    engine: DecisionEngine, *, customers: tuple[Customer, ...], today: date, pace: Pace
) -> Golden:
    """Score golden customers and ask the policy about them."""
    n, delays = len(customers), engine.space.delays_days
    days = np.full(n, today.toordinal())
    scored = engine.score(customers, days, pace)
    every = np.ones((n, len(delays)), dtype=np.bool_)
    rules = allowed_days(scored.standing, days, every, delays, engine.rules)
    position = first_day(np.logical_and.reduce(list(rules.values())))
    observation = scored.observe(np.arange(n), np.asarray(delays)[np.maximum(position, 0)])
    preferences = engine.policy.preferences(observation)
    own = preferences.argmax(axis=1)
    joint = position * len(engine.space.offers_pct) + own
    contact = (own != NO_CONTACT) & (position != NO_DAY)
    return Golden(
        today=today,
        pace=pace,
        customers=customers,
        p_churn=tuple(observation.p_churn.tolist()),
        p_accept=tuple(tuple(row) for row in observation.p_accept.tolist()),
        preferences=tuple(
            tuple(one if np.isfinite(one) else None for one in row) for row in preferences.tolist()
        ),
        action=tuple(np.where(contact, joint, NO_CONTACT).tolist()),
    )


def _difference(one: object, other: object) -> float:
    """Return the largest absolute difference; infinity where only one of them is None."""
    ours, theirs = _numbers(one), _numbers(other)
    if (np.isnan(ours) != np.isnan(theirs)).any():
        return np.inf
    return float(np.nan_to_num(np.abs(ours - theirs)).max(initial=0.0))


def _numbers(values: object) -> Floats:
    return np.asarray(values, dtype=np.float64)  # None becomes NaN
