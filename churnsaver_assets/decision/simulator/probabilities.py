"""Probabilities of leaving and accepting, true or as policies believe them."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_assets.decision.simulator.worlds import Worlds
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.effects import acceptance_shift, daily_hazard, disturbed_hazard


@dataclass(frozen=True, slots=True)
class History:
    """The contacts some rows have had, each of shape (n,).

    Attributes:
        days_since: Days since the latest; infinity for never.
        contacts: Number of contacts in the window.
    """

    days_since: Floats
    contacts: Floats


class Probabilities:
    """Hazard and acceptance of R rows, each a customer of a cohort, under declared effects.

    Args:
        effects: The declared effects: one world for all rows, or one for each.
        cohort: The customers with the models' scores.
        customer: Each row's customer, shape (R,).
        offers_pct: The offers, length O.
    """

    def __init__(
        self, effects: World | Worlds, cohort: Cohort, customer: Ints, offers_pct: tuple[int, ...]
    ) -> None:
        self.effects = effects
        self.p_churn = cohort.p_churn[customer]
        self._logit = cohort.accept_logit
        self._customer = customer
        self._offers_pct = offers_pct
        self._untouched = daily_hazard(effects, self.p_churn)
        self.begin()

    def begin(self, hidden: Floats | None = None) -> None:
        """Begin a period in which nobody has been contacted.

        Args:
            hidden: Acceptance log-odds of each row that no model knows of, shape (R,).
        """
        # Probability to leave today without a further contact, shape (R,).
        self.hazard = self._untouched.copy()
        self._hidden = hidden

    def refused(self, rows: Ints, refusals: Floats) -> None:
        """Raise the hazards of `rows`, which have now refused that often (`refusals`)."""
        self.hazard[rows] = disturbed_hazard(
            self.effects_of(rows), self._untouched[rows], self.p_churn[rows], refusals
        )

    def p_accept(self, rows: Ints, history: History) -> Floats:
        """Return the probability to accept each offer, shape (len(rows), O).

        Args:
            rows: Rows that probabilities are wanted of.
            history: Contacts of those rows, as of the day of the offer.
        """
        counted = np.minimum(history.contacts, self._logit.shape[1] - 1).astype(np.int64)
        base = self._logit[self._customer[rows], counted].astype(np.float64)
        if self._hidden is not None:
            base += self._hidden[rows]
        shift = acceptance_shift(
            self.effects_of(rows), self._offers_pct, history.days_since, history.contacts
        )
        # The runtime's `sigmoid` to the last digits, in a seventh of the time.
        result: Floats = expit(shift + base[:, None])
        return result

    def effects_of(self, rows: Ints) -> World | Worlds:
        """Return the effects that hold for `rows`."""
        return self.effects.rows(rows) if isinstance(self.effects, Worlds) else self.effects
