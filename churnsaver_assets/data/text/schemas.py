"""Pandera schemas of the text tables, reported as those of the other tables are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from churnsaver_assets.data.schema_report import SchemaReport, report
from churnsaver_assets.data.sources.registry_texts import TEXT_SOURCES
from churnsaver_assets.data.text.splits import straddling_prompts

if TYPE_CHECKING:
    import pandera.pandas as pa

    from churnsaver_serving.runtime.manifest import DataLabel

_ID = r"[0-9a-f]{32}"


def text_schema(name: str, label: DataLabel) -> pa.DataFrameSchema:
    """Return the schema of `sft_pairs` or `preference_pairs`; the label must be the table's own.

    Raises:
        KeyError: No such table.
    """
    import pandera.pandas as pa

    columns, sides = {
        "sft_pairs": (_sft_columns, {"train", "holdout"}),
        "preference_pairs": (_preference_columns, {"train", "gold", "holdout"}),
    }[name]
    rules: dict[str, Callable[[pd.DataFrame], Any]] = {
        "messages_json is a conversation that ends with the user": lambda frame: frame[
            "messages_json"
        ].map(_is_conversation),
        "every side is used": lambda frame: set(frame["split"]) == sides,
        "no prompt on two sides": lambda frame: not straddling_prompts(frame),
        f"labelled {label}": lambda frame: frame.attrs.get("label") == label,
        "not empty": lambda frame: len(frame) > 0,
    }
    if name == "sft_pairs":
        rules["prompt is the conversation's last turn"] = lambda frame: (
            frame["messages_json"].map(_last_turn) == frame["prompt"]
        )
        rules["a reply once for each prompt"] = lambda frame: (
            ~frame.duplicated(["prompt_id", "reply"])
        )
    else:
        rules["the replies differ"] = lambda frame: frame["chosen"] != frame["rejected"]
    checks = [pa.Check(rule, name=text, error=text) for text, rule in rules.items()]
    return pa.DataFrameSchema(columns(sorted(sides)), checks=checks, strict=True, name=name)


def validate_text(name: str, frame: pd.DataFrame, label: DataLabel) -> SchemaReport:
    """Run all checks of a text table and collect what fails.

    Args:
        name: The table's name, `sft_pairs` or `preference_pairs`.
        frame: The table to check.
        label: The label that the table should have.
    """
    return report(text_schema(name, label), frame)


def _sft_columns(sides: list[str]) -> dict[str, Any]:
    return {
        "prompt_id": _text(_ID),
        "source": _source("sft_pairs"),
        "messages_json": _text(),
        "prompt": _text(),
        "reply": _text(),
        "split": _one_of(sides),
    }


def _preference_columns(sides: list[str]) -> dict[str, Any]:
    import pandera.pandas as pa

    return {
        "pair_id": _text(_ID, unique=True),
        "prompt_id": _text(_ID),
        "source": _source("preference_pairs"),
        "messages_json": _text(),
        "chosen": _text(),
        "rejected": _text(),
        "margin": pa.Column(float, [pa.Check.ge(0), pa.Check(np.isfinite, name="finite")]),
        "split": _one_of(sides),
    }


def _text(pattern: str = r"[\s\S]*\S[\s\S]*", *, unique: bool = False) -> pa.Column:
    import pandera.pandas as pa

    return pa.Column(str, pa.Check.str_matches(rf"\A(?:{pattern})\Z"), unique=unique)


def _one_of(values: list[str]) -> pa.Column:
    import pandera.pandas as pa

    return pa.Column(str, pa.Check.isin(values))


def _source(table: str) -> pa.Column:
    return _one_of(sorted(name for name, one in TEXT_SOURCES.items() if one.table == table))


def _turns(text: str) -> list[dict[str, str]]:
    try:
        turns = json.loads(text)
    except ValueError:
        return []
    whole = isinstance(turns, list) and all(
        isinstance(turn, dict) and set(turn) == {"role", "content"} for turn in turns
    )
    return turns if whole else []


def _is_conversation(text: str) -> bool:
    turns = _turns(text)
    roles = [turn["role"] for turn in turns]
    expected = [("user", "assistant")[place % 2] for place in range(len(turns))]
    return len(turns) % 2 == 1 and roles == expected and all(turn["content"] for turn in turns)


def _last_turn(text: str) -> str:
    turns = _turns(text)
    return turns[-1]["content"] if turns else ""
