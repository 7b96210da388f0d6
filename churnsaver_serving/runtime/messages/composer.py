"""The ladder from a decision to a message: live text, bank message, template, nothing.

Every rung is rendered with the customer's facts and checked as it would be sent. What doesn't pass
falls to the next rung. A message without a first name is the same for everybody, so its verdict is
remembered; a first name is what alone is checked anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.messages.bank import MessageBank, message_id
from churnsaver_serving.runtime.messages.message import Check, Message, Source
from churnsaver_serving.runtime.messages.templates import Templates
from churnsaver_serving.runtime.messages.wording import Wording
from churnsaver_serving.runtime.tokens import token_bound
from churnsaver_serving.runtime.verdict import Checker


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """The answer of a writer that was asked for live text.

    Attributes:
        context: The context that it was asked for.
        body: The body as written; None where there is none.
        failure: Reason why there is no body: "late" or "failed".
        checkpoint: SHA-256 of the model.
    """

    context: MessageContext
    body: str | None
    checkpoint: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A body to try; `tokens` of the whole message without a first name, where known."""

    rung: Source
    id: str
    body: str
    checkpoint: str | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class _Unnamed:
    """A candidate rendered without a first name: its text and the rules it breaks."""

    text: str
    rules: tuple[str, ...]


class Composer:
    """A composer of messages.

    Args:
        wording: Greeting, offer line, signature, opt-out.
        templates: The bodies to fall back to.
        bank: The bodies written beforehand; None for none.
        checker: The rules for what may be sent.
    """

    def __init__(
        self, wording: Wording, templates: Templates, bank: MessageBank | None, checker: Checker
    ) -> None:
        self.wording = wording
        self.templates = templates
        self.bank = bank
        self.checker = checker
        # Holds bank and templates only, so no request can make it grow.
        self._known: dict[tuple[str, str], _Unnamed] = {}

    def compose(
        self,
        context: MessageContext,
        first_name: str | None,
        draw: float,
        generated: GeneratedText | None = None,
    ) -> Message:
        """Compose the first message on the ladder that passes the checks.

        Args:
            context: The context of the message.
            first_name: The customer's first name as the caller sent it; left out where it doesn't
                pass.
            draw: A number in [0, 1) that chooses among the bank's messages of the context, all
                alike.
            generated: The text written for this request; None where none was asked for.

        Returns:
            The message; its text is None where nothing may be sent.
        """
        checks: list[Check] = []
        if first_name is not None:
            verdict = self.checker.check_field("first_name", first_name)
            if not verdict.passed:
                checks.append(Check("first_name", passed=False, rules=verdict.rules))
                first_name = None
        if generated is not None and (unusable := _unusable(generated, context)):
            checks.append(Check("live", passed=False, rules=(unusable,)))
            generated = None
        for candidate in self._ladder(context, draw, generated):
            unnamed = self._unnamed(context, candidate)
            checks.append(Check(candidate.rung, not unnamed.rules, unnamed.rules))
            if unnamed.rules:
                continue
            text, tokens = unnamed.text, candidate.tokens or token_bound(unnamed.text)
            if first_name is not None:
                named, rules = self._named(context, candidate, first_name)
                checks.append(Check("first_name", not rules, rules))
                if not rules:
                    # No more tokens than bytes: the tokenizers in use are byte-level.
                    extra = len(f" {first_name}".encode())
                    text, tokens = named, tokens + extra
            return Message(
                text=text,
                rung=candidate.rung,
                message_id=candidate.id,
                checkpoint=candidate.checkpoint,
                tokens=tokens,
                context=context.key,
                verdicts=tuple(checks),
            )
        return Message(
            text=None,
            rung="none",
            message_id=None,
            checkpoint=None,
            tokens=None,
            context=context.key,
            verdicts=tuple(checks),
        )

    def template_rules(self, context: MessageContext) -> tuple[str, ...]:
        """Return the rules that a template breaks, alone or rendered without a first name."""
        return self._unnamed(context, self._template(context)).rules

    def bank_rules(self, context: MessageContext) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the ids of the context's bank messages, and the rules each breaks."""
        for candidate in self._banked(context):
            yield candidate.id, self._unnamed(context, candidate).rules

    def _ladder(
        self, context: MessageContext, draw: float, generated: GeneratedText | None
    ) -> Iterator[_Candidate]:
        if generated is not None and generated.body is not None:
            yield _Candidate(
                "live",
                message_id(context, generated.body),
                generated.body,
                checkpoint=generated.checkpoint,
            )
        if banked := self._banked(context):
            yield banked[int(draw * len(banked))]
        yield self._template(context)

    def _banked(self, context: MessageContext) -> list[_Candidate]:
        if self.bank is None:
            return []
        return [
            _Candidate("bank", one.id, one.body, self.bank.checkpoint, one.tokens)
            for one in self.bank.of(context)
        ]

    def _template(self, context: MessageContext) -> _Candidate:
        body = self.templates.body(context, self.wording.facts(context))
        return _Candidate("template", message_id(context, body), body)

    def _unnamed(self, context: MessageContext, candidate: _Candidate) -> _Unnamed:
        key = (context.key, candidate.id)
        known = self._known.get(key)
        if known is not None and candidate.rung != "live":
            return known
        alone = self.checker.check_body(candidate.body, context)
        facts = self.wording.facts(context)
        text = self.wording.render(candidate.body, facts, context.channel)
        whole = self.checker.check_message(text, facts, context.channel)
        found = _Unnamed(text, tuple(dict.fromkeys((*alone.rules, *whole.rules))))
        if candidate.rung != "live":
            self._known[key] = found
        return found

    def _named(
        self, context: MessageContext, candidate: _Candidate, first_name: str
    ) -> tuple[str, tuple[str, ...]]:
        facts = self.wording.facts(context, first_name)
        text = self.wording.render(candidate.body, facts, context.channel)
        return text, self.checker.check_message(text, facts, context.channel).rules


def _unusable(generated: GeneratedText, context: MessageContext) -> str | None:
    """Return why a live text is none for this message; None where it is one."""
    if generated.body is None:
        return generated.failure or "failed"
    return None if generated.context == context else "other_context"
