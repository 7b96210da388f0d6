"""Assumptions: numbers that no data set shows, declared with unit, range and reason.

`Assumptions` is what the experiment file states and the release carries; `World` is one draw of it
as plain numbers, which is what the formulas take. Every figure computed from these is simulated.
"""

from collections.abc import Callable

import msgspec

# Known to whoever decides, whatever the world is like.
CONTRACT_TERMS = frozenset(
    {"contact_cost_usd", "discount_months", "horizon_months", "period_days", "refusal_days"}
)


class Assumption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One declared number.

    Attributes:
        value: The nominal value.
        unit: Unit of the value, in words.
        low: Lower end of the prior (uniform).
        high: Upper end of the prior.
        reason: Grounds for this value and this range.
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
    effect_days: float
    refusal_days: float
    recency_penalty: float
    recency_decay_days: float
    disturbance: float
    contact_cost_usd: float
    discount_months: float
    horizon_months: float
    period_days: float
    hazard_scale: float
    acceptance_offset: float
    contact_fatigue: float
    responsiveness: float


class Assumptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything declared; see the experiment file for units, ranges and reasons.

    Attributes:
        offer_response: Acceptance log-odds per point of discount.
        save_effect: Hazard multiplier while an accepted offer binds, one for each offer.
        effect_days: Days for which an accepted offer binds.
        refusal_days: Days for which a refusal raises the hazard: the fatigue window.
        recency_penalty: Acceptance log-odds lost right after a contact.
        recency_decay_days: Time constant at which that loss fades, days.
        disturbance: A refused contact multiplies the hazard by 1 + disturbance * (1 - p_churn)
            while it is remembered.
        contact_cost_usd: Cost of one contact.
        discount_months: Months for which an accepted discount is paid.
        horizon_months: M: a customer who never leaves is worth M monthly charges.
        period_days: Days over which a churn probability is given (T).
        hazard_scale: Ratio of the true daily hazard to the risk model's.
        acceptance_offset: Log-odds by which the acceptance model is off, for everyone.
        contact_fatigue: Acceptance log-odds lost for each earlier contact in the window, beyond
            what the acceptance model knows.
        responsiveness: Spread (standard deviation, log-odds) of what makes one customer accept
            and another not that no feature shows.
    """

    offer_response: Assumption
    save_effect: tuple[Assumption, ...]
    effect_days: Assumption
    refusal_days: Assumption
    recency_penalty: Assumption
    recency_decay_days: Assumption
    disturbance: Assumption
    contact_cost_usd: Assumption
    discount_months: Assumption
    horizon_months: Assumption
    period_days: Assumption
    hazard_scale: Assumption
    acceptance_offset: Assumption
    contact_fatigue: Assumption
    responsiveness: Assumption

    def nominal(self) -> World:
        """Return the world at the nominal values."""
        return self._world(lambda assumption: assumption.value)

    def prior_mean(self) -> World:
        """Return the world at the means of the priors."""
        return self._world(lambda assumption: (assumption.low + assumption.high) / 2.0)

    def draw(self, uniform: Callable[[float, float], float]) -> World:
        """Draw a world from the priors.

        Args:
            uniform: A uniform draw between two numbers, such as `rng.uniform`.
        """
        return self._world(lambda assumption: uniform(assumption.low, assumption.high))

    def _world(self, number: Callable[[Assumption], float]) -> World:
        """Make a world by `number` of what is uncertain; contract terms stay nominal."""
        return World(
            save_effect=tuple(number(effect) for effect in self.save_effect),
            **{
                name: getattr(self, name).value
                if name in CONTRACT_TERMS
                else number(getattr(self, name))
                for name in World.__struct_fields__
                if name != "save_effect"
            },
        )
