"""The message files of a release: what doesn't belong together, or may not be said, is refused."""

import hashlib
from datetime import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from upath import UPath

from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.engine.release import ACTIONS_FILE, Release, load_release
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.messages.bank import BANK_FILE, BankedMessage, MessageBank
from churnsaver_serving.runtime.messages.files import (
    SHIELD_FILE,
    MessageFilesError,
    message_files,
    read_messages,
)
from churnsaver_serving.runtime.messages.quiet_hours import QuietHours, Zones
from churnsaver_serving.runtime.messages.sending import SENDING_FILE, Sending, default_sending
from churnsaver_serving.runtime.messages.templates import TEMPLATES_FILE
from churnsaver_serving.runtime.messages.wording import WORDING_FILE
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from churnsaver_serving.runtime.shield.shield import Shield
from churnsaver_serving.runtime.verified import ReleaseError
from tests.support.serving.messages import BODIES, CHECKPOINT, OFFERS, banked, messages, small_bank
from tests.support.serving.release import release_files, save_release

FIBER = MessageContext("fiber", "new", 10, "warm", "email")


def with_bank(**changes: Any) -> dict[str, bytes]:
    bank = msgspec.structs.replace(small_bank(), **changes)
    return messages() | {BANK_FILE: msgspec.json.encode(bank)}


def with_messages(*entries: BankedMessage, key: str = FIBER.key) -> dict[str, bytes]:
    return with_bank(contexts={key: entries})


def test_files_of_a_release() -> None:
    files = messages()
    names = (WORDING_FILE, TEMPLATES_FILE, SHIELD_FILE, SENDING_FILE)
    assert set(files) == {*names, BANK_FILE}
    assert message_files(*(files[name] for name in names), None) == messages(bank=False)
    read = read_messages(files, OFFERS, Shield.from_bytes)
    assert read.bank == CHECKPOINT
    assert read.shield == hashlib.sha256(files[SHIELD_FILE]).hexdigest()
    assert read.templates == hashlib.sha256(files[TEMPLATES_FILE]).hexdigest()


def test_everything_unnamed_is_checked_when_it_is_loaded() -> None:
    composer = read_messages(messages(), OFFERS, Shield.from_bytes).composer
    bank = sum(len(entries) for entries in small_bank().contexts.values())
    assert len(composer._known) == bank + 3 * 3 * 4 * 3 * 2
    before = dict(composer._known)
    assert composer.compose(FIBER, None, 0.5).rung == "bank"
    assert composer._known == before


def test_release_without_a_bank(
    risk: ScoringModel, acceptance: AcceptanceModel, tmp_path: Path
) -> None:
    directory = save_release(UPath(tmp_path), release_files(risk, acceptance, bank=False))
    release = load_release(directory)
    assert release.messages.bank is None
    assert release.composer().compose(FIBER, "Ana", 0.0).rung == "template"


def test_release_with_a_bank(release: Release) -> None:
    assert release.messages.bank == CHECKPOINT
    message = release.composer().compose(FIBER, None, 0.0)
    assert (message.rung, message.checkpoint) == ("bank", CHECKPOINT)


@pytest.mark.parametrize("path", [WORDING_FILE, TEMPLATES_FILE, SHIELD_FILE])
def test_missing_file(files: dict[str, bytes], tmp_path: Path, path: str) -> None:
    parts = {name: data for name, data in files.items() if name != path}
    with pytest.raises(ReleaseError, match=f"{path} is missing"):
        save_release(UPath(tmp_path), parts)


@pytest.mark.parametrize("path", [WORDING_FILE, TEMPLATES_FILE, SHIELD_FILE, BANK_FILE])
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"surprise": 1}'])
def test_unreadable_file(path: str, data: bytes) -> None:
    with pytest.raises(MessageFilesError, match=f"{path} can't be read"):
        read_messages(messages() | {path: data}, OFFERS, Shield.from_bytes)


def test_unknown_file() -> None:
    with pytest.raises(MessageFilesError, match=r"messages/other\.json: no message file"):
        read_messages(messages() | {"messages/other.json": b"{}"}, OFFERS, Shield.from_bytes)


def test_bank_that_passed_other_rules() -> None:
    with pytest.raises(MessageFilesError, match=f"passed the rules {'0' * 64}"):
        read_messages(with_bank(shield="0" * 64), OFFERS, Shield.from_bytes)


@pytest.mark.parametrize(
    "key", ["fiber/new/15/warm/email", "fiber/new/010/warm/email", "satellite/new/10/warm/email"]
)
def test_bank_with_contexts_that_cannot_occur(key: str) -> None:
    with pytest.raises(MessageFilesError, match=f"no contexts of this release: {key}"):
        read_messages(with_messages(*banked(FIBER, *BODIES), key=key), OFFERS, Shield.from_bytes)


def test_bank_for_offers_that_are_not_made(files: dict[str, bytes], tmp_path: Path) -> None:
    """The action space is the release's own."""
    other = {ACTIONS_FILE: msgspec.json.encode(ActionSpace(offers_pct=(0, 5, 10, 15)))}
    with pytest.raises(ReleaseError, match="no contexts of this release: fiber/new/20"):
        save_release(UPath(tmp_path), files | other)


def test_ids_that_are_not_the_bodies() -> None:
    first, second = banked(FIBER, *BODIES[:2])
    swapped = msgspec.structs.replace(first, id=second.id)
    for entries in ((swapped,), (first, first)):
        with pytest.raises(MessageFilesError, match=f"{FIBER.key} has an id twice, or one that"):
            read_messages(with_messages(*entries), OFFERS, Shield.from_bytes)


@pytest.mark.parametrize(
    "body",
    [
        "Stay with us and get 50% off your bill. We would love to keep you.",
        "Visit www.example.com to see what is new. We would love to keep you.",
        "If you leave now you will regret it forever, so stay with us.",
    ],
)
def test_bank_message_that_may_not_be_sent(body: str) -> None:
    [entry] = banked(FIBER, body)
    with pytest.raises(MessageFilesError, match=f"message {entry.id} of {FIBER.key} breaks [a-z]"):
        read_messages(with_messages(entry), OFFERS, Shield.from_bytes)


def test_template_that_may_not_be_sent() -> None:
    templates = msgspec.json.decode(messages()[TEMPLATES_FILE])
    templates["no_offer"]["plain"] = "Keep your {plan} and get 50% off."
    with pytest.raises(
        MessageFilesError, match=r"the template of fiber/new/0/plain/email breaks [a-z]"
    ):
        read_messages(
            messages() | {TEMPLATES_FILE: msgspec.json.encode(templates)}, OFFERS, Shield.from_bytes
        )


def test_empty_bank_answers_with_templates() -> None:
    bank: MessageBank = msgspec.structs.replace(small_bank(), contexts={FIBER.key: ()})
    files = messages() | {BANK_FILE: msgspec.json.encode(bank)}
    assert (
        read_messages(files, OFFERS, Shield.from_bytes).composer.compose(FIBER, None, 0.9).rung
        == "template"
    )


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"hours": QuietHours(start=time(8, 30))}, "no moment"),
        ({"zones": Zones("test", {"ZZ": ("Mars/Olympus",)})}, "Mars/Olympus"),
        ({"zones": Zones("test", {})}, "no zones"),
    ],
)
def test_hours_that_leave_none_are_refused(changes: dict[str, Any], match: str) -> None:
    sending = msgspec.structs.replace(
        msgspec.json.decode(default_sending(), type=Sending), **changes
    )
    files = messages() | {SENDING_FILE: msgspec.json.encode(sending)}
    with pytest.raises(MessageFilesError, match=match):
        read_messages(files, OFFERS, Shield.from_bytes)
