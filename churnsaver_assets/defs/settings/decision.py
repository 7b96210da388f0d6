"""Settings of the simulator, of planning, of the policies and of their evaluation."""

from datetime import date
from typing import Annotated

from churnsaver_assets.defs.settings.stage import At, Seed
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec, UpliftSpec
from churnsaver_assets.experiments.evaluation_spec import BudgetsSpec, EvaluationSpec
from churnsaver_assets.experiments.holidays_spec import HolidaysSpec
from churnsaver_assets.experiments.pacing_spec import PacingSpec
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_assets.experiments.spec import BaselineSpec, PolicyGate
from churnsaver_assets.experiments.strict import Shared, Strict
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.manifest import DataLabel
from churnsaver_serving.runtime.world.assumptions import Assumptions

Assumed = Annotated[Assumptions, Shared(), At("assumptions")]
Offers = Annotated[tuple[int, ...], At("actions.offers_pct")]
Pacing = Annotated[PacingSpec, At("pacing")]
NewShare = Annotated[float, At("evaluation.new_share")]


class OfferResponseSettings(Strict):
    """Settings of `offer_response`.

    Attributes:
        seed: Seed for the draws of channel and earlier contacts.
        fatigue_cap: Most contacts in the window, for which acceptance is worked out.
        assumptions: Effects of offers, for the table that the asset shows.
        offers_pct: Offers, for the same table.
    """

    seed: Seed
    fatigue_cap: Annotated[int, At("rules.fatigue_cap")]
    assumptions: Assumed
    offers_pct: Offers


class SimulatorSettings(Strict):
    """Settings of every simulated period: the check of the environment needs no more.

    Attributes:
        seed: Seed for every draw.
        assumptions: The nominal world, and the priors around it.
        offers_pct: Offers that a contact may carry.
        delays_days: Days after which a contact may be made.
        rules: Limits on contacts.
        start_on: First day of the period.
    """

    seed: Seed
    assumptions: Assumed
    offers_pct: Offers
    delays_days: Annotated[tuple[int, ...], At("actions.delays_days")]
    rules: Annotated[Rules, Shared(), At("rules")]
    start_on: Annotated[date, At("evaluation.start_on")]


class PlanningSettings(SimulatorSettings):
    """Settings of `upper_bound`.

    Attributes:
        budgets: Budgets as shares.
        scored_months: Months of an evaluation after that of its burn-in.
        new_share: New customers a month, as a share of those of the first day.
    """

    budgets: Annotated[BudgetsSpec, At("evaluation")]
    scored_months: Annotated[int, At("evaluation.scored_months")]
    new_share: NewShare


class BaselinesSettings(SimulatorSettings):
    """Settings of `baseline_policies`, the release's fallback among them.

    Attributes:
        baselines: Hyperparameters, and what baselines are tuned over.
        fallback: The policy that a release falls back to.
        new_share: New customers a month, as a share of those of the first day.
    """

    baselines: Annotated[BaselinesSpec, At("baselines")]
    fallback: Annotated[BaselineSpec, At("baseline_policy")]
    new_share: NewShare


class PolicySettings(SimulatorSettings):
    """Settings of `ppo_policy`."""

    policy: Annotated[PolicySpec, At("policy")]


class PacingSettings(SimulatorSettings):
    """Settings of `pacing_rule`.

    Attributes:
        pacing: Multipliers tried, and how pacing moves.
        new_share: New customers a month, as a share of those of the first day.
    """

    pacing: Pacing
    new_share: NewShare


class EvaluationSettings(SimulatorSettings):
    """Settings of `policy_evaluation`.

    Attributes:
        evaluation: Months, arrivals, budgets and how much is played.
    """

    evaluation: Annotated[EvaluationSpec, At("evaluation")]


class HolidaysSettings(Strict):
    """Settings of `contact_holidays`."""

    holidays: Annotated[HolidaysSpec, At("holidays")]


class UpliftSettings(Strict):
    """Settings of `uplift_validation`."""

    seed: Seed
    uplift: Annotated[UpliftSpec, At("baselines.uplift")]


class PolicyGates(Strict):
    """Bounds that `policy_evaluation` is checked against.

    Attributes:
        real: Bounds on real data.
        sample: Bounds on the generated sample.
    """

    real: Annotated[PolicyGate, At("gates.real.policy")]
    sample: Annotated[PolicyGate, At("gates.sample.policy")]

    def of(self, label: DataLabel) -> PolicyGate:
        """Return the bounds for data of that label."""
        return self.real if label == "real" else self.sample
