"""Leaves out, and counts, completions that are empty, foreign, repeated or contradictory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from churnsaver_assets.data.text.completions import Completion, Turn
from churnsaver_assets.data.text.language import is_english
from churnsaver_assets.data.text.splits import normal, prompt_id

if TYPE_CHECKING:
    from churnsaver_assets.data.text.completions import TextTable

Key = tuple[str, str, str]


def key_of(completion: Completion) -> Key:
    """Return a key that is equal for completions that differ in case and white space only."""
    return prompt_id(completion.messages), normal(completion.reply), normal(completion.rejected)


def clean(
    sources: Mapping[str, list[Completion]], table: TextTable
) -> tuple[dict[str, list[Completion]], dict[str, Counter[str]]]:
    """Return the usable completions without repetitions.

    What repeats another completion in all but case and white space is dropped; the one of the first
    source is kept, and of one source the first in alphabetical order: so the order of rows does
    not matter. Two pairs that say the opposite of each other are both dropped.

    Args:
        sources: Completions by source, the source to be preferred first.
        table: The table that the completions are for.

    Returns:
        Completions by source, sorted; and for each source, reason to number of rows dropped.
    """
    kept: dict[str, list[Completion]] = {}
    dropped: dict[str, Counter[str]] = {}
    seen: set[Key] = set()
    for name, completions in sources.items():
        counts = dropped[name] = Counter()
        kept[name] = []
        for completion in sorted(map(_stripped, completions)):
            reason = _unusable(completion, table)
            key = key_of(completion)
            if reason is None and key in seen:
                reason = "repeated"
            if reason is not None:
                counts[reason] += 1
                continue
            seen.add(key)
            kept[name].append(completion)
    if table == "preference_pairs":
        for name, completions in kept.items():
            agreed = [one for one in completions if _reversed(key_of(one)) not in seen]
            dropped[name]["contradicted by another pair"] += len(completions) - len(agreed)
            kept[name] = agreed
    return kept, dropped


def _stripped(completion: Completion) -> Completion:
    return replace(
        completion,
        messages=tuple(Turn(turn.role, turn.content.strip()) for turn in completion.messages),
        reply=completion.reply.strip(),
        rejected=completion.rejected.strip(),
    )


def _unusable(completion: Completion, table: TextTable) -> str | None:
    texts = [*(turn.content for turn in completion.messages), completion.reply]
    if table == "preference_pairs":
        texts.append(completion.rejected)
    if not all(texts):
        return "empty text"
    if normal(completion.reply) == normal(completion.rejected):
        return "both replies the same"
    # Judged together: a prompt of two words, or a reply that is code, says little alone.
    if not is_english(
        " ".join([completion.messages[-1].content, completion.reply, completion.rejected])
    ):
        return "not English"
    return None


def _reversed(key: Key) -> Key:
    prompt, reply, rejected = key
    return prompt, rejected, reply
