"""The ledger: batches of commands, each batch one durable transaction; records read back."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from secrets import randbits

import numpy as np
import sqlalchemy as sa

from churnsaver_serving.live.commands import Command, Observe, Retain
from churnsaver_serving.live.contacts import Contacts, contact_of
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.deciding import decide
from churnsaver_serving.live.errors import (
    ConflictError,
    LiveError,
    ReleaseUnavailableError,
    UnknownDecisionError,
)
from churnsaver_serving.live.foresight import foresee
from churnsaver_serving.live.outcomes import record_outcomes
from churnsaver_serving.live.pacing import DayPace, read_day_pacing
from churnsaver_serving.live.records import (
    Row,
    decision_row,
    insert_decisions,
    read_decision,
    stored_answers,
)
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.totals.accounts import month_at
from churnsaver_serving.live.totals.days import count_decided
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.effects import daily_hazard, disturbed_hazard
from churnsaver_serving.schemas import DecisionRecord, OutcomeRecord, PacingState

Clock = Callable[[], datetime]
UniformSource = Callable[[int], Floats]
Result = bytes | OutcomeRecord | LiveError

# So many contacts whose answers are no longer waited for are settled with one batch of decisions,
# so that none waits long for a day on which many fall due.
_MOST_EXPIRED = 50


class Ledger:
    """The ledger, which carries commands out.

    Args:
        database: The database that the ledger is in.
        clock: The time, in UTC.
        uniforms: Source of n random numbers in [0, 1).
        decider: The release that decides; None while none can be served.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        uniforms: UniformSource,
        decider: Decider | None = None,
    ) -> None:
        self.database = database
        self.decider = decider
        self._pace = DayPace()
        self._none_overdue_on: date | None = None
        self._clock = clock
        self._uniforms = uniforms

    def process(self, commands: Sequence[Command]) -> list[Result]:
        """Carry out a batch in one transaction, outcomes before decisions.

        Args:
            commands: Commands of which no two share anything in `exclusive`.

        Returns:
            For each command, once it is on disk: the answer's JSON, the outcome's record, or why
            it was refused.

        Raises:
            CommitUnknownError: The commit failed; all was written, or nothing.
            LedgerUnavailableError: The database can't be reached; nothing was written.
        """
        observed = [command for command in commands if isinstance(command, Observe)]
        asked = [command for command in commands if isinstance(command, Retain)]
        with self.database.write() as connection:
            now = self._clock()
            limit = None if self.decider is None else self.decider.budget_cents
            contacts = Contacts(connection, now, limit)
            outcomes = iter(self._observe(connection, contacts, observed) if observed else [])
            answers = iter(self._retain(connection, contacts, asked) if asked else [])
        return [next(outcomes if isinstance(one, Observe) else answers) for one in commands]

    def read(self, decision_id: str) -> DecisionRecord:
        """Read a recorded decision.

        Raises:
            UnknownDecisionError: No decision has that id.
            LedgerUnavailableError: The database can't be reached.
        """
        with self.database.read() as connection:
            record = read_decision(connection, decision_id)
        if record is None:
            raise UnknownDecisionError(f"no decision {decision_id}")
        return record

    def pacing(self) -> PacingState:
        """Return how the policy that decides is paced.

        Raises:
            ReleaseUnavailableError: No release is loaded.
            LedgerUnavailableError: The database can't be reached.
        """
        decider = self._ready()
        with self.database.read() as connection:
            today = read_day_pacing(connection, decider, self._clock().date())
        return PacingState(decider.policy, today)

    def foresee(self, command: Retain) -> MessageContext | None:
        """Return the context that a text is to be written for meanwhile; see `foresight`.

        Raises:
            ReleaseUnavailableError: No release is loaded.
            LedgerUnavailableError: The database can't be reached.
        """
        decider = self._ready()
        with self.database.read() as connection:
            return foresee(connection, decider, command, self._clock())

    def _ready(self) -> Decider:
        if self.decider is None:
            raise ReleaseUnavailableError("no release is loaded")
        return self.decider

    def _observe(
        self, connection: sa.Connection, contacts: Contacts, commands: Sequence[Observe]
    ) -> list[OutcomeRecord | LiveError]:
        rest_days = None if self.decider is None else self.decider.rules.accepted_rest_days
        results = record_outcomes(connection, contacts, commands, rest_days)
        contacts.flush()
        return results

    def _retain(
        self, connection: sa.Connection, contacts: Contacts, commands: Sequence[Retain]
    ) -> list[bytes | LiveError]:
        keys = [command.idempotency_key for command in commands if command.idempotency_key]
        stored = stored_answers(connection, keys)
        fresh = [command for command in commands if command.idempotency_key not in stored]
        answers = iter(self._decide(connection, contacts, fresh) if fresh else [])
        results: list[bytes | LiveError] = []
        for command in commands:
            earlier = stored.get(command.idempotency_key or "")
            if earlier is None:
                results.append(next(answers))
            elif earlier.request_sha256 == command.request_sha256:
                results.append(earlier.answer)
            else:
                results.append(
                    ConflictError(
                        "Idempotency-Key", "the key was used before, with another request"
                    )
                )
        return results

    def _decide(
        self, connection: sa.Connection, contacts: Contacts, commands: Sequence[Retain]
    ) -> list[bytes]:
        """Decide, and book what was decided."""
        decider, now = self._ready(), contacts.now
        self._expire(contacts, decider, [command.request.customer_id for command in commands])
        accounts = contacts.accounts.read(map(month_at, decider.possible_days(now)))
        decided = decide(
            connection,
            decider,
            [command.request for command in commands],
            now=now,
            accounts=accounts,
            uniforms=self._uniforms(len(commands)),
            pace=self._pace.of(connection, decider, now, contacts.accounts),
        )
        contacts.accounts.put(accounts)
        rows, answers = [], []
        for command, customer, decision in zip(
            commands, decided.customers, decided.decisions, strict=True
        ):
            decision_id = uuid7(now)
            message = decider.message(
                decision_id, now, command.request, decision, command.generated
            )
            answer = decider.answer(decision_id, now, customer, decision, message)
            rows.append(
                decision_row(
                    decision_id,
                    now,
                    command,
                    customer,
                    decision,
                    decider=decider,
                    message=message,
                    answer=answer,
                )
            )
            answers.append(answer)
        insert_decisions(connection, rows)
        _count(connection, contacts, decider.engine.world, decided.customers, rows)
        contacts.flush()
        return answers

    def _expire(self, contacts: Contacts, decider: Decider, customer_ids: list[str]) -> None:
        """Settle the customers' contacts that are overdue and, until none is left today, others."""
        others = 0 if self._none_overdue_on == contacts.today else _MOST_EXPIRED
        found = contacts.expire(customer_ids, decider.rules.answer_days, others)
        contacts.flush()
        if others and not found:
            self._none_overdue_on = contacts.today


def _count(
    connection: sa.Connection,
    contacts: Contacts,
    world: World,
    asked: Sequence[Customer],
    rows: Sequence[Row],
) -> None:
    """Count new decisions in the totals; their money is in the accounts already."""
    p_churn = np.array([row["p_churn"] for row in rows])
    hazard = daily_hazard(world, p_churn)
    raised = disturbed_hazard(world, hazard, p_churn, np.ones(len(rows)))
    remembered_after = contacts.today - timedelta(days=round(world.refusal_days))
    for at, (row, before) in enumerate(zip(rows, asked, strict=True)):
        customer = contacts.customers.change(row["customer_id"])
        silent = not (row["contact"] or before.history.waiting or customer.churned)
        untouched = silent and before.history.last_contact_on is None
        refused = silent and (customer.refused_on or date.min) > remembered_after
        customer.asked(
            contacts.today,
            contacts.tallies,
            untouched_hazard=float(hazard[at]) if untouched else 0.0,
            refused_hazard=float(raised[at]) if refused else 0.0,
        )
    booked = [contact_of(row) for row in rows if row["contact"]]
    for contact in booked:
        contacts.book(contact)
    count_decided(
        connection,
        contacts.today,
        decisions=len(rows),
        contacts=len(booked),
        booked_cents=sum(contact.commitment.mean_cents for contact in booked),
    )


def uuid7(moment: datetime) -> str:
    """Make a UUID of version 7 (RFC 9562, section 5.7): milliseconds, then 74 random bits."""
    milliseconds = int(moment.timestamp() * 1000)
    random = randbits(74)
    digits = (
        milliseconds << 80 | 0x7 << 76 | random >> 62 << 64 | 0b10 << 62 | random & (1 << 62) - 1
    )
    text = f"{digits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
