"""Readers of OASST1: upstream's message trees, and the mirror's tables made of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, Final

from churnsaver_assets.data.errors import TableError
from churnsaver_assets.data.text.completions import Completion, Reading, Role, Turn
from churnsaver_assets.data.text.reading import Fields, Row, checked, json_lines, parquet_rows

_NONE: Final = type(None)
_ROLES: dict[str, Role] = {"prompter": "user", "assistant": "assistant"}
_TREE: Fields = {"message_tree_id": str, "tree_state": str, "prompt": dict}
_MESSAGE: Fields = {"message_id": str, "text": str, "role": str, "lang": str}
_OPTIONAL: Fields = {
    "replies": list,
    "rank": (int, _NONE),
    "deleted": (bool, _NONE),
    "synthetic": (bool, _NONE),
    "review_result": (bool, _NONE),
}
_READY = "ready_for_export"
_FIRST_RANK_LAST = 10**6  # a message without a rank stands behind those with one


def read_trees_best(content: bytes, where: str) -> Reading:
    """Read each user message with the best-ranked reply to it."""
    reading = Reading()
    for path, replies in _prompts(content, where, reading):
        ranked = sorted(replies, key=_rank)
        if len(ranked) > 1 and ranked[0].get("rank") is None:
            reading.dropped["replies not ranked"] += 1
            continue
        reading.completions.append(Completion(path, ranked[0]["text"]))
    return reading


def read_trees_ranks(content: bytes, where: str) -> Reading:
    """Read each two sibling replies with different ranks, the better one first."""
    reading = Reading()
    for path, replies in _prompts(content, where, reading):
        if len(replies) < 2:  # noqa: PLR2004 - two make a pair
            reading.dropped["one reply only"] += 1
        for first, second in itertools.combinations(sorted(replies, key=_rank), 2):
            ranks = (first.get("rank"), second.get("rank"))
            if None in ranks or ranks[0] == ranks[1]:
                reading.dropped["replies not ranked"] += 1
                continue
            reading.completions.append(Completion(path, first["text"], second["text"]))
    return reading


def _rank(message: Row) -> int:
    rank = message.get("rank")
    return _FIRST_RANK_LAST if rank is None else int(rank)


def _prompts(
    content: bytes, where: str, reading: Reading
) -> Iterator[tuple[tuple[Turn, ...], list[Row]]]:
    """Yield each English conversation that ends with a user's turn, and its usable replies."""
    for place, tree in json_lines(content, where, _TREE):
        if tree["tree_state"] != _READY:
            reading.dropped["tree not ready for export"] += 1
            continue
        root = _message(tree["prompt"], place, "prompter")
        if not _usable(root):
            reading.dropped["tree's opening not English, deleted or synthetic"] += 1
            continue
        # Trees are up to a hundred messages deep: a stack of our own, no recursion.
        open_turns: list[tuple[tuple[Turn, ...], Row]] = [((), root)]
        while open_turns:
            before, message = open_turns.pop()
            path = (*before, Turn(_ROLES[message["role"]], message["text"]))
            expected = "assistant" if message["role"] == "prompter" else "prompter"
            replies = [_message(one, place, expected) for one in message.get("replies") or []]
            usable = [reply for reply in replies if _usable(reply)]
            reading.dropped["message not English, deleted or synthetic"] += len(replies) - len(
                usable
            )
            if message["role"] == "prompter" and usable:
                yield path, usable
            open_turns.extend((path, reply) for reply in usable)


def _message(value: object, place: str, role: str) -> Row:
    message = checked(value, place, _MESSAGE)
    checked(message, place, {name: kind for name, kind in _OPTIONAL.items() if name in message})
    if message["role"] != role:
        raise TableError(
            f"{place}: message {message['message_id']}: expected role {role!r}, "
            f"found {message['role']!r}"
        )
    return message


def _usable(message: Row) -> bool:
    return (
        message["lang"] == "en"
        and not message.get("deleted")
        and not message.get("synthetic")
        and message.get("review_result") is not False
    )


_PAIRS: Fields = {
    "context_json": str,
    "prompt": str,
    "best_reply": str,
    "best_in_final_release": (bool, _NONE),
}
_PREFERENCES: Fields = {
    "context_json": str,
    "prompt": str,
    "chosen": str,
    "rejected": str,
    "chosen_rank": int,
    "rejected_rank": int,
}
_INFERRED: Fields = {"prompt": str, "reply": str}


def read_pairs(content: bytes, where: str) -> Reading:
    """Read the mirror's best replies that are still the best ones in the final release."""
    reading = Reading()
    for place, row in parquet_rows(content, where, _PAIRS):
        if row["best_in_final_release"] is not True:
            reading.dropped["not known to be the best reply in the final release"] += 1
            continue
        reading.completions.append(Completion(_conversation(row, place), row["best_reply"]))
    return reading


def read_preferences(content: bytes, where: str) -> Reading:
    """Read the mirror's ranked sibling pairs."""
    reading = Reading()
    for place, row in parquet_rows(content, where, _PREFERENCES):
        if row["chosen_rank"] >= row["rejected_rank"]:
            raise TableError(
                f"{place}: expected chosen_rank below rejected_rank, found {row['chosen_rank']} "
                f"and {row['rejected_rank']}"
            )
        messages = _conversation(row, place)
        reading.completions.append(Completion(messages, row["chosen"], row["rejected"]))
    return reading


def read_inferred(content: bytes, where: str) -> Reading:
    """Read the mirror's inferred pairs."""
    rows = parquet_rows(content, where, _INFERRED)
    return Reading([Completion((Turn("user", row["prompt"]),), row["reply"]) for _, row in rows])


def _conversation(row: Row, place: str) -> tuple[Turn, ...]:
    try:
        context: Any = json.loads(row["context_json"])
    except ValueError as error:
        raise TableError(f"{place}: expected context_json to be JSON, found {error}") from error
    turns = []
    for position, one in enumerate(context):
        message = checked(one, f"{place}, context_json", {"role": str, "text": str})
        expected = ("prompter", "assistant")[position % 2]
        if message["role"] != expected:
            raise TableError(
                f"{place}: turn {position + 1} of context_json: expected role {expected!r}, "
                f"found {message['role']!r}"
            )
        turns.append(Turn(_ROLES[expected], message["text"]))
    if len(turns) % 2:
        raise TableError(f"{place}: expected context_json to end with the assistant's turn")
    return (*turns, Turn("user", row["prompt"]))
