"""The ledger: batches of commands, each batch one durable transaction; records read back."""

from collections.abc import Callable, Sequence
from datetime import datetime
from secrets import randbits

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from churnsaver_serving.live.commands import Command, Observe, Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.deciding import decide
from churnsaver_serving.live.errors import (
    ConflictError,
    LiveError,
    ReleaseUnavailableError,
    UnknownDecisionError,
)
from churnsaver_serving.live.foresight import foresee
from churnsaver_serving.live.limits import (
    cents,
    commit_budget,
    commit_contacts,
    period_of,
    read_budget,
)
from churnsaver_serving.live.outcomes import record_outcomes
from churnsaver_serving.live.pacing import DayPace, read_day_pacing
from churnsaver_serving.live.records import (
    decision_row,
    insert_decisions,
    read_decision,
    stored_answers,
)
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.schemas import DecisionRecord, OutcomeRecord, PacingState

Clock = Callable[[], datetime]
UniformSource = Callable[[int], npt.NDArray[np.float64]]
Result = bytes | OutcomeRecord | LiveError


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
            outcomes = iter(record_outcomes(connection, observed, now) if observed else [])
            answers = iter(self._retain(connection, asked, now) if asked else [])
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
        if decider.pacing is None:
            return PacingState(decider.policy, paced=False, today=None)
        with self.database.read() as connection:
            today = read_day_pacing(connection, decider, self._clock().date())
        return PacingState(decider.policy, paced=True, today=today)

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

    def _retain(
        self, connection: sa.Connection, commands: Sequence[Retain], now: datetime
    ) -> list[bytes | LiveError]:
        keys = [command.idempotency_key for command in commands if command.idempotency_key]
        stored = stored_answers(connection, keys)
        fresh = [command for command in commands if command.idempotency_key not in stored]
        answers = iter(self._decide(connection, fresh, now) if fresh else [])
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
        self, connection: sa.Connection, commands: Sequence[Retain], now: datetime
    ) -> list[bytes]:
        """Decide, and commit what the decisions cost."""
        decider = self._ready()
        budget = read_budget(connection, period_of(now), decider.budget_cents)
        decided = decide(
            connection,
            decider,
            [command.request for command in commands],
            today=now.date(),
            remaining_cents=budget.remaining_cents,
            uniforms=self._uniforms(len(commands)),
            pace=self._pace.of(connection, decider, now, budget),
        )
        remaining = budget.remaining_cents
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
                    remaining_cents=remaining,
                    message=message,
                    answer=answer,
                )
            )
            answers.append(answer)
            remaining -= cents(decision.reserve_usd)
        insert_decisions(connection, rows)
        commit_budget(connection, budget, (row["reserve_cents"] for row in rows))
        commit_contacts(
            connection,
            decided.contacts,
            (one.contact_on for one in decided.decisions if one.contact_on),
        )
        return answers


def uuid7(moment: datetime) -> str:
    """Make a UUID of version 7 (RFC 9562, section 5.7): milliseconds, then 74 random bits."""
    milliseconds = int(moment.timestamp() * 1000)
    random = randbits(74)
    digits = (
        milliseconds << 80 | 0x7 << 76 | random >> 62 << 64 | 0b10 << 62 | random & (1 << 62) - 1
    )
    text = f"{digits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
