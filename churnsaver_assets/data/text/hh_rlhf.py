"""Reader of HH-RLHF: pairs of transcripts that differ in the assistant's last turn."""

from __future__ import annotations

import re
from typing import Final

from churnsaver_assets.data.errors import TableError
from churnsaver_assets.data.text.completions import Completion, Reading, Role, Turn
from churnsaver_assets.data.text.reading import Fields, json_lines

_FIELDS: Fields = {"chosen": str, "rejected": str}
_LAST: Final = "\n\nAssistant:"
_TURN: Final = re.compile(r"\n\n(Human|Assistant):")
_ROLES: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}


def read_hh_rlhf(content: bytes, where: str) -> Reading:
    """Read both last replies with the transcript before them.

    Rows whose transcripts differ before the last reply are dropped and counted: it can't be told
    what was compared.
    """
    reading = Reading()
    for place, row in json_lines(content, where, _FIELDS):
        before, chosen = _split(row["chosen"], f"{place}, chosen")
        other, rejected = _split(row["rejected"], f"{place}, rejected")
        if before != other:
            reading.dropped["text before the last reply differs"] += 1
            continue
        messages = _conversation(before, place)
        if messages[-1].role != "user":
            reading.dropped["no human turn before the last reply"] += 1
            continue
        reading.completions.append(Completion(messages, chosen, rejected))
    return reading


def _split(transcript: str, place: str) -> tuple[str, str]:
    before, found, reply = transcript.rpartition(_LAST)
    if not found:
        raise TableError(f"{place}: expected an 'Assistant:' turn, found {transcript[:60]!r}")
    return before, reply


def _conversation(transcript: str, place: str) -> tuple[Turn, ...]:
    opening, *parts = _TURN.split(transcript)
    if opening.strip() or not parts or parts[0] != "Human":
        raise TableError(
            f"{place}: expected the transcript to open with 'Human:', found {transcript[:60]!r}"
        )
    turns: list[Turn] = []
    for speaker, text in zip(parts[::2], parts[1::2], strict=True):
        role = _ROLES[speaker]
        if turns and turns[-1].role == role:  # upstream has a few such; they are one turn
            turns[-1] = Turn(role, f"{turns[-1].content}\n\n{text.strip()}")
        else:
            turns.append(Turn(role, text.strip()))
    return tuple(turns)
