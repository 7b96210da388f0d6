"""Results of an evaluation, as the JSON file states them. Everything here is simulated."""

from typing import Literal

import msgspec

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.decision.evaluation.cells.cell import PROMPT, Truth
from churnsaver_assets.decision.evaluation.cells.played import Violations
from churnsaver_assets.decision.evaluation.contenders import Role
from churnsaver_serving.runtime.manifest import DataLabel


class PolicyFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of one policy in one cell.

    Attributes:
        headroom: Value over no contact, as a share of the upper bound's.
        ahead_of_default: Headroom less the default policy's, paired, percentage points.
        value_usd: Value over no contact, USD for each customer of the first day.
        nrr: Net revenue retention: retained revenue less contacts and discounts, as a share of the
            revenue if nobody left, M monthly charges each.
        spent_by_month: Share of each month's budget that was spent.
        contacts: Contacts a month for each customer of the first day.
        violations: Limits broken.
    """

    headroom: Interval
    ahead_of_default: Interval
    value_usd: Interval
    nrr: Interval
    spent_by_month: tuple[float, ...]
    contacts: float
    violations: Violations


class ServedCell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Policies in service for some months after a burn-in, under one set of conditions.

    Attributes:
        start_month: First scored month, such as 2026-03.
        arrival: The arrival pattern.
        outcomes: `prompt`, or how late answers come and how many never do.
        truth: Whether customers are as the served models have them, or as another family of models.
        budget_per_customer: Budget of a month, USD for each customer of the first day.
        capacity: Most contacts on a day; None for no limit.
        bound_usd: Upper bound on the value over no contact, USD for each customer of the first day.
        bound_gap: Most by which it can be above the least upper bound, as a share of it.
        nothing_nrr: Net revenue retention without any contact.
        spent_share: Share of the months' budgets that the default policy spent.
        default: The policy that a release serves by default.
        policies: Figures by policy.
        spent_by_day: Expected cost of the day's contacts under the default policy, USD for each
            customer of the first day.
        multiplier_by_day: Multiplier in force under the default policy.
    """

    start_month: str
    arrival: str
    outcomes: str
    truth: Truth
    budget_per_customer: float
    capacity: int | None
    bound_usd: float
    bound_gap: float
    nothing_nrr: Interval
    spent_share: float
    default: str
    policies: dict[str, PolicyFigures]
    spent_by_day: tuple[float, ...]
    multiplier_by_day: tuple[float, ...]

    @property
    def prompt(self) -> bool:
        """Return whether answers are reported at once."""
        return self.outcomes == str(PROMPT)


class PriorFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of one policy over worlds drawn from the priors.

    Attributes:
        mean: Mean value over no contact, USD for each customer of the first day.
        p05: The 5th percentile over worlds.
        behind_best: Mean value of the policy with the highest less this one's, paired by world.
    """

    mean: float
    p05: float
    behind_best: Interval


class SeedSpread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One learned policy trained with several seeds, over the same worlds.

    Attributes:
        seeds: Number of training seeds.
        means: Mean value of each, USD for each customer of the first day.
        lowest: The least of them.
        highest: The greatest.
    """

    seeds: int
    means: tuple[float, ...]
    lowest: float
    highest: float


class PacingEffect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy with and without pacing, paired.

    Attributes:
        on: Share of headroom with pacing.
        off: Share of headroom with the multiplier that pacing begins with, kept.
        difference: Headroom with pacing less without, percentage points.
    """

    on: Interval
    off: Interval
    difference: Interval


class WrongWorld(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Policies in a world that they don't expect.

    Attributes:
        says: Difference from what policies believe, in a few words.
        start_month: First scored month.
        arrival: The arrival pattern.
        policies: Figures by policy.
        pacing: Effect of pacing, by policy.
    """

    says: str
    start_month: str
    arrival: str
    policies: dict[str, PolicyFigures]
    pacing: dict[str, PacingEffect]


class TornadoEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The default policy with one assumption at an end of its prior.

    Attributes:
        value: The number there; one for each offer where the assumption has one for each.
        headroom: Headroom less the nominal world's, percentage points.
        contacts: Contacts a month for each customer, less the nominal world's.
        value_usd: Value less the nominal world's, USD for each customer of the first day.
    """

    value: tuple[float, ...]
    headroom: float
    contacts: float
    value_usd: float


class Tornado(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What moves with one assumption.

    Attributes:
        unit: Unit of the assumption.
        believed: Whether policies are told, as with the terms of a contract.
        low: At the lower end of the prior.
        high: At the upper end.
    """

    unit: str
    believed: bool
    low: TornadoEnd
    high: TornadoEnd


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the headroom goes in a cell that misses its target, percentage points, paired.

    Attributes:
        start_month: First scored month.
        arrival: The arrival pattern.
        outcomes: As in `ServedCell`.
        headroom: Share of headroom of the default policy.
        gained: Points gained by the default policy with one part of serving taken away: `reserve`
            (nothing reserved above the mean), `arrival_order` (requests of a day in the order of
            their value), `exploration` (none), `pacing` (the best fixed multiplier in hindsight).
        best_multiplier: That multiplier.
        left: Points still missing with all of `gained`, if those added up: what the policy itself
            loses, and what no policy can reach.
    """

    start_month: str
    arrival: str
    outcomes: str
    headroom: Interval
    gained: dict[str, Interval]
    best_multiplier: float
    left: float


class PolicyEvaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole evaluation.

    Attributes:
        simulated: Always true: figures come from the declared assumptions.
        data: Whether customers are real, or from the generated sample.
        horizon_months: M, the months over which retained revenue counts in every NRR here.
        customers: Number of held-out customers of the first day.
        replicates: Lives played in each cell, with common luck for all policies.
        scored_months: Months scored after the burn-in.
        seed: Seed of everything drawn.
        roles: Kind of each policy.
        default: The policy that a release serves by default: the best over the prior, and of those
            that the prior can't tell from it the simplest.
        today: The policy that was served before.
        budgets: Budgets of a month, USD for each customer, ascending.
        served: Results by cell.
        prior: Figures by policy over worlds drawn from the priors.
        prior_worlds: Number of those worlds.
        prior_customers: Number of customers of the first day in each.
        training_seeds: Spread over training seeds, by learned policy.
        contact_share: Share contacted by multiplier and date, of the same customers.
        misspecified: Results in worlds that policies don't expect, by scenario, then by arrival.
        tornado: What moves with each assumption.
        causes: Where the headroom goes in cells that miss their target.
    """

    simulated: Literal[True]
    data: DataLabel
    horizon_months: float
    customers: int
    replicates: int
    scored_months: int
    seed: int
    roles: dict[str, Role]
    default: str
    today: str
    budgets: tuple[float, ...]
    served: tuple[ServedCell, ...]
    prior: dict[str, PriorFigures]
    prior_worlds: int
    prior_customers: int
    training_seeds: dict[str, SeedSpread]
    contact_share: dict[str, dict[str, float]]
    misspecified: dict[str, dict[str, WrongWorld]]
    tornado: dict[str, Tornado]
    causes: tuple[Cause, ...]

    def by_month(self) -> list[ServedCell]:
        """Return the cells of all starting months: one budget, prompt outcomes, no capacity."""
        middle = self.budgets[len(self.budgets) // 2]
        return [
            cell
            for cell in self.served
            if cell.prompt
            and cell.capacity is None
            and cell.truth == "model"
            and cell.budget_per_customer == middle
        ]


def encode(evaluation: PolicyEvaluation) -> bytes:
    """Encode the evaluation as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(evaluation), indent=2)


def decode(source: bytes) -> PolicyEvaluation:
    """Read the evaluation that `encode` wrote.

    Raises:
        msgspec.ValidationError: The JSON is none.
    """
    return msgspec.json.decode(source, type=PolicyEvaluation)
