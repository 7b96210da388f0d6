"""The two text tables: replies to learn, and replies compared. Cleaned, capped, split by prompt."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from churnsaver_assets.data.errors import DataError
from churnsaver_assets.data.text.cleaning import clean, key_of
from churnsaver_assets.data.text.loaders import read_completions
from churnsaver_assets.data.text.splits import Side, Sides, normal, prompt_id

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw import RawSource
    from churnsaver_assets.data.sources.source import Kind
    from churnsaver_assets.data.text.completions import Completion, TextTable
    from churnsaver_assets.experiments.text_spec import TextDataSpec

SFT_COLUMNS = ("prompt_id", "source", "messages_json", "prompt", "reply", "split")
PREFERENCE_COLUMNS = (
    "pair_id",
    "prompt_id",
    "source",
    "messages_json",
    "chosen",
    "rejected",
    "margin",
    "split",
)


def sft_pairs(sources: Mapping[str, RawSource], spec: TextDataSpec, seed: int) -> pd.DataFrame:
    """Build the table of prompts with the reply to learn.

    Args:
        sources: Raw sources by name; those that `spec.sft_sources` names are read, and the others
            tell which prompts are held out.
        spec: Names of the sources, cap and shares.
        seed: Seed of the split and of the choice under the cap.

    Returns:
        At most `spec.max_sft_pairs` rows in the order of a keyed hash: `prompt_id`, `source`,
        `messages_json` (list of role and content: earlier turns and the user's last), `prompt`
        (that last turn), `reply`, `split` ("train" or "holdout"; the judge's prompts are in
        "train"). `attrs["label"]` is "real" or "sample"; `attrs["parts"]` is JSON: source to its
        part, kind, rows read, rows kept, and rows dropped by reason.

    Raises:
        DataError: A source is missing, is no source of such rows, or real and sample are mixed.
        TableError: A file is not laid out as it should be.
    """
    chosen = _choose(
        sources,
        spec.sft_sources,
        "sft_pairs",
        Sides(seed, spec.holdout_share, 0.0),  # only preferences have a judge
        spec.max_sft_pairs,
    )
    rows = [
        (
            prompt_id(row.completion.messages),
            row.source,
            messages_json(row.completion),
            row.completion.messages[-1].content,
            row.completion.reply,
            row.side,
        )
        for row in chosen.rows
    ]
    return _labelled(pd.DataFrame(rows, columns=list(SFT_COLUMNS)), chosen)


def preference_pairs(
    sources: Mapping[str, RawSource], spec: TextDataSpec, seed: int
) -> pd.DataFrame:
    """Build the table of two replies to a prompt, of which people preferred the first.

    Args:
        sources: Raw sources by name; those that `spec.preference_sources` names are read.
        spec: Names of the sources, cap and shares.
        seed: Seed of the split and of the choice under the cap.

    Returns:
        At most `spec.max_preference_pairs` rows in the order of a keyed hash: `pair_id`,
        `prompt_id`, `source`, `messages_json`, `chosen`, `rejected`, `margin` (nats; 0 where the
        source does not say), `split` ("train", "gold" or "holdout"). Attributes as of `sft_pairs`.

    Raises:
        DataError: See `sft_pairs`.
        TableError: See `sft_pairs`.
    """
    chosen = _choose(
        sources,
        spec.preference_sources,
        "preference_pairs",
        Sides(seed, spec.holdout_share, spec.gold_share),
        spec.max_preference_pairs,
    )
    rows = [
        (
            row.hash(seed).hex(),
            prompt_id(row.completion.messages),
            row.source,
            messages_json(row.completion),
            row.completion.reply,
            row.completion.rejected,
            row.completion.margin,
            row.side,
        )
        for row in chosen.rows
    ]
    return _labelled(pd.DataFrame(rows, columns=list(PREFERENCE_COLUMNS)), chosen)


def messages_json(completion: Completion) -> str:
    """Return the conversation as chat templates take it."""
    turns = [{"role": turn.role, "content": turn.content} for turn in completion.messages]
    return json.dumps(turns, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Row:
    source: str
    completion: Completion
    side: Side

    def hash(self, seed: int) -> bytes:
        """Return the row's sort key: random, but the same for the same row."""
        text = f"{seed}:{self.source}:{':'.join(key_of(self.completion))}"
        return hashlib.blake2b(text.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class _Chosen:
    rows: list[_Row]
    label: str
    parts: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Measured:
    """The texts in held-out and in judged conversations that people labelled."""

    last_turns: Mapping[Side, frozenset[str]]
    held_texts: frozenset[str]

    @classmethod
    def of(cls, completions: Sequence[Completion], sides: Sides) -> _Measured:
        last: dict[Side, set[str]] = {"train": set(), "gold": set(), "holdout": set()}
        texts: set[str] = set()
        for completion in completions:
            side = sides.of(completion.messages)
            last[side].add(normal(completion.messages[-1].content))
            if side == "holdout":
                texts.update(normal(turn.content) for turn in completion.messages)
                texts.update((normal(completion.reply), normal(completion.rejected)))
        return cls({side: frozenset(turns) for side, turns in last.items()}, frozenset(texts))

    def refuses(self, completion: Completion, side: Side, kind: Kind) -> str | None:
        """Return why a completion can't be used on its side; None where it can."""
        prompt = normal(completion.messages[-1].content)
        if kind != "human":
            if side == "holdout":
                return f"{kind} rows are never held out"
            if {prompt, normal(completion.reply)} & self.held_texts:
                return "repeats a held-out text"
        if side != "holdout" and prompt in self.last_turns["holdout"]:
            return "last turn is held out in another conversation"
        if side == "train" and prompt in self.last_turns["gold"]:
            return "last turn is the judge's in another conversation"
        return None


def _choose(
    sources: Mapping[str, RawSource],
    names: Sequence[str],
    table: TextTable,
    sides: Sides,
    most: int,
) -> _Chosen:
    used = _used(sources, names, table)
    readings = {name: read_completions(raw) for name, raw in used.items()}
    others = [
        completion
        for name, raw in sources.items()
        if raw.kind == "human" and name not in used
        for completion in read_completions(raw).completions
    ]
    own = [
        one
        for name, raw in used.items()
        if raw.kind == "human"
        for one in readings[name].completions
    ]
    measured = _Measured.of([*own, *others], sides)
    kept, dropped = clean({name: reading.completions for name, reading in readings.items()}, table)
    rows: list[_Row] = []
    for name, completions in kept.items():
        for completion in completions:
            side = sides.of(completion.messages)
            reason = measured.refuses(completion, side, used[name].kind)
            if reason is None:
                rows.append(_Row(name, completion, side))
            else:
                dropped[name][reason] += 1
    rows.sort(key=lambda row: row.hash(sides.seed))
    for row in rows[most:]:
        dropped[row.source][f"over the cap of {most:,}"] += 1
    rows = rows[:most]
    counts = Counter(row.source for row in rows)
    parts: dict[str, object] = {
        name: {
            "part": raw.part,
            "kind": raw.kind,
            "origin": raw.origin,
            "rows": raw.rows,
            "kept": counts[name],
            "dropped": dict(sorted((+(readings[name].dropped + dropped[name])).items())),
        }
        for name, raw in used.items()
    }
    return _Chosen(rows, next(iter(used.values())).label, parts)


def _used(
    sources: Mapping[str, RawSource], names: Sequence[str], table: TextTable
) -> dict[str, RawSource]:
    """Return the named sources, those that people labelled first."""
    missing = sorted(set(names) - set(sources))
    if missing:
        raise DataError(f"{table}: expected sources {missing}, found {sorted(sources)}; load them")
    used = {name: sources[name] for name in dict.fromkeys(names)}
    wrong = sorted(name for name, raw in used.items() if raw.table != table)
    if wrong:
        raise DataError(f"{table}: {wrong} hold no such rows; name other sources in the profile")
    labels = {raw.label for raw in used.values()}
    if len(labels) != 1:
        raise DataError(f"{table}: expected all real or all sample, found {sorted(labels)}")
    return dict(sorted(used.items(), key=lambda one: one[1].kind != "human"))


def _labelled(frame: pd.DataFrame, chosen: _Chosen) -> pd.DataFrame:
    frame.attrs["label"] = chosen.label
    frame.attrs["parts"] = json.dumps(chosen.parts)
    return frame
