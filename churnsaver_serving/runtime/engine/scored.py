"""Customers scored once, and observed on any of the days on which a contact may fall.

Risk and plain acceptance turn on no day; what does is how long ago the latest contact was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats, Floats32, Ints
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.engine.decision import Pace
from churnsaver_serving.runtime.limits.standing import NEVER, Standing
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.calibration import logit, sigmoid
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.effects import acceptance_shift


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of n customers that hold whichever day they are contacted on.

    Attributes:
        customers: The n customers.
        standing: What the ledger holds of them.
        today: The customers' own today, ordinals, shape (n,).
        table: Their raw values of the risk model's fields.
        context: Their encoded risk features, shape (n, columns).
        risk: Calibrated probability to leave within a month, now and later, shape (n, M); see
            `Observation`.
        acceptance: Model of the acceptance of a plain contact.
        plain: Probability of accepting a plain contact, shape (n,).
        offers_pct: The offers, length O.
        world: The declared effects.
        pace: Multiplier, price of a place and belief.
    """

    customers: Sequence[Customer]
    standing: Standing
    today: Ints
    table: dict[str, list[Any]]
    context: Floats32
    risk: Floats
    acceptance: AcceptanceModel
    plain: Floats
    offers_pct: tuple[int, ...]
    world: World
    pace: Pace

    def observe(self, rows: Ints, wait_days: Ints) -> Observation:
        """Observe some of the customers, each on the day after a wait.

        Args:
            rows: The customers' positions, shape (m,).
            wait_days: Days from each one's today to that day, shape (m,).
        """
        last = self.standing.last_contact[rows]
        since = np.maximum(self.today[rows] + wait_days - last, 0).astype(np.float64)
        since[last == NEVER] = np.inf
        return self._observation(
            rows,
            wait_days,
            days_since_contact=since,
            contacts=self.standing.contacts_in_window[rows].astype(np.float64),
            plain=self.plain[rows],
            multiplier=np.full(len(rows), self.pace.multiplier),
        )

    def fresh(self, rows: Ints, unpriced: Bools) -> Observation:
        """Observe some of the customers today as if we had not contacted them lately.

        It shows what a policy would do if nothing stood in its way.

        Args:
            rows: The customers' positions, shape (m,).
            unpriced: Whether money is taken to be worth no more than itself, shape (m,).
        """
        plain = self.plain[rows]
        counted = np.flatnonzero(self.standing.contacts_in_window[rows] > 0)
        if len(counted):
            plain[counted] = self.acceptance.base(
                [_uncontacted(self.customers[row]) for row in rows[counted].tolist()]
            )
        return self._observation(
            rows,
            np.zeros(len(rows), dtype=np.int64),
            days_since_contact=np.full(len(rows), np.inf),
            contacts=np.zeros(len(rows)),
            plain=plain,
            multiplier=np.where(unpriced, 0.0, self.pace.multiplier),
        )

    def _observation(
        self,
        rows: Ints,
        wait_days: Ints,
        *,
        days_since_contact: Floats,
        contacts: Floats,
        plain: Floats,
        multiplier: Floats,
    ) -> Observation:
        shift = acceptance_shift(self.world, self.offers_pct, days_since_contact, contacts)
        return Observation(
            risk=self.risk[rows],
            p_accept=sigmoid(logit(plain)[:, None] + shift),
            monthly_charge_usd=np.array(
                [self.customers[row].profile.monthly_charges_usd for row in rows.tolist()]
            ),
            wait_days=wait_days.astype(np.float64),
            days_since_contact=days_since_contact,
            contacts_in_window=contacts,
            multiplier=multiplier,
            capacity_price_usd=np.full(len(rows), self.pace.capacity_price_usd),
            belief=np.tile(self.pace.belief, (len(rows), 1)),
            offers_pct=self.offers_pct,
            world=self.world,
        )


def _uncontacted(customer: Customer) -> Customer:
    """Return the customer with an empty window; what happened before it stays."""
    history = msgspec.structs.replace(
        customer.history, last_contact_on=None, contacts_in_window=0, waiting=False
    )
    return msgspec.structs.replace(customer, history=history)
