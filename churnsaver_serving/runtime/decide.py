"""Decisions: customers and what they share in, actions with their scores and reasons out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.acceptance import AcceptanceModel
from churnsaver_serving.runtime.actions import NO_CONTACT, ActionSpace
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.constraints import (
    Constraint,
    Mask,
    SharedState,
    binding,
    customer_masks,
    shared_masks,
)
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.policy import Draw, Observation, Policy, act
from churnsaver_serving.runtime.reasons import RiskDriver, strongest_drivers
from churnsaver_serving.runtime.rules import Rules
from churnsaver_serving.runtime.scores import ScoringModel
from churnsaver_serving.runtime.value import reserve_usd, whole_cents

Floats = npt.NDArray[np.float64]

Cause = Literal["policy", "exploration"]


class Decision(msgspec.Struct, frozen=True):
    """One customer's decision with everything that led to it.

    Attributes:
        action: index in the action space.
        contact: whether to contact.
        offer_pct: discount offered, percent; 0 without contact.
        delay_days: days until the contact; 0 without contact.
        contact_on: day of the contact; None without contact.
        p_churn: calibrated probability to leave within a month.
        p_accept: of each offer, at the chosen delay (without contact: at the shortest).
        cause: whether the policy's own choice was drawn or exploration's.
        constraint: the rule that kept the policy from what it wanted; None where none did.
        drivers: strongest drivers of the risk.
        reserve_usd: most that the action can cost; committed at the decision.
        propensity: probability with which the action was drawn.
        uniform: the random number it was drawn with.
        eligible: indices of the actions that the rules allowed.
        probabilities: of the actions in `eligible`, in that order.
        context: the encoded risk features, in the encoder's order.
    """

    action: int
    contact: bool
    offer_pct: int
    delay_days: int
    contact_on: date | None
    p_churn: float
    p_accept: dict[int, float]
    cause: Cause
    constraint: Constraint | None
    drivers: tuple[RiskDriver, ...]
    reserve_usd: float
    propensity: float
    uniform: float
    eligible: tuple[int, ...]
    probabilities: tuple[float, ...]
    context: tuple[float, ...]


class DecisionEngine:
    """The decision path: encode, score, mask, choose.

    Args:
        risk: churn within a month.
        acceptance: acceptance of an offer.
        policy: chooses among the eligible actions.
        space: the joint actions.
        world: the declared effects.
        rules: the constraints.
    """

    def __init__(
        self,
        *,
        risk: ScoringModel,
        acceptance: AcceptanceModel,
        policy: Policy,
        space: ActionSpace,
        world: World,
        rules: Rules,
    ) -> None:
        self.risk = risk
        self.acceptance = acceptance
        self.policy = policy
        self.space = space
        self.world = world
        self.rules = rules

    def decide(
        self,
        customers: Sequence[Customer],
        shared: SharedState,
        today: date,
        uniforms: Floats,
    ) -> list[Decision]:
        """Decide for customers one after the other, each seeing what those before it committed.

        Args:
            customers: distinct customers, n of them.
            shared: budget and capacity before the first of them.
            today: the day of the decision (UTC).
            uniforms: random numbers in [0, 1), shape (n,).

        Returns:
            n decisions, in the order of the customers.
        """
        if not customers:
            return []
        scored = _Scored(self, customers, today)
        if _ample(scored.reserve, shared):
            # Nobody can use up what is shared, so everyone sees the same masks: one array step.
            masks = scored.masks | shared_masks(scored.reserve, shared, self.space)
            return scored.decisions(slice(None), masks, uniforms)
        decisions: list[Decision] = []
        for row in range(len(customers)):
            at = slice(row, row + 1)
            own = {name: mask[at] for name, mask in scored.masks.items()}
            masks = own | shared_masks(scored.reserve[at], shared, self.space)
            decision = scored.decisions(at, masks, uniforms[at])[0]
            shared = _after(shared, decision, self.space)
            decisions.append(decision)
        return decisions


class _Scored:
    """Scores of a batch, and its decisions under given masks."""

    def __init__(self, engine: DecisionEngine, customers: Sequence[Customer], today: date) -> None:
        self.engine = engine
        self.customers = customers
        self.today = today
        profiles = [customer.profile for customer in customers]
        encoder = engine.risk.encoder
        self.table = {
            field.name: [getattr(profile, field.name) for profile in profiles]
            for field in encoder.spec.fields
        }
        self.context = encoder.encode(self.table)
        self.contributions = engine.risk.contributions(self.context)
        charge = np.array([profile.monthly_charges_usd for profile in profiles])
        self.observation = Observation(
            p_churn=engine.risk.probability(self.context),
            p_accept=engine.acceptance.predict(customers, today, engine.space, engine.world),
            monthly_charge_usd=charge,
            eligible=np.ones((len(customers), engine.space.size), dtype=np.bool_),
            space=engine.space,
            world=engine.world,
        )
        self.reserve = reserve_usd(charge, engine.space, engine.world)
        self.masks = customer_masks(customers, today, engine.space, engine.rules)

    def decisions(
        self, at: slice, masks: dict[Constraint, Mask], uniforms: Floats
    ) -> list[Decision]:
        """Decisions of the rows `at`, whose masks and random numbers are given."""
        engine = self.engine
        unconstrained = self.observation.rows(at)
        eligible = np.logical_and.reduce(list(masks.values()))
        observation = replace(unconstrained, eligible=eligible)
        draw = act(engine.policy, observation, uniforms, engine.rules.exploration)
        wanted = (
            draw.greedy
            if eligible.all()
            else engine.policy.probabilities(unconstrained).argmax(axis=1)
        )
        rows = range(len(self.customers))[at]
        return [
            self._decision(
                row,
                draw,
                index,
                eligible=eligible[index],
                uniform=float(uniforms[index]),
                constraint=binding(int(wanted[index]), int(draw.greedy[index]), masks, index),
            )
            for index, row in enumerate(rows)
        ]

    def _decision(
        self,
        row: int,
        draw: Draw,
        index: int,
        *,
        eligible: Mask,
        uniform: float,
        constraint: Constraint | None,
    ) -> Decision:
        """Row `row` of the batch, which is row `index` of the draw."""
        space = self.engine.space
        action = int(draw.action[index])
        contact = action != NO_CONTACT
        delay = int(space.delay_days[action])
        at_delay = space.delays_days.index(delay) if contact else 0
        allowed = np.flatnonzero(eligible)
        return Decision(
            action=action,
            contact=contact,
            offer_pct=int(space.offer_pct[action]),
            delay_days=delay,
            contact_on=self.today + timedelta(days=delay) if contact else None,
            p_churn=float(self.observation.p_churn[row]),
            p_accept=dict(
                zip(
                    space.offers_pct,
                    self.observation.p_accept[row, at_delay].tolist(),
                    strict=True,
                )
            ),
            cause="policy" if action == draw.greedy[index] else "exploration",
            constraint=constraint,
            drivers=strongest_drivers(
                self.engine.risk.encoder, self.table, self.contributions[row], row
            ),
            reserve_usd=float(self.reserve[row, action]),
            propensity=float(draw.propensity[index]),
            uniform=uniform,
            eligible=tuple(allowed.tolist()),
            probabilities=tuple(draw.probabilities[index, allowed].tolist()),
            context=tuple(self.context[row].tolist()),
        )


def _ample(reserve: Floats, shared: SharedState) -> bool:
    """Whether the whole batch at its most expensive leaves budget and capacity unexhausted."""
    worst = whole_cents(reserve.max(axis=1)).sum()
    affordable = worst <= whole_cents(shared.budget_remaining_usd)
    return bool(affordable) and min(shared.capacity_left) >= len(reserve)


def _after(shared: SharedState, decision: Decision, space: ActionSpace) -> SharedState:
    """What is left once the decision is committed."""
    if not decision.contact:
        return shared
    used = space.delays_days.index(decision.delay_days)
    return SharedState(
        budget_remaining_usd=shared.budget_remaining_usd - decision.reserve_usd,
        capacity_left=tuple(
            left - (position == used) for position, left in enumerate(shared.capacity_left)
        ),
    )
