"""Belief about how far the models are off, from observed counts over expected ones."""

from dataclasses import dataclass

import numpy as np

from churnsaver_serving.runtime.arrays import Floats

SIGNALS = ("acceptance", "churn_after_refusal", "churn_untouched")

# Counts that stand for "the models are right" before anything was observed.
_PRIOR_COUNT = 5.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts since the budget period began; the last axis is `SIGNALS`.

    Attributes:
        observed: Offers accepted; customers who left after a refusal; who left never contacted.
        expected: The same as the models and the nominal world have it, for the same customers
            and days.
    """

    observed: Floats
    expected: Floats

    @classmethod
    def empty(cls, groups: int = 1) -> "Tally":
        """Return a tally with nothing observed yet, for that many groups: shape (groups, 3)."""
        return cls(np.zeros((groups, len(SIGNALS))), np.zeros((groups, len(SIGNALS))))

    def ratio(self) -> Floats:
        """Return observed over expected, drawn towards 1 while counts are small."""
        return (self.observed + _PRIOR_COUNT) / (self.expected + _PRIOR_COUNT)

    def belief(self) -> Floats:
        """Return the log of `ratio`: the policy's belief input."""
        return np.log(self.ratio())
