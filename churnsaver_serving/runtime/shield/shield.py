"""The shield: every text that a customer may get passes it."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Self

import msgspec

from churnsaver_serving.runtime.context import MessageChannel, MessageContext, Service
from churnsaver_serving.runtime.facts import Facts
from churnsaver_serving.runtime.shield import contacts, form, relevance
from churnsaver_serving.runtime.shield.amounts import Numbers
from churnsaver_serving.runtime.shield.fields import field_fault
from churnsaver_serving.runtime.shield.language import language, obfuscation
from churnsaver_serving.runtime.shield.names import invented_name
from churnsaver_serving.runtime.shield.phrases import Phrasebook
from churnsaver_serving.runtime.shield.reading import Reading, read
from churnsaver_serving.runtime.shield.required import without_opt_out, without_sender
from churnsaver_serving.runtime.shield.rules import PhraseRule, ShieldRules
from churnsaver_serving.runtime.tokens import token_bound
from churnsaver_serving.runtime.verdict import Breach, Verdict

RULES = (
    "threat", "guilt", "urgency", "profanity", "promise", "number", "discount", "offer", "link",
    "pii", "name", "wrong_service", "wrong_standing", "placeholder", "prompt_echo", "injection",
    "obfuscation",
    "language", "greeting", "shape", "repetition", "reader", "topic", "person", "length", "opt_out",
    "sender", "field",
)  # fmt: skip
"""All rules, in the order in which a verdict names them."""

_BY_PHRASE = ("threat", "guilt", "urgency", "profanity", "promise", "person", "topic")
_FOUND_CHARACTERS = 40
_OPENING = re.compile(r"\A\s*(?:hi|hello|dear|hey)\b[ ]*", re.IGNORECASE)
_GREETED = re.compile(r"([^,\n!.]{0,60})[,!.]\s*")
_SERVICE_WORDS: Mapping[str, Service] = {"fiber": "fiber", "fibre": "fiber", "dsl": "dsl"}


def _verdict(found: Mapping[str, str | None]) -> Verdict:
    return Verdict(
        tuple(
            # What was found may hold lone surrogates, which no JSON file can.
            Breach(rule, text.encode("ascii", "backslashreplace").decode()[:_FOUND_CHARACTERS])
            for rule in RULES
            if (text := found.get(rule)) is not None
        )
    )


def _service_of(plan: str) -> Service | None:
    lower = plan.casefold()
    for word, service in _SERVICE_WORDS.items():
        if word in lower:
            return service
    return "phone" if "phone" in lower else None


class Shield:
    """A judge of texts by rules. Safe for concurrent use; never raises on any text.

    Args:
        rules: The rules to judge by.
        sha256: Hash of the bytes that they were read from.

    Raises:
        ValueError: A phrase can't be read.
    """

    def __init__(self, rules: ShieldRules, sha256: str) -> None:
        self._rules = rules
        self._sha256 = sha256
        about = {"about": PhraseRule(ban=rules.about)}
        self._book = Phrasebook({**rules.phrases, **about})
        self._numbers = Numbers(rules)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Make the shield of a rules file.

        Args:
            data: The file's bytes.

        Raises:
            ValueError: The file doesn't follow `ShieldRules`, or a phrase can't be read.
        """
        try:
            rules = msgspec.json.decode(data, type=ShieldRules)
        except msgspec.MsgspecError as error:
            raise ValueError(
                f"the shield's rules can't be read: {error}; expected the fields of ShieldRules, "
                "as in the packaged rules.json"
            ) from error
        return cls(rules, sha256(data).hexdigest())

    @property
    def sha256(self) -> str:
        """Return the hash of the rules' bytes."""
        return self._sha256

    @property
    def version(self) -> str:
        """Return the rules' version, for people."""
        return self._rules.version

    def check_body(self, body: str, context: MessageContext) -> Verdict:
        """Judge what a model wrote, before anything is put around it.

        Args:
            body: The body as written.
            context: The context that it was written for.
        """
        limits = self._rules.limits
        reading = read(body[: limits.read_characters], self._book)
        found = self._unsafe(reading, context.service, context.offer_pct, None)
        found["wrong_standing"] = reading.phrases.get(f"wrong_standing/{context.standing}")
        found["greeting"] = reading.phrases.get("greeting")
        found["shape"] = (
            f"{len(body)} characters"
            if len(body) > limits.read_characters
            else form.shape(reading, limits)
        )
        found["repetition"] = form.repetition(reading, limits)
        found["reader"] = relevance.reader(reading)
        found["topic"] = relevance.topic(reading)
        found["person"] = relevance.person(reading)
        return _verdict(found)

    def check_message(self, text: str, facts: Facts, channel: MessageChannel) -> Verdict:
        """Judge a whole message, as it would be sent.

        Args:
            text: The rendered message.
            facts: All that it may state.
            channel: The channel it goes out by. The rules are the same for both; a text message may
                not have line breaks.
        """
        limits = self._rules.limits
        kept, has_opt_out = without_opt_out(text[: limits.read_characters], facts)
        kept, has_sender = without_sender(kept, facts)
        kept, stranger = self._without_opening(kept, facts)
        reading = read(kept, self._book)
        found = self._unsafe(reading, _service_of(facts.plan), facts.offer_pct, facts.offer_months)
        if stranger is not None:
            found["name"] = stranger
        tokens = token_bound(text[: limits.read_characters])
        if tokens > limits.message_tokens or len(text) > limits.read_characters:
            found["length"] = f"{tokens} tokens"
        elif channel == "sms" and "\n" in text:
            found["length"] = "line break"
        if facts.offer_pct and not self._numbers.stated(
            reading.lower, facts.offer_pct, facts.offer_months
        ):
            found["offer"] = ""
        found["offer"] = self._numbers.other_percent(reading, facts.offer_pct) or found["offer"]
        found["opt_out"] = reading.phrases.get("opt_out") if has_opt_out else ""
        found["sender"] = None if has_sender else ""
        return _verdict(found)

    def check_field(self, name: str, value: str) -> Verdict:
        """Judge a value from a customer's profile before it goes into a message.

        Args:
            name: Name of the field, said in the verdict.
            value: The value as stored.
        """
        fault = field_fault(value, self._rules, self._book)
        return _verdict({"field": None if fault is None else f"{name}: {fault}"})

    def _unsafe(
        self, reading: Reading, service: Service | None, offer_pct: int, offer_months: int | None
    ) -> dict[str, str | None]:
        """Apply the rules that bodies and messages share."""
        phrases, numbers = reading.phrases, self._numbers
        found: dict[str, str | None] = {rule: phrases.get(rule) for rule in _BY_PHRASE}
        found |= {
            "number": numbers.invented(reading, offer_pct, offer_months),
            "discount": None if offer_pct else phrases.get("discount"),
            "offer": numbers.contradicted(reading, offer_pct),
            "link": contacts.link(reading),
            "pii": contacts.pii(reading),
            "name": invented_name(reading, self._rules.names),
            "wrong_service": relevance.wrong_service(reading, service),
            "placeholder": form.placeholder(reading),
            "prompt_echo": form.prompt_echo(reading),
            "injection": form.injection(reading),
            "obfuscation": obfuscation(reading),
            "language": language(reading, self._rules.language),
        }
        return found

    @staticmethod
    def _without_opening(text: str, facts: Facts) -> tuple[str, str | None]:
        """Return the text after its greeting, and a name in that which isn't the customer's."""
        opening = _OPENING.match(text)
        if opening is None:
            return text, None
        rest = text[opening.end() :]
        if facts.first_name and rest.startswith(facts.first_name):
            rest = rest[len(facts.first_name) :]
        greeted = _GREETED.match(rest)
        if greeted is None:
            return rest, None
        return rest[greeted.end() :], greeted[1].strip() or None
