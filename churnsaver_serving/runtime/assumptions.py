"""What no data set shows and is therefore declared: each number with unit, range and reason.

`Assumptions` is what the experiment file states and the release carries; `World` is one draw of it
as plain numbers, which is what the formulas take. Every figure computed from these is simulated.
"""

import msgspec
import numpy as np
import numpy.typing as npt


class Assumption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One declared number.

    Attributes:
        value: the nominal value.
        unit: what it is counted in.
        low: lower end of the prior (uniform).
        high: upper end of the prior.
        reason: why this value and this range.
    """

    value: float
    unit: str
    low: float
    high: float
    reason: str

    def __post_init__(self) -> None:
        """Refuse a nominal value outside its own prior."""
        if not self.low <= self.value <= self.high:
            raise ValueError(f"value {self.value} is outside its prior [{self.low}, {self.high}]")


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One world: plain numbers in the units of `Assumptions`, offers in the order of the space."""

    offer_response: float
    save_effect: tuple[float, ...]
    recency_penalty: float
    recency_decay_days: float
    disturbance: float
    contact_cost_usd: float
    discount_months: float
    horizon_months: float
    period_days: float

    def acceptance_shift(
        self, offers_pct: tuple[int, ...], days_since_contact: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """What offer and recency add to the acceptance log-odds.

        Args:
            offers_pct: the offers, length O.
            days_since_contact: shape (...); infinity for never.

        Returns:
            Shape (..., O), log-odds.
        """
        recency = -self.recency_penalty * np.exp(-days_since_contact / self.recency_decay_days)
        return recency[..., None] + self.offer_response * np.asarray(offers_pct, dtype=np.float64)


class Assumptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything declared; see the experiment file for units, ranges and reasons.

    Attributes:
        offer_response: acceptance log-odds per point of discount.
        save_effect: hazard multiplier after an accepted offer, one for each offer.
        recency_penalty: acceptance log-odds lost right after a contact.
        recency_decay_days: how fast that loss fades (time constant).
        disturbance: a refused contact multiplies the hazard by 1 + disturbance * (1 - p_churn).
        contact_cost_usd: cost of one contact.
        discount_months: months for which an accepted discount is paid.
        horizon_months: M, the months over which a saved customer's revenue counts.
        period_days: days over which a churn probability is given (T).
    """

    offer_response: Assumption
    save_effect: tuple[Assumption, ...]
    recency_penalty: Assumption
    recency_decay_days: Assumption
    disturbance: Assumption
    contact_cost_usd: Assumption
    discount_months: Assumption
    horizon_months: Assumption
    period_days: Assumption

    def nominal(self) -> World:
        """The world at the nominal values."""
        return World(
            save_effect=tuple(effect.value for effect in self.save_effect),
            **{
                name: getattr(self, name).value
                for name in World.__struct_fields__
                if name != "save_effect"
            },
        )
