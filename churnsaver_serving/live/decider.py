"""A release as this server runs it: its decision path under the rules in force."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.context import MessageContext, context_of
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.engine.choice import SharedLimits
from churnsaver_serving.runtime.engine.decide import ContactDays
from churnsaver_serving.runtime.engine.decision import Decision, Pace
from churnsaver_serving.runtime.engine.release import CHURN_RISK, OFFER_ACCEPTANCE, Release
from churnsaver_serving.runtime.limits.account import Account
from churnsaver_serving.runtime.limits.contact_days import ContactCalendar, Location
from churnsaver_serving.runtime.messages.composer import GeneratedText
from churnsaver_serving.runtime.messages.message import Message, MessageRequest
from churnsaver_serving.runtime.policies.pacing import Pacing as PacingController
from churnsaver_serving.runtime.policies.value import whole_cents
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
        policy: Name of the policy that decides; by default the release's own choice.
        overrides: Rules in place of the release's own, by name; None leaves one as it is.

    Attributes:
        policy: Name of the policy that decides.
        pacing: Controller of the day's prices.
        calendar: Days and hours at which customers may be contacted.

    Raises:
        UnknownPolicyError: The release has no policy of that name.
    """

    def __init__(
        self,
        release: Release,
        *,
        policy: str | None = None,
        overrides: dict[str, Any] | None = None,
    ) -> None:
        given = {name: value for name, value in (overrides or {}).items() if value is not None}
        self.release = release
        self.rules = msgspec.structs.replace(release.rules, **given)
        self.policy = policy or release.default
        self.engine = release.engine(policy=self.policy, rules=self.rules)
        self.pacing = PacingController(release.pacing, self.rules.customers)
        self.data = release.manifest.data
        self.budget_cents = int(whole_cents(self.rules.budget_usd))
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
        self._delays_days = self.engine.space.delays_days
        self._encoder = msgspec.json.Encoder()

    def possible_days(self, now: datetime) -> list[date]:
        """Return every day on which a contact decided now may fall, wherever the customer is."""
        today = now.astimezone(UTC).date()
        # Somewhere it is still yesterday, or tomorrow already.
        return [today + timedelta(days=ahead) for ahead in range(-1, self._delays_days[-1] + 2)]

    @staticmethod
    def location(request: RetainRequest) -> Location:
        """Return the zone and state that a request names."""
        wanted = request.message or _ANY_MESSAGE
        return wanted.time_zone, wanted.state

    def contact_days(self, locations: Sequence[Location], now: datetime) -> ContactDays:
        """Return the days on which customers at those places may be contacted."""
        return ContactDays(*self.calendar.days_of(locations, now, self._delays_days))

    def decide(
        self,
        customers: Sequence[Customer],
        locations: Sequence[Location],
        now: datetime,
        accounts: dict[int, Account],
        contacts: Mapping[date, int],
        uniforms: Floats,
        pace: Pace,
    ) -> list[Decision]:
        """Decide on a batch.

        Args:
            customers: The n customers, all distinct.
            locations: Their places, length n.
            now: The time.
            accounts: The account of each month (`choice.month_of`) of the `possible_days`; changed
                to what is left afterwards.
            contacts: Contacts already booked, by day; days without any may be missing.
            uniforms: Random numbers in [0, 1), shape (n,).
            pace: The day's prices and belief.
        """
        capacity = self.rules.daily_capacity
        shared = SharedLimits(
            accounts,
            {
                day.toordinal(): max(capacity - contacts.get(day, 0), 0)
                for day in self.possible_days(now)
            },
            self.rules.reserve_deviations,
        )
        return self.engine.decide(
            customers, self.contact_days(locations, now), shared, uniforms, pace
        )

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
                    constraints=decision.constraints,
                    only_no_contact=decision.only_no_contact,
                ),
                policy=self.policy,
                pacing=Pacing(
                    decision.pace.multiplier,
                    Belief(*decision.pace.belief),
                    decision.pace.capacity_price_usd,
                ),
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
