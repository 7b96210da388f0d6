"""Decisions: from customers and what they share to actions with their scores and reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.engine.choice import Choices, Judged, SharedLimits, choose
from churnsaver_serving.runtime.engine.decision import Decision, Pace
from churnsaver_serving.runtime.engine.ruled_out import constraints_of
from churnsaver_serving.runtime.engine.scored import Scored
from churnsaver_serving.runtime.limits.account import Commitments
from churnsaver_serving.runtime.limits.actions import NO_CONTACT, ActionSpace
from churnsaver_serving.runtime.limits.constraints import allowed_days
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.limits.standing import Standing
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.policy import Policy
from churnsaver_serving.runtime.policies.value import one_step_value
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.ageing import risk_ahead
from churnsaver_serving.runtime.scoring.reasons import RiskDriver, strongest_drivers
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.effects import discount_usd


@dataclass(frozen=True, slots=True)
class ContactDays:
    """The days on which n customers may be contacted, by their own calendars.

    Attributes:
        today: The customers' own today, ordinals, shape (n,).
        open_days: Whether a message may go out there on the day after each delay, shape (n, D).
    """

    today: Ints
    open_days: Bools


class DecisionEngine:
    """The decision path: score, apply the rules, judge the day that they leave, choose.

    Args:
        risk: Model of churn within a month.
        acceptance: Model of the acceptance of an offer.
        policy: Policy that judges contacts.
        space: The joint actions.
        world: The declared effects.
        rules: The rules that contacts must keep.
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

    def score(self, customers: Sequence[Customer], today: Ints, pace: Pace) -> Scored:
        """Score n customers.

        Args:
            customers: The n customers.
            today: The customers' own today, ordinals, shape (n,).
            pace: Multiplier and belief.
        """
        table = self.table(customers)
        context = self.risk.encoder.encode(table)
        return Scored(
            customers=customers,
            standing=Standing.of(customers),
            today=today,
            table=table,
            context=context,
            risk=risk_ahead(
                self.risk,
                table,
                context,
                np.array([one.profile.monthly_charges_usd for one in customers]),
            ),
            acceptance=self.acceptance,
            plain=self.acceptance.base(customers),
            offers_pct=self.space.offers_pct,
            world=self.world,
            pace=pace,
        )

    def observe(
        self, customers: Sequence[Customer], today: Ints, wait_days: Ints, pace: Pace
    ) -> Observation:
        """Observe n customers as the policy sees them on a day, whatever the rules say of it.

        Args:
            customers: The n customers.
            today: The customers' own today, ordinals, shape (n,).
            wait_days: Days from then to the day of the contact, shape (n,).
            pace: Multiplier and belief.
        """
        return self.score(customers, today, pace).observe(np.arange(len(customers)), wait_days)

    def judge(self, observation: Observation) -> Judged:
        """Judge contacts: by the policy, by value, and by the money that they commit."""
        return Judged(
            preferences=self.policy.preferences(observation),
            values=one_step_value(observation),
            commitments=self.commitments(observation),
        )

    def commitments(self, observation: Observation) -> Commitments:
        """Return the money that contacts commit."""
        return Commitments.of(
            self.world.contact_cost_usd,
            discount_usd(self.world, observation.monthly_charge_usd, self.space.offers_pct),
            observation.p_accept,
        )

    def decide(
        self,
        customers: Sequence[Customer],
        days: ContactDays,
        shared: SharedLimits,
        uniforms: Floats,
        pace: Pace,
        *,
        explained: bool = True,
    ) -> list[Decision]:
        """Decide for customers one after the other, each seeing what those before it committed.

        Args:
            customers: The n customers, all distinct.
            days: The days on which they may be contacted.
            shared: Budget and capacity before the first of them; changed to what is left after
                the last.
            uniforms: Random numbers in [0, 1), shape (n,).
            pace: Multiplier and belief, the same for all of them.
            explained: Whether the decisions name the drivers of the risk, which takes time.

        Returns:
            n decisions, in the order of the customers.
        """
        if not customers:
            return []
        scored = self.score(customers, days.today, pace)
        delays = np.asarray(self.space.delays_days)
        allowed = allowed_days(
            scored.standing, days.today, days.open_days, self.space.delays_days, self.rules
        )
        choices = choose(
            lambda rows, position: self.judge(scored.observe(rows, delays[position])),
            np.logical_and.reduce(list(allowed.values())),
            days.today,
            self.space,
            shared,
            uniforms,
            exploration=self.rules.exploration,
            margin_usd=self.rules.exploration_margin_usd,
        )
        observation = scored.observe(
            np.arange(len(customers)), delays[np.maximum(choices.position, 0)]
        )
        batch = _Batch(
            scored=scored,
            choices=choices,
            uniforms=uniforms,
            observation=observation,
            commitments=self.commitments(observation),
            space=self.space,
        )
        constraints = constraints_of(
            self.policy, scored, allowed, choices, observation, batch.commitments
        )
        drivers = self._drivers(scored) if explained else [()] * len(customers)
        return [batch.decision(row, constraints[row], drivers[row]) for row in range(len(drivers))]

    def _drivers(self, scored: Scored) -> list[tuple[RiskDriver, ...]]:
        contributions = self.risk.contributions(scored.context)
        return [
            strongest_drivers(self.risk.encoder, scored.table, contributions[row], row)
            for row in range(len(contributions))
        ]


@dataclass(frozen=True, slots=True)
class _Batch:
    """What was chosen for n customers, and what they looked like on the day that was judged."""

    scored: Scored
    choices: Choices
    uniforms: Floats
    observation: Observation
    commitments: Commitments
    space: ActionSpace

    def decision(
        self, row: int, constraints: tuple[Any, ...], drivers: tuple[RiskDriver, ...]
    ) -> Decision:
        """Make the decision of one row."""
        choices, space = self.choices, self.space
        action = int(choices.action[row])
        contact = action != NO_CONTACT
        delay = int(space.delay_days[action])
        greedy, offers = int(choices.greedy[row]), len(space.offers_pct)
        drawn = (action - 1) % offers + 1 if contact else NO_CONTACT
        affordable = choices.affordable[row]
        offered = np.flatnonzero(affordable)
        first = 1 + int(choices.position[row]) * offers
        chances = choices.probabilities[row, np.concatenate([[0], 1 + offered])]
        return Decision(
            action=action,
            contact=contact,
            offer_pct=int(space.offer_pct[action]),
            delay_days=delay,
            contact_on=date.fromordinal(int(self.scored.today[row]) + delay) if contact else None,
            p_churn=float(self.observation.p_churn[row]),
            p_accept=dict(
                zip(space.offers_pct, self.observation.p_accept[row].tolist(), strict=True)
            ),
            cause="policy" if drawn == greedy else "exploration",
            constraints=constraints,
            only_no_contact=not affordable.any(),
            drivers=drivers,
            commitment=self.commitments.one(row, drawn - 1) if contact else None,
            propensity=float(choices.propensity[row]),
            uniform=float(self.uniforms[row]),
            eligible=(NO_CONTACT, *(first + offered).tolist()),
            probabilities=tuple(chances.tolist()),
            context=tuple(self.scored.context[row].tolist()),
            pace=self.scored.pace,
            remaining_cents=int(choices.remaining_cents[row]),
        )
