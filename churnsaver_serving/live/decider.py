"""A release as this server runs it: its decision path under the rules in force."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from churnsaver_serving.live.limits import cents
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.constraints import SharedState
from churnsaver_serving.runtime.contact_days import ContactCalendar
from churnsaver_serving.runtime.context import MessageContext, context_of
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.decision import Decision, Pace
from churnsaver_serving.runtime.learned import LearnedPolicy
from churnsaver_serving.runtime.messages.composer import GeneratedText
from churnsaver_serving.runtime.messages.message import Message, MessageRequest
from churnsaver_serving.runtime.release import CHURN_RISK, OFFER_ACCEPTANCE, Release
from churnsaver_serving.runtime.value import whole_cents
from churnsaver_serving.schemas import (
    Action,
    Belief,
    Pacing,
    Reasons,
    ReleaseRef,
    RetainAnswer,
    RetainRequest,
    Scores,
)

_ANY_MESSAGE = MessageRequest()


class Decider:
    """A release that decides, and that says in its answers what decided.

    Args:
        release: The release, verified and loaded.
        baseline: True to decide by the release's baseline policy.
        overrides: Rules in place of the release's own, by name; None leaves one as it is.

    Attributes:
        policy: Name of the policy that decides.
        pacing: Pacing of that policy; None where it has none.
        calendar: Days and hours at which customers may be contacted.
    """

    def __init__(
        self,
        release: Release,
        *,
        baseline: bool = False,
        overrides: dict[str, Any] | None = None,
    ) -> None:
        given = {name: value for name, value in (overrides or {}).items() if value is not None}
        self.release = release
        self.rules = msgspec.structs.replace(release.rules, **given)
        self.engine = release.engine(baseline=baseline, rules=self.rules)
        policy = self.engine.policy
        self.policy = policy.name
        self.pacing = policy.pacing if isinstance(policy, LearnedPolicy) else None
        self.data = release.manifest.data
        self.budget_cents = int(whole_cents(self.rules.budget_usd))
        self._contact_cents = -int(whole_cents(-self.engine.world.contact_cost_usd))
        self._reference = ReleaseRef(
            id=release.id,
            churn_risk=release.model_hash(CHURN_RISK),
            offer_acceptance=release.model_hash(OFFER_ACCEPTANCE),
            messages=release.messages.bank,
        )
        self._composer = release.composer()
        self.calendar = ContactCalendar(
            release.messages.sending, release.holidays, self.rules.contact_weekdays
        )
        self._encoder = msgspec.json.Encoder()

    def contact_days(self, today: date) -> list[date]:
        """Return the days on which a contact decided today may fall, in order of the delays."""
        return [today + timedelta(days=delay) for delay in self.engine.space.delays_days]

    def decide(
        self,
        customers: Sequence[Customer],
        *,
        remaining_cents: int,
        contacts: dict[date, int],
        today: date,
        uniforms: Floats,
        pace: Pace,
    ) -> list[Decision]:
        """Decide on a batch.

        Args:
            customers: The n customers, all distinct.
            remaining_cents: What is left of the month's budget.
            contacts: Contacts already decided, by day; days without any may be missing.
            today: The day of the decision (UTC).
            uniforms: Random numbers in [0, 1), shape (n,).
            pace: The day's multiplier and belief.
        """
        left = tuple(
            max(self.rules.daily_capacity - contacts.get(day, 0), 0)
            for day in self.contact_days(today)
        )
        shared = SharedState(budget_remaining_usd=remaining_cents / 100, capacity_left=left)
        return self.engine.decide(customers, shared, today, uniforms, pace)

    def discount_cents(self, decision: Decision) -> int:
        """Return the part of a decision's reserve that a refusal gives back."""
        return max(cents(decision.reserve_usd) - self._contact_cents, 0) if decision.contact else 0

    def message_context(self, request: RetainRequest, decision: Decision) -> MessageContext | None:
        """Return the context that a message is to be written for; None without contact."""
        if not decision.contact:
            return None
        wanted = request.message or _ANY_MESSAGE
        return context_of(
            request.profile, decision.offer_pct, tone=wanted.tone, channel=wanted.channel
        )

    def message(
        self,
        decision_id: str,
        decided_at: datetime,
        request: RetainRequest,
        decision: Decision,
        generated: GeneratedText | None = None,
    ) -> Message | None:
        """Compose what the customer is told, and between when; None without contact.

        The bank's message is drawn by the decision's id, so the policy's random number, whose
        propensity is logged, has no part in it.

        Args:
            decision_id: The decision's id.
            decided_at: Moment of the decision, with a zone.
            request: The request as received.
            decision: The decision on the request.
            generated: The text that a model wrote for it; None where none was asked for.
        """
        context = self.message_context(request, decision)
        if context is None or decision.contact_on is None:
            return None
        wanted = request.message or _ANY_MESSAGE
        message = self._composer.compose(context, wanted.first_name, _draw(decision_id), generated)
        if message.text is None:
            return message
        window = self.calendar.window(
            decision.contact_on, decided_at, wanted.time_zone, wanted.state
        )
        return msgspec.structs.replace(message, send=window)

    def answer(
        self,
        decision_id: str,
        decided_at: datetime,
        customer: Customer,
        decision: Decision,
        message: Message | None,
    ) -> bytes:
        """Encode the answer to a decision's caller as JSON."""
        return self._encoder.encode(
            RetainAnswer(
                decision_id=decision_id,
                customer_id=customer.customer_id,
                decided_at=decided_at,
                decision=Action(
                    contact=decision.contact,
                    offer_pct=decision.offer_pct,
                    delay_days=decision.delay_days,
                    contact_on=decision.contact_on,
                ),
                scores=Scores(
                    p_churn=decision.p_churn,
                    p_accept={str(offer): p for offer, p in decision.p_accept.items()},
                ),
                reasons=Reasons(
                    risk=decision.drivers,
                    cause=decision.cause,
                    constraint=decision.constraint,
                ),
                policy=self.policy,
                pacing=Pacing(decision.pace.multiplier, Belief(*decision.pace.belief)),
                propensity=decision.propensity,
                release=self._reference,
                data=self.data,
                message=message,
            )
        )


def _draw(decision_id: str) -> float:
    """Return a number in [0, 1) that a decision's id fixes: the first 53 bits of its sha256."""
    digest = hashlib.sha256(decision_id.encode()).digest()
    return (int.from_bytes(digest[:8]) >> 11) / 2**53
