"""The message files of a release: reading them, and refusing what may not be said."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import TypeVar
from zoneinfo import ZoneInfoNotFoundError

import msgspec

from churnsaver_serving.runtime.context import MessageContext, all_contexts
from churnsaver_serving.runtime.messages.bank import BANK_FILE, MessageBank, message_id
from churnsaver_serving.runtime.messages.composer import Composer
from churnsaver_serving.runtime.messages.sending import SENDING_FILE, Sending
from churnsaver_serving.runtime.messages.templates import TEMPLATES_FILE, Templates
from churnsaver_serving.runtime.messages.wording import WORDING_FILE, Wording
from churnsaver_serving.runtime.verdict import Checker

SHIELD_FILE = "messages/shield.json"
MESSAGES_FOLDER = "messages/"

# Clocks are apart by other hours in summer and in winter.
_DAYS = tuple(date(2026, month, 15) for month in (1, 7))

T = TypeVar("T")


class MessageFilesError(ValueError):
    """Message files that must not be served: names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ReleaseMessages:
    """All that a release says to customers.

    Attributes:
        composer: Composer of messages; every unnamed text it has is checked already.
        sending: Rules on when they may go out.
        bank: SHA-256 of the model that wrote the bank; None without a bank.
        shield: SHA-256 of the rules.
        templates: SHA-256 of the templates' file.
    """

    composer: Composer
    sending: Sending
    bank: str | None
    shield: str
    templates: str


def message_files(
    wording: bytes, templates: bytes, shield: bytes, sending: bytes, bank: bytes | None
) -> dict[str, bytes]:
    """Return the message files of a release, by their paths in it.

    Args:
        wording: A `Wording` as JSON.
        templates: `Templates` as JSON.
        shield: The shield's rules.
        sending: A `Sending` as JSON.
        bank: A `MessageBank` as JSON; None for templates only.
    """
    files = {
        WORDING_FILE: wording,
        TEMPLATES_FILE: templates,
        SHIELD_FILE: shield,
        SENDING_FILE: sending,
    }
    return files if bank is None else files | {BANK_FILE: bank}


def read_messages(
    files: Mapping[str, bytes],
    offers_pct: Sequence[int],
    read_rules: Callable[[bytes], Checker],
) -> ReleaseMessages:
    """Read a release's message files, and check all that they can say without a first name.

    Args:
        files: The release's files by path; those of others are ignored.
        offers_pct: The discounts that may be decided, percent.
        read_rules: Makes what checks the texts from the bytes of `SHIELD_FILE`; raises ValueError
            where they can't be read.

    Raises:
        MessageFilesError: A file is missing or unreadable, or unknown in the folder; the hours
            leave none to write to somebody, or a zone doesn't exist; a template or a bank message
            breaks a rule; the bank was checked by other rules, has contexts that can't occur, or
            an id that isn't its body's.
    """
    known = {WORDING_FILE, TEMPLATES_FILE, SHIELD_FILE, SENDING_FILE, BANK_FILE}
    found = {path for path in files if path.startswith(MESSAGES_FOLDER)}
    if unknown := sorted(found - known):
        raise MessageFilesError(f"{', '.join(unknown)}: no message file; known are {sorted(known)}")
    wording = _decode(files, WORDING_FILE, Wording)
    try:
        checker = read_rules(_file(files, SHIELD_FILE))
    except ValueError as error:
        raise MessageFilesError(f"{SHIELD_FILE} can't be read: {error}") from error
    bank = _decode(files, BANK_FILE, MessageBank) if BANK_FILE in files else None
    composer = Composer(wording, _decode(files, TEMPLATES_FILE, Templates), bank, checker)
    contexts = all_contexts(offers_pct)
    for context in contexts:
        if rules := composer.template_rules(context):
            raise MessageFilesError(
                f"{TEMPLATES_FILE}: the template of {context.key} breaks {', '.join(rules)}"
            )
    if bank is not None:
        _check_bank(bank, composer, {context.key: context for context in contexts})
    return ReleaseMessages(
        composer=composer,
        sending=_sending(files),
        bank=None if bank is None else bank.checkpoint,
        shield=checker.sha256,
        templates=hashlib.sha256(files[TEMPLATES_FILE]).hexdigest(),
    )


def _sending(files: Mapping[str, bytes]) -> Sending:
    """Read the rules of sending, by which every customer can be written to at some hour."""
    sending = _decode(files, SENDING_FILE, Sending)
    for day, zones in product(_DAYS, [sending.zones.every, *sending.zones.states.values()]):
        try:
            spans = sending.hours.spans(day, zones)
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise MessageFilesError(f"{SENDING_FILE}: {error}") from error
        if not spans:
            raise MessageFilesError(
                f"{SENDING_FILE}: no moment of {day} is allowed in all of {', '.join(zones)}: "
                "expected zones with a common hour; shorten the quiet hours"
            )
    return sending


def _check_bank(
    bank: MessageBank, composer: Composer, contexts: Mapping[str, MessageContext]
) -> None:
    """Refuse a bank that doesn't belong to this release or that says what may not be said."""
    if bank.shield != composer.checker.sha256:
        raise MessageFilesError(
            f"{BANK_FILE} passed the rules {bank.shield}, the release has {composer.checker.sha256}"
        )
    if unknown := sorted(set(bank.contexts) - set(contexts)):
        raise MessageFilesError(
            f"{BANK_FILE}: no contexts of this release: {', '.join(unknown[:3])}"
        )
    for key, banked in bank.contexts.items():
        context = contexts[key]
        ids = [one.id for one in banked]
        if ids != [message_id(context, one.body) for one in banked] or len(set(ids)) < len(ids):
            raise MessageFilesError(
                f"{BANK_FILE}: {key} has an id twice, or one that isn't its body's"
            )
        for name, rules in composer.bank_rules(context):
            if rules:
                raise MessageFilesError(
                    f"{BANK_FILE}: message {name} of {key} breaks {', '.join(rules)}"
                )


def _file(files: Mapping[str, bytes], path: str) -> bytes:
    if path not in files:
        raise MessageFilesError(f"{path} is missing: the manifest doesn't name it")
    return files[path]


def _decode(files: Mapping[str, bytes], path: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_file(files, path), type=kind)
    except msgspec.MsgspecError as error:
        raise MessageFilesError(f"{path} can't be read: {error}") from error
