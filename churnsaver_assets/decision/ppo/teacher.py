"""Teachers for the warm start: policies that see what the actor sees, and label states."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.assumptions import Assumptions
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.policy import OneStepPolicy, Policy


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of n observations.

    Attributes:
        action: 0 for no contact, else 1 plus the offer's position, shape (n,).
        stake_usd: Loss if contact and no contact are mistaken for each other, net of the
            multiplier, USD, shape (n,).
    """

    action: Ints
    stake_usd: Floats


def teacher_of(kind: Literal["one_step"], assumptions: Assumptions) -> Policy:
    """Return a teacher whose preferences are values in USD.

    Args:
        kind: The teacher: the best single contact.
        assumptions: The priors, at whose mean it reckons.
    """
    return OneStepPolicy(name=kind, world=assumptions.prior_mean())


def labels_of(teacher: Policy, observation: Observation) -> Labels:
    """Return what the teacher would do with each of n customers, and what is at stake."""
    values = teacher.preferences(observation)
    stake = np.abs(values[:, 1:].max(axis=1) - values[:, 0])
    return Labels(values.argmax(axis=1), stake)
