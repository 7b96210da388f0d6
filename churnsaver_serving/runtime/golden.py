"""Golden customers: scores and choices of a release when made, asked again where it loads."""

from datetime import date

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.constraints import customer_masks
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.decide import DecisionEngine
from churnsaver_serving.runtime.decision import Pace
from churnsaver_serving.runtime.learned import LearnedPolicy
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.policy import Policy

Rows = tuple[tuple[float, ...], ...]

# Scores are single precision sums over trees; another machine may round the last digits otherwise.
_TOLERANCE = 1e-5


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Customers with their scores and the policy's choice.

    Attributes:
        today: Day of the decision.
        pace: Multiplier and belief that the policy was given.
        customers: The n customers.
        p_churn: Probability of churn, length n.
        p_accept: Probability of acceptance, n x D x O.
        p_action: The policy's own probability of each joint action, n x A; see `own_distribution`.
        action: The policy's most likely action under the rules for one customer, length n.
    """

    today: date
    pace: Pace
    customers: tuple[Customer, ...]
    p_churn: tuple[float, ...]
    p_accept: tuple[Rows, ...]
    p_action: Rows
    action: tuple[int, ...]

    def differences(self, other: "Golden") -> dict[str, float]:
        """Return the largest absolute difference of each score, for the same customers and day."""
        return {
            name: float(
                np.abs(np.asarray(getattr(self, name)) - np.asarray(getattr(other, name))).max()
            )
            for name in ("p_churn", "p_accept", "p_action")
        }

    def mismatch(self, engine: DecisionEngine) -> str | None:
        """Say in words what `engine` does otherwise than recorded; None where it does the same."""
        now = golden_answers(engine, customers=self.customers, today=self.today, pace=self.pace)
        for name, off in self.differences(now).items():
            if not off <= _TOLERANCE:
                return (
                    f"{name} differs by {off:.2g} from what was recorded "
                    f"(allowed {_TOLERANCE:g}); is it another version of xgboost?"
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
    observation = engine.observe(customers, today, pace)
    masks = customer_masks(customers, today, engine.space, engine.rules)
    observation.eligible[:] = np.logical_and.reduce(list(masks.values()))
    own = own_distribution(engine.policy, observation)
    return Golden(
        today=today,
        pace=pace,
        customers=customers,
        p_churn=tuple(observation.p_churn.tolist()),
        p_accept=tuple(
            tuple(tuple(offers) for offers in row) for row in observation.p_accept.tolist()
        ),
        p_action=tuple(tuple(row) for row in own.tolist()),
        action=tuple(engine.policy.probabilities(observation).argmax(axis=1).tolist()),
    )


def own_distribution(policy: Policy, observation: Observation) -> npt.NDArray[np.float64]:
    """Return the probabilities that a choice is made from, shape (n, space.size).

    The learned policy serves the most likely action; how likely it was shows a drift of the
    weights long before another action is chosen.
    """
    if isinstance(policy, LearnedPolicy):
        return policy.distribution(observation)
    return policy.probabilities(observation)
