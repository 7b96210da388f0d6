"""What is left out of the text tables, and counted: empty, foreign, repeated, contradictory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from churnsaver_assets.data.text.examples import Example, Turn
from churnsaver_assets.data.text.language import is_english
from churnsaver_assets.data.text.splits import normal, prompt_id

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.types import TextTable

Key = tuple[str, str, str]


def key_of(example: Example) -> Key:
    """Equal for examples that differ in case and white space only."""
    return prompt_id(example.messages), normal(example.reply), normal(example.rejected)


def clean(
    sources: Mapping[str, list[Example]], table: TextTable
) -> tuple[dict[str, list[Example]], dict[str, Counter[str]]]:
    """Usable examples without repetitions.

    What repeats another example in all but case and white space is dropped; the one of the first
    source is kept, and of one source the first in alphabetical order: so the order of rows does
    not matter. Two pairs that say the opposite of each other are both dropped.

    Args:
        sources: examples by source, the source to be preferred first.
        table: what the examples are for.

    Returns:
        Examples by source, sorted; and for each source, reason to number of rows dropped.
    """
    kept: dict[str, list[Example]] = {}
    dropped: dict[str, Counter[str]] = {}
    seen: set[Key] = set()
    for name, examples in sources.items():
        counts = dropped[name] = Counter()
        kept[name] = []
        for example in sorted(map(_stripped, examples)):
            reason = _unusable(example, table)
            key = key_of(example)
            if reason is None and key in seen:
                reason = "repeated"
            if reason is not None:
                counts[reason] += 1
                continue
            seen.add(key)
            kept[name].append(example)
    if table == "preference_pairs":
        for name, examples in kept.items():
            agreed = [one for one in examples if _reversed(key_of(one)) not in seen]
            dropped[name]["contradicted by another pair"] += len(examples) - len(agreed)
            kept[name] = agreed
    return kept, dropped


def _stripped(example: Example) -> Example:
    return replace(
        example,
        messages=tuple(Turn(turn.role, turn.content.strip()) for turn in example.messages),
        reply=example.reply.strip(),
        rejected=example.rejected.strip(),
    )


def _unusable(example: Example, table: TextTable) -> str | None:
    texts = [*(turn.content for turn in example.messages), example.reply]
    if table == "preference_pairs":
        texts.append(example.rejected)
    if not all(texts):
        return "empty text"
    if normal(example.reply) == normal(example.rejected):
        return "both replies the same"
    # Judged together: a prompt of two words, or a reply that is code, says little alone.
    if not is_english(" ".join([example.messages[-1].content, example.reply, example.rejected])):
        return "not English"
    return None


def _reversed(key: Key) -> Key:
    prompt, reply, rejected = key
    return prompt, rejected, reply
