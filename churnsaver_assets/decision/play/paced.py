"""Agents made of a priced policy and what sets its multiplier: pacing, or one number for good."""

import numpy as np

from churnsaver_assets.decision.play.agents import Priced, View, Wish
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.pacing import Pacing


class PacedAgent:
    """Sets the multiplier each day by the served pacing controller.

    Args:
        policy: decides at a multiplier.
        pacing: sets it, from the policy's own table.
        heed_acceptance: scale the forecast by offers accepted over expected.
    """

    def __init__(self, policy: Priced, pacing: Pacing, *, heed_acceptance: bool = True) -> None:
        self._policy = policy
        self._pacing = pacing
        self._heed_acceptance = heed_acceptance
        self._least: list[float | None] = []

    @property
    def name(self) -> str:
        """The policy's."""
        return self._policy.name

    def begin(self, view: View) -> None:
        """Forget the multipliers of the period before."""
        self._least = [None] * view.groups
        self._policy.begin(view)

    def act(self, view: View) -> Wish:
        """Set each group's multiplier, then let the policy decide."""
        return self._policy.wish(view, self._multipliers(view))

    def _multipliers(self, view: View) -> Floats:
        ratio = view.tally.ratio()[:, 0] if self._heed_acceptance else np.ones(view.groups)
        customers = view.size / view.groups
        result = np.zeros(view.groups)
        for group, least in enumerate(self._least):
            result[group] = self._pacing.multiplier(
                view.day,
                float(view.remaining_usd[group]),
                customers=0.0 if least is None else customers,
                undecided=customers if least is None else 0.0,
                least_before=least,
                acceptance_ratio=float(ratio[group]),
            )
            # On a day off nobody is decided on, whatever the multiplier.
            if view.setting.calendar.working[view.day]:
                self._least[group] = float(
                    result[group] if least is None else min(least, result[group])
                )
        return result


class FixedAgent:
    """Keeps one multiplier for the whole period.

    Args:
        policy: decides at a multiplier.
        multiplier: dollars of value per dollar of budget.
    """

    def __init__(self, policy: Priced, multiplier: float) -> None:
        self._policy = policy
        self._multiplier = multiplier

    @property
    def name(self) -> str:
        """The policy's."""
        return self._policy.name

    def begin(self, view: View) -> None:
        """Forget the period before."""
        self._policy.begin(view)

    def act(self, view: View) -> Wish:
        """Let the policy decide."""
        return self._policy.wish(view, np.full(view.groups, self._multiplier))
