"""A PID controller of the multiplier, at one fixed budget."""

from dataclasses import dataclass
from typing import Self

from churnsaver_assets.experiments.policy_spec import PIDSpec


@dataclass(frozen=True, slots=True)
class PIDMultiplier:
    """A multiplier and its controller's state (Stooke, Achiam and Abbeel 2020, algorithm 2).

    Attributes:
        value: The multiplier.
        integral: Sum of the relative overspends, never below 0.
        overspend: The latest relative overspend; None before the first.
    """

    value: float
    integral: float
    overspend: float | None = None

    @classmethod
    def start(cls, spec: PIDSpec) -> Self:
        """Begin at the initial multiplier, held there by the integral."""
        return cls(spec.initial, spec.initial / spec.integral if spec.integral else 0.0)

    def after(self, spent_per_customer: float, spec: PIDSpec) -> "PIDMultiplier":
        """Return the controller after an update of that expected spend, USD."""
        overspend = spent_per_customer / spec.budget_per_customer - 1.0
        rise = 0.0 if self.overspend is None else max(overspend - self.overspend, 0.0)
        integral = max(self.integral + overspend, 0.0)
        value = spec.proportional * overspend + spec.integral * integral + spec.derivative * rise
        return PIDMultiplier(max(value, 0.0), integral, overspend)
