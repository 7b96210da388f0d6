"""Decisions: from customers and shared limits to actions with their scores and reasons."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from churnsaver_serving.runtime.acceptance import AcceptanceModel, days_since_contact
from churnsaver_serving.runtime.actions import NO_CONTACT, ActionSpace
from churnsaver_serving.runtime.arrays import Bools, Floats, Floats32, Ints
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.constraints import (
    Constraint,
    SharedState,
    binding,
    customer_masks,
    shared_masks,
)
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.decision import Decision, Pace
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.period import days_left
from churnsaver_serving.runtime.policy import Draw, Policy, act
from churnsaver_serving.runtime.reasons import strongest_drivers
from churnsaver_serving.runtime.rules import Rules
from churnsaver_serving.runtime.scores import ScoringModel
from churnsaver_serving.runtime.value import reserve_usd, whole_cents


class DecisionEngine:
    """The decision path: encode, score, mask, choose.

    Args:
        risk: Model of churn within a month.
        acceptance: Model of the acceptance of an offer.
        policy: Policy that chooses among the eligible actions.
        space: The joint actions.
        world: The declared effects.
        rules: The constraints.
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

    def table(self, customers: Sequence[Customer]) -> dict[str, list[Any]]:
        """Return the customers' raw values of the risk model's fields."""
        profiles = [customer.profile for customer in customers]
        return {
            field.name: [getattr(profile, field.name) for profile in profiles]
            for field in self.risk.encoder.spec.fields
        }

    def observe(
        self,
        customers: Sequence[Customer],
        today: date,
        pace: Pace,
        context: Floats32 | None = None,
    ) -> Observation:
        """Observe n customers as the policy sees them, before any rule: every action is eligible.

        Args:
            customers: The n customers.
            today: The day of the decision (UTC).
            pace: Multiplier and belief.
            context: The customers' encoded risk features, where they are at hand.
        """
        n = len(customers)
        since = days_since_contact(customers, today)
        if context is None:
            context = self.risk.encoder.encode(self.table(customers))
        return Observation(
            p_churn=self.risk.probability(context),
            p_accept=np.stack(
                [
                    self.acceptance.predict(
                        customers, since + delay, self.world, self.space.offers_pct
                    )
                    for delay in self.space.delays_days
                ],
                axis=1,
            ),
            monthly_charge_usd=np.array([one.profile.monthly_charges_usd for one in customers]),
            days_left=np.full(n, days_left(today, self.world.period_days)),
            days_since_contact=since,
            contacts_in_window=np.array(
                [one.history.contacts_in_window for one in customers], dtype=np.float64
            ),
            multiplier=np.full(n, pace.multiplier),
            belief=np.tile(pace.belief, (n, 1)),
            eligible=np.ones((n, self.space.size), dtype=np.bool_),
            space=self.space,
            world=self.world,
        )

    def decide(
        self,
        customers: Sequence[Customer],
        shared: SharedState,
        today: date,
        uniforms: Floats,
        pace: Pace,
    ) -> list[Decision]:
        """Decide for customers one after the other, each seeing what those before it committed.

        Args:
            customers: The n customers, all distinct.
            shared: Budget and capacity before the first of them.
            today: The day of the decision (UTC).
            uniforms: Random numbers in [0, 1), shape (n,).
            pace: Multiplier and belief, the same for all of them.

        Returns:
            n decisions, in the order of the customers.
        """
        if not customers:
            return []
        scored = _Scored(self, customers, today, pace)
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

    def __init__(
        self, engine: DecisionEngine, customers: Sequence[Customer], today: date, pace: Pace
    ) -> None:
        self.engine = engine
        self.today = today
        self.pace = pace
        self.table = engine.table(customers)
        self.context = engine.risk.encoder.encode(self.table)
        self.contributions = engine.risk.contributions(self.context)
        self.observation = engine.observe(customers, today, pace, self.context)
        charge = self.observation.monthly_charge_usd
        self.reserve = reserve_usd(charge, engine.space, engine.world)
        self.masks = customer_masks(customers, today, engine.space, engine.rules)

    @cached_property
    def wanted(self) -> Ints:
        """Return what the policy would do if every action were eligible, shape (n,)."""
        wanted: Ints = self.engine.policy.probabilities(self.observation).argmax(axis=1)
        return wanted

    def decisions(
        self, at: slice, masks: dict[Constraint, Bools], uniforms: Floats
    ) -> list[Decision]:
        """Make the decisions of the rows `at`, whose masks and random numbers are given."""
        engine = self.engine
        eligible = np.logical_and.reduce(list(masks.values()))
        observation = replace(self.observation.rows(at), eligible=eligible)
        draw = act(engine.policy, observation, uniforms, engine.rules.exploration)
        wanted = draw.greedy if eligible.all() else self.wanted[at]
        rows = range(len(self.reserve))[at]
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
        eligible: Bools,
        uniform: float,
        constraint: Constraint | None,
    ) -> Decision:
        """Make the decision of row `row` of the batch, which is row `index` of the draw."""
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
            pace=self.pace,
        )


def _ample(reserve: Floats, shared: SharedState) -> bool:
    """Return whether the batch at its most expensive leaves budget and capacity unexhausted."""
    worst = whole_cents(reserve.max(axis=1)).sum()
    affordable = worst <= whole_cents(shared.budget_remaining_usd)
    return bool(affordable) and min(shared.capacity_left) >= len(reserve)


def _after(shared: SharedState, decision: Decision, space: ActionSpace) -> SharedState:
    """Return what is left once the decision is committed."""
    if not decision.contact:
        return shared
    used = space.delays_days.index(decision.delay_days)
    return SharedState(
        budget_remaining_usd=shared.budget_remaining_usd - decision.reserve_usd,
        capacity_left=tuple(
            left - (position == used) for position, left in enumerate(shared.capacity_left)
        ),
    )
