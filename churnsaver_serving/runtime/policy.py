"""Policies: from an observation to the probability of each eligible joint action.

A policy is data (a JSON file in the release) with this one method. Exploration and sampling are the
same for all of them and follow at the end.
"""

from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.value import contact_value


class Policy(Protocol):
    """Anything that turns observations into action probabilities."""

    @property
    def name(self) -> str:
        """Return the name for logs and answers."""

    def probabilities(self, observation: Observation) -> Floats:
        """Return probabilities, shape (n, space.size): rows sum to 1, ineligible actions have 0."""


class PropensityPolicy(
    msgspec.Struct, tag="propensity_threshold", frozen=True, forbid_unknown_fields=True
):
    """Contact who is at risk, always with the same offer, as soon as the rules allow it.

    Attributes:
        threshold: Least p_churn to contact.
        offer_pct: The one offer, percent.
    """

    threshold: float
    offer_pct: int

    @property
    def name(self) -> str:
        """Return the name for logs and answers."""
        return "propensity_threshold"

    def probabilities(self, observation: Observation) -> Floats:
        """Return one-hot the earliest eligible contact where p_churn >= threshold."""
        space = observation.space
        wanted = space.contact & (space.offer_pct == self.offer_pct)
        allowed = observation.eligible & wanted
        # Actions stand in order of delay, so the first allowed one is the earliest.
        earliest = np.where(allowed.any(axis=1), allowed.argmax(axis=1), NO_CONTACT)
        chosen = np.where(observation.p_churn >= self.threshold, earliest, NO_CONTACT)
        return _one_hot(chosen, space.size)


class GreedyValuePolicy(
    msgspec.Struct, tag="greedy_value", frozen=True, forbid_unknown_fields=True
):
    """The eligible action of highest value net of the multiplier; no contact where none has any."""

    @property
    def name(self) -> str:
        """Return the name for logs and answers."""
        return "greedy_value"

    def probabilities(self, observation: Observation) -> Floats:
        """Return one-hot the argmax of `contact_value` over the eligible actions."""
        value = contact_value(
            observation.p_churn,
            observation.monthly_charge_usd,
            observation.p_accept,
            observation.space,
            observation.world,
            days_left=observation.days_left,
            multiplier=observation.multiplier,
        )
        chosen = np.where(observation.eligible, value, -np.inf).argmax(axis=1)
        return _one_hot(chosen, observation.space.size)


PolicyFile = PropensityPolicy | GreedyValuePolicy


@dataclass(frozen=True, slots=True)
class Draw:
    """Actions drawn for n customers.

    Attributes:
        action: Index of the action, shape (n,).
        propensity: Probability with which it was drawn, shape (n,).
        probabilities: Probability of every action, exploration included, shape (n, space.size).
        greedy: The policy's own most likely action, shape (n,).
    """

    action: Ints
    propensity: Floats
    probabilities: Floats
    greedy: Ints


def act(policy: Policy, observation: Observation, uniforms: Floats, exploration: float) -> Draw:
    """Draw actions: the policy's own, mixed with `exploration` spread evenly over the eligible.

    Args:
        policy: The policy.
        observation: Observation of n customers.
        uniforms: Random numbers in [0, 1), shape (n,). The same ones give the same actions.
        exploration: Probability mass of the even part, in [0, 1].
    """
    own = policy.probabilities(observation)
    even = observation.eligible / observation.eligible.sum(axis=1, keepdims=True)
    probabilities = (1.0 - exploration) * own + exploration * even
    cumulative = probabilities.cumsum(axis=1)
    # Scale to the row's last value, or rounding could let a draw fall past the end.
    action = (cumulative <= (uniforms * cumulative[:, -1])[:, None]).sum(axis=1)
    return Draw(
        action=action,
        propensity=np.take_along_axis(probabilities, action[:, None], axis=1)[:, 0],
        probabilities=probabilities,
        greedy=own.argmax(axis=1),
    )


def _one_hot(chosen: Ints, size: int) -> Floats:
    return np.eye(size)[chosen]
