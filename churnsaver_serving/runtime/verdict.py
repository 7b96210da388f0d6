"""Verdicts on texts, and the protocol of whoever gives them."""

from typing import Protocol

import msgspec

from churnsaver_serving.runtime.context import MessageChannel, MessageContext
from churnsaver_serving.runtime.facts import Facts


class Breach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule broken.

    Attributes:
        rule: The rule's name.
        found: The part of the text that broke it, at most 40 characters; empty where something is
            missing.
    """

    rule: str
    found: str


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a text may be sent.

    Attributes:
        breaches: The rules broken, each at most once; empty where the text may be sent.
    """

    breaches: tuple[Breach, ...] = ()

    @property
    def passed(self) -> bool:
        """Return whether no rule is broken."""
        return not self.breaches

    @property
    def rules(self) -> tuple[str, ...]:
        """Return the names of the rules broken."""
        return tuple(breach.rule for breach in self.breaches)


class Checker(Protocol):
    """A judge of texts for customers. Safe for concurrent use; never raises on any text."""

    @property
    def sha256(self) -> str:
        """Return the hash of the rules that it judges by."""

    def check_body(self, body: str, context: MessageContext) -> Verdict:
        """Judge a body, before anything is put around it.

        Args:
            body: The body as written.
            context: The context that it was written for.
        """

    def check_message(self, text: str, facts: Facts, channel: MessageChannel) -> Verdict:
        """Judge a whole message, as it would be sent.

        Args:
            text: The rendered message.
            facts: All that it may state.
            channel: The channel that it goes out by.
        """

    def check_field(self, name: str, value: str) -> Verdict:
        """Judge a value from a customer's profile before it goes into a message.

        Args:
            name: The name of the field, said in the verdict.
            value: The value as stored.
        """
