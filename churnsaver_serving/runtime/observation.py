"""Observations: all that a policy sees of customers, in the simulator and in the API alike."""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.arrays import Bools, Floats
from churnsaver_serving.runtime.assumptions import World


@dataclass(frozen=True, slots=True)
class Observation:
    """All that a policy sees of n customers.

    Attributes:
        p_churn: Calibrated probability to leave within a period, shape (n,).
        p_accept: Probability of accepting each offer after each delay, shape (n, D, O).
        monthly_charge_usd: Monthly charge, USD, shape (n,).
        days_left: Days left of the budget period, today included, shape (n,).
        days_since_contact: Days since the last contact, shape (n,); infinity for never.
        contacts_in_window: Contacts within the fatigue window, shape (n,).
        multiplier: Worth of a dollar of budget now, beyond itself, shape (n,); see `pacing`.
        belief: Log ratios of what was observed over what was expected, shape (n, 3); see `belief`.
        eligible: Actions the rules allow, shape (n, space.size); column 0 is always True.
        space: The joint actions.
        world: The declared effects, as the policy believes them.
    """

    p_churn: Floats
    p_accept: Floats
    monthly_charge_usd: Floats
    days_left: Floats
    days_since_contact: Floats
    contacts_in_window: Floats
    multiplier: Floats
    belief: Floats
    eligible: Bools
    space: ActionSpace
    world: World

    def rows(self, at: slice | Bools | npt.NDArray[np.int64]) -> "Observation":
        """Return the observation of some of the customers."""
        return replace(self, **{name: getattr(self, name)[at] for name in _BY_ROW})


_BY_ROW = tuple(field.name for field in fields(Observation) if field.name not in {"space", "world"})
