"""What a policy sees of customers, in the simulator and in the API alike."""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.arrays import Bools, Floats
from churnsaver_serving.runtime.assumptions import World


@dataclass(frozen=True, slots=True)
class Observation:
    """What a policy sees of n customers.

    Attributes:
        p_churn: calibrated probability to leave within a period, shape (n,).
        p_accept: of each offer after each delay, shape (n, D, O).
        monthly_charge_usd: shape (n,).
        days_left: of the budget period, today included, shape (n,).
        days_since_contact: infinity for never, shape (n,).
        contacts_in_window: contacts within the fatigue window, shape (n,).
        multiplier: what a dollar of budget is worth now, shape (n,); see `pacing`.
        belief: log ratios of what was observed over what was expected, shape (n, 3); see `belief`.
        eligible: actions the rules allow, shape (n, space.size); column 0 is always True.
        space: the joint actions.
        world: the declared effects, as the policy believes them.
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
        """The observation of some of the customers."""
        return replace(self, **{name: getattr(self, name)[at] for name in _BY_ROW})


_BY_ROW = tuple(field.name for field in fields(Observation) if field.name not in {"space", "world"})
