"""One running server's parts, wired together from its settings."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from churnsaver_serving.live.batcher import Batcher
from churnsaver_serving.live.commands import Observe, Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.errors import LiveError, NotReadyError, ReleaseUnavailableError
from churnsaver_serving.live.ledger import Clock, Ledger, UniformSource
from churnsaver_serving.live.served import ServedRelease
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.schema import check_revision
from churnsaver_serving.runtime.messages.generation import Generation, Writer
from churnsaver_serving.runtime.messages.writers import WriterError, open_writer
from churnsaver_serving.schemas import DecisionRecord, OutcomeRecord, PacingState, Readiness
from churnsaver_serving.settings import Settings


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Service:
    """A server's release, ledger, and the writer between them.

    Args:
        settings: The server's settings.
        clock: The time, in UTC.
        uniforms: Source of n random numbers in [0, 1); by default from the system's entropy.
        writer: Writer of live text; by default the model that the settings name, if they do.

    Attributes:
        generation: Thread that asks the writer of live text; None where none is written.
        generation_reason: Sentence that says why none is written although a model is named.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = utc_now,
        uniforms: UniformSource | None = None,
        writer: Writer | None = None,
    ) -> None:
        self.settings = settings
        self.database = Database(settings.ledger_url(), timeout_s=settings.request_deadline_s)
        self.served = ServedRelease(
            settings.release_directory,
            allow_sample=settings.allow_sample,
            policy=settings.policy,
        )
        self.ledger = Ledger(
            self.database, clock=clock, uniforms=uniforms or np.random.default_rng().random
        )
        self._clock = clock
        self.generation: Generation | None = None
        self.generation_reason: str | None = None
        self._writer = writer
        self._batcher = Batcher(
            self.ledger.process,
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            deadline_s=settings.request_deadline_s,
        )

    def start(self) -> None:
        """Load the release, if it can be loaded, and start the writer. Call from the event loop."""
        release = self.served.load()
        if release is not None:
            self.ledger.decider = Decider(
                release,
                policy=release.baseline if self.settings.force_baseline else self.settings.policy,
                overrides={
                    "budget_usd": self.settings.budget_usd,
                    "customers": self.settings.customers,
                    "daily_capacity": self.settings.daily_capacity,
                    "exploration": self.settings.exploration,
                },
            )
        self._start_generation()
        self._batcher.start()

    def _start_generation(self) -> None:
        """Open the writer of live text; where that fails the bank answers, and nothing stops."""
        directory, writer = self.settings.live_model, self._writer
        try:
            if writer is None and directory is not None:
                writer = open_writer(directory, limit_s=self.settings.live_deadline_s)
        except WriterError as error:
            self.generation_reason = str(error)
        if writer is not None:
            self.generation = Generation(writer)
            self.generation.start()

    async def stop(self) -> None:
        """Answer what waits, then let go of the database."""
        await self._batcher.stop()
        if self.generation is not None:
            self.generation.stop()
        self.database.close()

    async def retain(self, command: Retain) -> bytes:
        """Decide on a customer; the answer's JSON, once the decision is on disk.

        Raises:
            CommitUnknownError: The decision may or may not be recorded.
            LiveError: Nothing was decided.
        """
        asked = time.monotonic()
        self._check_loaded()
        if self.generation is not None:
            command = await self._with_text(
                command, self.generation, asked + self.settings.live_deadline_s
            )
        answer: bytes = await self._batcher.submit(command)
        return answer

    async def _with_text(self, command: Retain, generation: Generation, deadline: float) -> Retain:
        """Add a text written for the command, or why there is none.

        Once the deadline passes the command stays as it is. No transaction is open meanwhile.
        """
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0.0)):
                context = await asyncio.to_thread(self.ledger.foresee, command)
        except (TimeoutError, LiveError):
            return command
        if context is None:
            return command
        return replace(command, generated=await generation.write(context, deadline))

    async def observe(self, command: Observe) -> OutcomeRecord:
        """Record an outcome.

        Raises:
            CommitUnknownError: The outcome may or may not be recorded.
            LiveError: Nothing was recorded.
        """
        record: OutcomeRecord = await self._batcher.submit(command)
        return record

    async def read(self, decision_id: str) -> DecisionRecord:
        """Read a recorded decision.

        Raises:
            LiveError: No decision has that id, or the ledger can't be read.
        """
        return await asyncio.to_thread(self.ledger.read, decision_id)

    async def pacing(self) -> PacingState:
        """Return how the policy that decides is paced today.

        Raises:
            LiveError: No release is loaded, or the ledger can't be read.
        """
        self._check_loaded()
        return await asyncio.to_thread(self.ledger.pacing)

    def _check_loaded(self) -> None:
        if self.ledger.decider is None:
            self.served.check()  # says why
            raise ReleaseUnavailableError("the release is still being loaded")

    async def readiness(self) -> Readiness:
        """Check that the release is as it was verified, and the ledger reachable and up to date.

        Raises:
            NotReadyError: A part is not ready; the message names it.
        """
        return await asyncio.to_thread(self._readiness)

    def _readiness(self) -> Readiness:
        wrong: dict[str, str] = {}
        revision = ""
        try:
            self.served.check()
        except LiveError as error:
            wrong["release"] = str(error)
        try:
            revision = check_revision(self.database)
        except LiveError as error:
            wrong["ledger"] = str(error)
        decider = self.ledger.decider
        if decider is not None:
            holidays = decider.calendar.holidays
            if not holidays.covers(self._clock().date()):
                wrong["holidays"] = (
                    f"the release knows those of {holidays.first_year} to {holidays.last_year} "
                    "alone, so nobody is contacted; widen holidays.years and make another"
                )
        if wrong or decider is None:
            raise NotReadyError(wrong or {"release": "the release is still being loaded"})
        return Readiness(
            status="ready",
            release=decider.release.id,
            data=decider.data,
            policy=decider.policy,
            policies=tuple(decider.release.policies),
            ledger_revision=revision,
        )
