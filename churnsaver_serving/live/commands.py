"""Commands to the ledger's writer."""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

import msgspec

from churnsaver_serving.runtime.messages.composer import GeneratedText
from churnsaver_serving.schemas import OutcomeRequest, RetainRequest


@dataclass(frozen=True)
class Retain:
    """A command to decide on a customer.

    Attributes:
        request: The request as received.
        idempotency_key: The caller's idempotency key; None where none was sent.
        generated: The text that a model wrote for it; None where none was asked for.
    """

    request: RetainRequest
    idempotency_key: str | None = None
    generated: GeneratedText | None = None

    @cached_property
    def request_sha256(self) -> str:
        """Return the hash of the request's content; spacing and order of its fields don't count.

        What is null is left out, so that requests from before there were messages still match.
        """
        fields = msgspec.structs.asdict(self.request)
        given = {name: value for name, value in fields.items() if value is not None}
        return hashlib.sha256(msgspec.json.encode(given)).hexdigest()

    @property
    def exclusive(self) -> tuple[Hashable, ...]:
        """Return what no two commands of one batch may share."""
        customer = ("customer", self.request.customer_id)
        return (customer, ("key", self.idempotency_key)) if self.idempotency_key else (customer,)


@dataclass(frozen=True)
class Observe:
    """A command to record an outcome.

    Attributes:
        request: The request as received.
    """

    request: OutcomeRequest

    @property
    def exclusive(self) -> tuple[Hashable, ...]:
        """Return what no two commands of one batch may share."""
        return (("decision", self.request.decision_id),)


Command = Retain | Observe
