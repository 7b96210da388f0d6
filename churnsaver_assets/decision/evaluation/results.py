"""Results of an evaluation, as the JSON file states them. Everything here is simulated."""

from typing import Literal

import msgspec

from churnsaver_assets.common.estimates import Interval

Role = Literal["learned", "variant", "planner", "baseline"]

# `met` and `missed`: the interval is on one side of the goal. `impossible`: not even the bound
# reaches it. `open`: the interval holds the goal.
Verdict = Literal["met", "open", "missed", "impossible"]


class Violations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of constraints broken.

    Attributes:
        overspent: Replicates whose budget was exceeded.
        cooldown_breaches: Contacts within the cooldown, all replicates.
        over_capacity_days: Days with more contacts than the capacity, all replicates.
        fatigue_over_cap: Share of customers whom the policy would contact beyond the fatigue cap
            if no mask kept it from that; None for policies that don't say.
    """

    overspent: int
    cooldown_breaches: int
    over_capacity_days: int
    fatigue_over_cap: float | None


class PolicyMetrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Metrics of one policy under one budget in one world.

    Attributes:
        headroom: Value over doing nothing, as a share of the bound's.
        nrr: Net revenue retention: retained revenue less contacts and discounts, over starting.
        offer_cost: Spent on contacts and discounts, USD per customer.
        contact_rate: Contacts per customer.
        roi: Value over doing nothing, net of cost, per dollar of cost; None where nothing was
            spent.
        budget_spent: Share of the budget really spent.
        violations: Constraints that were broken.
        above_bound: The value exceeds the bound by more than luck explains.
    """

    headroom: Interval
    nrr: Interval
    offer_cost: Interval
    contact_rate: Interval
    roi: Interval | None
    budget_spent: Interval
    violations: Violations
    above_bound: bool


class Gain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The learned policy against one baseline at equal budget, paired.

    Attributes:
        nrr_points: Difference in net revenue retention, percentage points.
        nrr_relative: The same, relative to the baseline's.
        offer_cost_relative: Difference in offer cost, relative to the baseline's. At equal budget
            both may use up the same cap, so a fall here is money left over, not thrift.
        saving_at_equal_retention: Share of the baseline's offer cost that the learned policy saves
            where its retention is the baseline's, read off its own cost-retention curve over the
            budgets; None where the baseline retains more than the curve reaches, or costs nothing.
        bound_nrr_relative: Greatest `nrr_relative` that the upper bound allows.
        nrr_goal: Verdict on the mission's gain in retention.
        offer_cost_goal: Verdict on the mission's saving at equal retention.
    """

    nrr_points: Interval
    nrr_relative: Interval
    offer_cost_relative: Interval | None
    saving_at_equal_retention: Interval | None
    bound_nrr_relative: float
    nrr_goal: Verdict
    offer_cost_goal: Verdict


class DailyPath(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy's mean path through a period.

    Attributes:
        spent_usd: Money spent on each day, USD per customer.
        contacts: Contacts on each day, per customer.
        multiplier: Multiplier on each day; None for policies without one.
    """

    spent_usd: tuple[float, ...]
    contacts: tuple[float, ...]
    multiplier: tuple[float, ...] | None


class BudgetResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All policies under one budget in the nominal world.

    Attributes:
        budget_share: Budget as a share of the unconstrained spend.
        budget_per_customer: Budget, USD per customer.
        daily_capacity: Most contacts on a day; None for no limit.
        bound: Upper bound on the value over doing nothing, USD per customer.
        bound_nrr: Net revenue retention at the bound.
        multiplier: Multiplier of the budget at the bound, dollars of value per dollar.
        policies: Metrics by policy.
        best_baseline: The seed baseline of highest retention.
        gains: Gains of the learned policy over each baseline, by name.
        paths: Mean daily paths by policy.
    """

    budget_share: float
    budget_per_customer: float
    daily_capacity: int | None
    bound: float
    bound_nrr: float
    multiplier: float
    policies: dict[str, PolicyMetrics]
    best_baseline: str
    gains: dict[str, Gain]
    paths: dict[str, DailyPath]


class ScenarioResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All policies in one true world under one budget.

    Attributes:
        scenario: Name of the scenario.
        says: Difference from what policies believe, in a few words.
        budget_share: Budget that was planned for, as a share of the unconstrained spend.
        budget_per_customer: Budget really given, USD per customer.
        bound: Upper bound on the value over doing nothing in this world, USD per customer.
        policies: Metrics by policy.
    """

    scenario: str
    says: str
    budget_share: float
    budget_per_customer: float
    bound: float
    policies: dict[str, PolicyMetrics]


class PacingEffect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy with and without its pacing controller, paired.

    Attributes:
        on: Share of headroom with pacing.
        off: Share of headroom with the multiplier that fits the nominal world, kept for the whole
            period.
        difference: Headroom with pacing less without, percentage points.
    """

    on: Interval
    off: Interval
    difference: Interval


class MisspecifiedResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One world that policies don't expect, under one budget.

    Attributes:
        scenario: Name of the scenario.
        says: Difference from what policies believe, in a few words.
        budget_share: Budget as a share of the unconstrained spend.
        headroom: Share of headroom of each policy under its own pacing.
        ahead_of_reference: Each policy's headroom less the reference's, percentage points.
        pacing: Effect of pacing, by policy.
    """

    scenario: str
    says: str
    budget_share: float
    headroom: dict[str, Interval]
    ahead_of_reference: dict[str, Interval]
    pacing: dict[str, PacingEffect]


class Misspecified(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All worlds that policies don't expect.

    Attributes:
        reference: The policy that the others are compared with.
        worlds: Results, one for each world and budget.
    """

    reference: str
    worlds: tuple[MisspecifiedResult, ...]


class AblationResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The learned policy without one of its parts, where that part should matter.

    Attributes:
        scenario: Name of the true world.
        budget_share: Budget as a share of the unconstrained spend.
        whole: The whole policy's share of headroom.
        without: The variant's.
        loss: Whole less without, percentage points.
    """

    scenario: str
    budget_share: float
    whole: Interval
    without: Interval
    loss: Interval


class PolicyEvaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole evaluation.

    Attributes:
        simulated: Always true: figures come from the declared assumptions.
        data: "real", or "sample" for generated customers.
        horizon_months: M, the months over which retained revenue counts in every NRR here.
        period_days: T.
        start_on: First day of the period, ISO.
        customers: Number of customers held out from all training.
        replicates: Number of periods played with each of them.
        seed: Seed for the replicates' luck, the same for every policy.
        unconstrained_spend: Spend of the best policy without a budget, USD per customer.
        nothing_nrr: Net revenue retention without any contact.
        roles: Role of each policy.
        budgets: Results in the nominal world without a daily capacity.
        capacity: Result in the nominal world with a daily capacity.
        stress: Results of every scenario and budget.
        misspecified: Results of scenarios whose true world policies don't expect.
        ablations: Results by the part that was taken away.
    """

    simulated: Literal[True]
    data: Literal["real", "sample"]
    horizon_months: float
    period_days: int
    start_on: str
    customers: int
    replicates: int
    seed: int
    unconstrained_spend: float
    nothing_nrr: float
    roles: dict[str, Role]
    budgets: tuple[BudgetResult, ...]
    capacity: BudgetResult
    stress: tuple[ScenarioResult, ...]
    misspecified: Misspecified
    ablations: dict[str, AblationResult]


def encode(evaluation: PolicyEvaluation) -> bytes:
    """Encode the evaluation as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(evaluation), indent=2)


def decode(source: bytes) -> PolicyEvaluation:
    """Read the evaluation that `encode` wrote.

    Raises:
        msgspec.ValidationError: The JSON is none.
    """
    return msgspec.json.decode(source, type=PolicyEvaluation)
