"""What an evaluation finds, as the JSON file states it. Everything here is simulated."""

from typing import Literal

import msgspec

from churnsaver_assets.common.estimates import Interval

Role = Literal["learned", "variant", "planner", "baseline"]

# `met` and `missed`: the interval is on one side of the goal. `impossible`: not even the bound
# reaches it. `open`: the interval holds the goal.
Verdict = Literal["met", "open", "missed", "impossible"]


class Violations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Constraints broken.

    Attributes:
        overspent: replicates whose budget was exceeded.
        cooldown_breaches: contacts within the cooldown, all replicates.
        over_capacity_days: days with more contacts than the capacity, all replicates.
        fatigue_over_cap: share of customers whom the policy would contact beyond the fatigue cap
            if no mask kept it from that; None for policies that don't say.
    """

    overspent: int
    cooldown_breaches: int
    over_capacity_days: int
    fatigue_over_cap: float | None


class PolicyMetrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy under one budget in one world.

    Attributes:
        headroom: value over doing nothing, as a share of the bound's.
        nrr: net revenue retention: retained revenue less contacts and discounts, over starting.
        offer_cost: spent on contacts and discounts, USD per customer.
        contact_rate: contacts per customer.
        roi: value over doing nothing, net of cost, per dollar of cost; None where nothing was
            spent.
        budget_spent: share of the budget really spent.
        violations: of constraints.
        above_bound: the value exceeds the bound by more than luck explains.
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
        nrr_points: difference in net revenue retention, percentage points.
        nrr_relative: the same, relative to the baseline's.
        offer_cost_relative: difference in offer cost, relative to the baseline's. At equal budget
            both may use up the same cap, so a fall here is money left over, not thrift.
        saving_at_equal_retention: by how much the learned policy's offer cost is lower where its
            retention is the baseline's, read off its own cost-retention curve over the budgets;
            None where the baseline retains more than the curve reaches, or costs nothing.
        bound_nrr_relative: what the bound allows in place of `nrr_relative`.
        nrr_goal: whether the mission's gain in retention is reached.
        offer_cost_goal: whether the mission's saving is, at equal retention.
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
        spent_usd: on each day, per customer.
        contacts: on each day, per customer.
        multiplier: on each day; None for policies without one.
    """

    spent_usd: tuple[float, ...]
    contacts: tuple[float, ...]
    multiplier: tuple[float, ...] | None


class BudgetResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All policies under one budget in the nominal world.

    Attributes:
        budget_share: of the unconstrained spend.
        budget_per_customer: USD.
        daily_capacity: most contacts on a day; None for no limit.
        bound: upper bound on the value over doing nothing, USD per customer.
        bound_nrr: net revenue retention at the bound.
        multiplier: of the budget at the bound, dollars of value per dollar.
        policies: by name.
        best_baseline: the seed baseline of highest retention.
        gains: of the learned policy over each baseline, by name.
        paths: by policy.
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
        scenario: its name.
        says: what differs.
        budget_share: planned for, of the unconstrained spend.
        budget_per_customer: really given, USD.
        bound: on the value over doing nothing in this world, USD per customer.
        policies: by name.
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
        on: share of headroom with it.
        off: with the multiplier that fits the nominal world, kept for the whole period.
        difference: on less off, percentage points.
    """

    on: Interval
    off: Interval
    difference: Interval


class MisspecifiedResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One world that policies don't expect, under one budget.

    Attributes:
        scenario: its name.
        says: what differs.
        budget_share: of the unconstrained spend.
        headroom: of each policy under its own pacing.
        ahead_of_reference: each policy's headroom less the reference's, percentage points.
        pacing: with and without, by policy.
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
        reference: the policy that the others are compared with.
        worlds: one for each world and budget.
    """

    reference: str
    worlds: tuple[MisspecifiedResult, ...]


class AblationResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The learned policy without one of its parts, where that part should matter.

    Attributes:
        scenario: the true world.
        budget_share: of the unconstrained spend.
        whole: the whole policy's share of headroom.
        without: the variant's.
        loss: whole less without, percentage points.
    """

    scenario: str
    budget_share: float
    whole: Interval
    without: Interval
    loss: Interval


class PolicyEvaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole evaluation.

    Attributes:
        simulated: always; see the declared assumptions.
        data: real or sample.
        horizon_months: M, the months over which retained revenue counts in every NRR here.
        period_days: T.
        start_on: first day of the period, ISO.
        customers: held out from all training.
        replicates: periods played with each of them.
        seed: of the replicates' luck, the same for every policy.
        unconstrained_spend: what the best policy spends without a budget, USD per customer.
        nothing_nrr: net revenue retention without any contact.
        roles: of each policy.
        budgets: nominal world, without a daily capacity.
        capacity: nominal world, with one.
        stress: every scenario and budget.
        misspecified: scenarios whose true world policies don't expect.
        ablations: by the part that was taken away.
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
    """As indented JSON."""
    return msgspec.json.format(msgspec.json.encode(evaluation), indent=2)


def decode(source: bytes) -> PolicyEvaluation:
    """What `encode` wrote.

    Raises:
        msgspec.ValidationError: the JSON is none.
    """
    return msgspec.json.decode(source, type=PolicyEvaluation)
