"""The setting of a simulation: customers, rules, days and what policies believe."""

from dataclasses import dataclass

from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.world.assumptions import World


@dataclass(frozen=True, slots=True)
class Setting:
    """The setting of an episode, apart from its randomness.

    Attributes:
        cohort: The customers as they are, n of them: their true risks and acceptances.
        space: Joint actions.
        rules: Limits on contacts.
        calendar: The T days.
        nominal: The world that policies believe in.
        believed: The customers as the policies' models see them; None for as they are.
    """

    cohort: Cohort
    space: ActionSpace
    rules: Rules
    calendar: Calendar
    nominal: World
    believed: Cohort | None = None

    def __post_init__(self) -> None:
        """Refuse parts that don't fit each other."""
        offers, effects = self.space.offers_pct, self.nominal.save_effect
        if len(offers) != len(effects):
            raise ValueError(f"nominal.save_effect: {len(effects)} numbers for offers {offers}")
        for name, cohort in (("cohort", self.cohort), ("believed", self.believed)):
            if cohort is None:
                continue
            if len(cohort) != len(self.cohort):
                raise ValueError(f"{name}: {len(cohort)} customers, expected {len(self.cohort)}")
            if cohort.accept_logit.shape[-1] < self.rules.fatigue_cap:
                raise ValueError(
                    f"{name}.accept_logit: no acceptance after {self.rules.fatigue_cap - 1} "
                    f"contacts, which the fatigue cap of {self.rules.fatigue_cap} allows"
                )
