"""The simulator's customers: real ones with the risk and acceptance models' own scores."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.scoring.calibration import logit, sigmoid

AGED_MONTHS = 12
"""Months ahead for which a customer's risk is known; later ones keep the last."""
_AGEING = 0.04


@dataclass(frozen=True, slots=True)
class Cohort:
    """A cohort of n customers.

    Attributes:
        customer_id: Ids, shape (n,), strings.
        risk: Calibrated probability to leave within a month, as scored 0 to `AGED_MONTHS`
            anniversaries from now, shape (n, AGED_MONTHS + 1): each month adds one to the tenure
            and a monthly charge to the total. Later months keep the last column.
        tenure_months: Months as a customer as of now, shape (n,).
        monthly_charge_usd: Monthly charge, shape (n,).
        accept_logit: Log-odds to accept a plain contact by the acceptance model, for each number
            of contacts before it in the window, shape (n, contacts + 1).
    """

    customer_id: npt.NDArray[np.str_]
    risk: Floats
    tenure_months: Ints
    monthly_charge_usd: Floats
    accept_logit: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse arrays that don't fit each other, and numbers that can't be."""
        n, table = len(self.customer_id), self.accept_logit.shape
        shapes = {
            "risk": self.risk.shape == (n, AGED_MONTHS + 1),
            "tenure_months": self.tenure_months.shape == (n,),
            "monthly_charge_usd": self.monthly_charge_usd.shape == (n,),
            "accept_logit": table[:1] == (n,) and len(table) == 2,  # noqa: PLR2004
        }
        if wrong := [name for name, fits in shapes.items() if not fits]:
            raise ValueError(f"{', '.join(wrong)}: shape does not fit {n} customers")
        if n == 0 or not ((self.risk > 0) & (self.risk < 1)).all():
            raise ValueError("risk: expected probabilities in (0, 1), at least one customer")
        if self.tenure_months.dtype.kind != "i" or not (self.tenure_months >= 0).all():
            raise ValueError("tenure_months: expected whole numbers >= 0")
        if not ((self.monthly_charge_usd >= 0) & (self.monthly_charge_usd < np.inf)).all():
            raise ValueError("monthly_charge_usd: expected numbers >= 0")
        if not np.isfinite(self.accept_logit).all():
            raise ValueError("accept_logit: expected finite log-odds")

    def __len__(self) -> int:
        return len(self.customer_id)

    def rows(self, at: Ints | npt.NDArray[np.bool_]) -> "Cohort":
        """Return some of the customers, in that order."""
        return Cohort(**{field.name: getattr(self, field.name)[at] for field in fields(self)})

    @property
    def p_churn(self) -> Floats:
        """Return the probability to leave within a month, as scored now, shape (n,)."""
        now: Floats = self.risk[:, 0]
        return now


def synthetic_cohort(size: int, contacts: int, seed: int) -> Cohort:
    """Make customers up whose risks, charges and acceptances spread as the real ones' do.

    Each month as a customer takes `_AGEING` off the log-odds of leaving.

    Args:
        size: Number of customers.
        contacts: Most contacts before the one scored.
        seed: Seed for everything drawn.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.9, 1.0, size)[:, None] - 0.1 * np.arange(contacts + 1)
    p_churn = np.clip(rng.beta(0.8, 2.1, size), 0.007, 0.92)
    return Cohort(
        customer_id=np.array([f"C-{row:05d}" for row in range(size)], dtype=np.str_),
        risk=sigmoid(logit(p_churn)[:, None] - _AGEING * np.arange(AGED_MONTHS + 1)),
        monthly_charge_usd=np.round(rng.uniform(20.0, 110.0, size), 2),
        tenure_months=rng.integers(1, 73, size),
        accept_logit=logits.astype(np.float32),
    )
