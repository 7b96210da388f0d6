"""The generated sample of each text source, in upstream's layout. Labelled; no row of real data.

Used only where asked for by name (`CHURNSAVER_DATA=sample`).
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from churnsaver_assets.data.samples import grammar
from churnsaver_assets.data.samples.tables import SAMPLE_LICENCE, SAMPLE_SEED
from churnsaver_assets.data.sources.content import sha256_hex
from churnsaver_assets.data.sources.raw import RawSource
from churnsaver_assets.data.sources.registry_texts import TEXT_SOURCES
from churnsaver_assets.data.text.loaders import count_rows

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.source import Format, Kind

_TREES = 180
_TRANSCRIPTS = 300
_POSTS = 120
_QUESTIONS = 60
_PAIRS = 160


def sample_texts(seed: int = SAMPLE_SEED) -> dict[str, RawSource]:
    """Return the sample of every text source; one seed, the same bytes.

    As upstream, `oasst1` and `oasst1_ranks` are read from the same trees.
    """
    trees = _oasst_trees(np.random.default_rng([seed, 0]))
    made: Mapping[str, tuple[str, Format, bytes]] = {
        "oasst1": ("oasst1.trees.jsonl.gz", "oasst_trees", trees),
        "oasst1_ranks": ("oasst1.trees.jsonl.gz", "oasst_trees", trees),
        **{
            name: (file, layout, make(np.random.default_rng([seed, stream])))
            for stream, (name, (file, layout, make)) in enumerate(_MADE.items(), start=1)
        },
    }
    return {name: _raw(name, *parts, seed) for name, parts in made.items()}


def _raw(name: str, file: str, layout: Format, content: bytes, seed: int) -> RawSource:
    source = TEXT_SOURCES[name]
    kind: Kind = "inferred" if name == "oasst1_inferred" else "human"
    return RawSource(
        name=name,
        table=source.table,
        part="generated sample",
        kind=kind,
        files={file: content},
        formats={file: layout},
        sha256=sha256_hex(content),
        rows=count_rows(content, file, layout),
        label="sample",
        origin="sample",
        read_from=f"generated sample {name}, seed {seed}",
        licence=SAMPLE_LICENCE,
        upstream=f"generated in the layout of {source.upstream}",
        citation=source.citation,
    )


def _oasst_trees(rng: np.random.Generator) -> bytes:
    trees = []
    for number in range(_TREES):
        about = grammar.topic(rng)
        root = _message(rng, "prompter", grammar.question(rng, about))
        root["replies"] = _ranked(rng, about, 3)
        if number % 2:
            second = grammar.topic(rng)
            asked = _message(rng, "prompter", grammar.follow_up(rng, second))
            asked["replies"] = _ranked(rng, second, 2)
            root["replies"][0]["replies"] = [asked]
        if number % 30 == 29:  # noqa: PLR2004 - a few for the language filter
            root |= {"lang": "de", "text": grammar.FOREIGN[0]}
        if number % 20 == 19:  # noqa: PLR2004 - and a few that moderators took out
            root["replies"][-1]["deleted"] = True
        trees.append(
            {
                "message_tree_id": root["message_id"],
                "tree_state": "ready_for_export",
                "prompt": root,
            }
        )
    return _gzipped_lines(trees)


def _message(rng: np.random.Generator, role: str, text: str) -> dict[str, Any]:
    return {
        "message_id": str(uuid.UUID(bytes=rng.bytes(16))),
        "text": text,
        "role": role,
        "lang": "en",
        "review_count": 3,
        "review_result": True,
        "deleted": False,
        "rank": None,
        "synthetic": False,
        "replies": [],
    }


def _ranked(rng: np.random.Generator, about: grammar.Topic, count: int) -> list[dict[str, Any]]:
    levels = sorted(rng.permutation(grammar.LEVELS)[:count].tolist())
    replies = []
    for rank, level in enumerate(levels):
        reply = _message(rng, "assistant", grammar.reply(rng, about, level))
        replies.append(reply | {"rank": rank})
    return replies


def _good_and_bad(rng: np.random.Generator, about: grammar.Topic) -> tuple[str, str]:
    good, bad = int(rng.integers(2)), int(rng.integers(2, grammar.LEVELS))
    return grammar.reply(rng, about, good), grammar.reply(rng, about, bad)


def _hh_rlhf(rng: np.random.Generator) -> bytes:
    rows = []
    for number in range(_TRANSCRIPTS):
        about = grammar.topic(rng)
        before = f"\n\nHuman: {grammar.question(rng, about)}"
        if number % 3 == 0:
            before += f"\n\nAssistant: {grammar.reply(rng, about, 0)}"
            about = grammar.topic(rng)
            before += f"\n\nHuman: {grammar.follow_up(rng, about)}"
        good, bad = _good_and_bad(rng, about)
        other = f"{before} Please?" if number % 100 == 99 else before  # noqa: PLR2004 - as upstream
        rows.append(
            {
                "chosen": f"{before}\n\nAssistant: {good}",
                "rejected": f"{other}\n\nAssistant: {bad}",
            }
        )
    asked, answered = grammar.FOREIGN
    rows.append(
        {
            "chosen": f"\n\nHuman: {asked}\n\nAssistant: {answered}",
            "rejected": f"\n\nHuman: {asked}\n\nAssistant: Nein.",
        }
    )
    return _gzipped_lines(rows)


def _shp2(rng: np.random.Generator) -> bytes:
    rows = []
    for number in range(_POSTS):
        about = grammar.topic(rng)
        history = grammar.question(rng, about)
        for _ in range(8 if number % 20 == 0 else 3):
            good, bad = _good_and_bad(rng, about)
            label = int(rng.integers(2))
            first, second = (good, bad) if label else (bad, good)
            low, high = sorted(rng.integers(2, 60, size=2).tolist())
            scores = (low, high + 1)
            rows.append(
                {
                    "post_id": f"sample{number}",
                    "domain": "sample_train",
                    "history": history,
                    "human_ref_A": first,
                    "human_ref_B": second,
                    "score_A": scores[label],
                    "score_B": scores[1 - label],
                    "labels": label,
                    "score_ratio": scores[1] / scores[0],
                }
            )
    return _lines(rows)


def _qa_feedback(rng: np.random.Generator) -> bytes:
    entries = []
    for _ in range(_QUESTIONS):
        about = grammar.topic(rng)
        levels = [int(level) for level in rng.integers(grammar.LEVELS, size=4)]
        verdicts = [
            0 if first == second else 1 if first < second else 2
            for first, second in itertools.combinations(levels, 2)
        ]
        outputs = {
            f"prediction {place}": grammar.reply(rng, about, level)
            for place, level in enumerate(levels, start=1)
        }
        entries.append(
            {
                "question": grammar.question(rng, about),
                "passages": [],
                "gold": grammar.reply(rng, about, 0),
                **outputs,
                "preference": verdicts,
            }
        )
    return json.dumps(entries, indent=1).encode()


def _inferred(rng: np.random.Generator) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    abouts = [grammar.topic(rng) for _ in range(_PAIRS)]
    table = pa.table(
        {
            "row": list(range(_PAIRS)),
            "prompt": [grammar.question(rng, about) for about in abouts],
            "reply": [grammar.reply(rng, about, 0) for about in abouts],
            "p_pair": [0.96] * _PAIRS,
            "p_root": [0.8] * _PAIRS,
        }
    )
    target = io.BytesIO()
    parquet.write_table(table, target)
    return target.getvalue()


def _dolly(rng: np.random.Generator) -> bytes:
    rows = []
    for _ in range(_PAIRS):
        about = grammar.topic(rng)
        rows.append(
            {
                "instruction": grammar.question(rng, about),
                "context": "",
                "response": grammar.reply(rng, about, 0),
                "category": "open_qa",
            }
        )
    return _lines(rows)


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def _gzipped_lines(rows: list[dict[str, Any]]) -> bytes:
    return gzip.compress(_lines(rows), mtime=0)


_MADE: Mapping[str, tuple[str, Format, Callable[[np.random.Generator], bytes]]] = MappingProxyType(
    {
        "hh_rlhf": ("hh_rlhf.jsonl.gz", "hh_rlhf", _hh_rlhf),
        "shp2": ("shp2.train.jsonl", "shp2", _shp2),
        "qa_feedback": ("qa_feedback.json", "qa_feedback", _qa_feedback),
        "oasst1_inferred": ("oasst1_inferred.parquet", "oasst_inferred", _inferred),
        "dolly": ("dolly.jsonl", "dolly", _dolly),
    }
)
