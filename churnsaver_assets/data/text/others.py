"""Readers of QA-Feedback and Dolly: upstream's layout and the mirror's."""

from __future__ import annotations

import itertools

from churnsaver_assets.data.errors import TableError
from churnsaver_assets.data.text.completions import Completion, Reading, Turn
from churnsaver_assets.data.text.reading import Fields, json_array, json_lines, parquet_rows

_OUTPUTS = tuple(f"prediction {number}" for number in range(1, 5))
_COMPARISONS = tuple(itertools.combinations(_OUTPUTS, 2))  # 1 and 2, 1 and 3, ... 3 and 4
_QUESTION: Fields = {"question": str, "preference": list, **dict.fromkeys(_OUTPUTS, str)}
_QA: Fields = {"prompt": str, "chosen": str, "rejected": str}
_DOLLY: Fields = {"instruction": str, "context": str, "response": str}
_DOLLY_CUT: Fields = {"instruction": str, "response": str, "maybe_truncated": bool}


def read_qa_feedback(content: bytes, where: str) -> Reading:
    """Read six comparisons of four outputs each: 1 and 2 say which is better, 0 is a tie."""
    reading = Reading()
    for place, row in json_array(content, where, _QUESTION):
        verdicts = row["preference"]
        if len(verdicts) != len(_COMPARISONS) or not {*verdicts} <= {0, 1, 2}:
            raise TableError(
                f"{place}: expected preference to be six of 0, 1 and 2, found {verdicts}"
            )
        for (first, second), verdict in zip(_COMPARISONS, verdicts, strict=True):
            if not verdict:
                reading.dropped["tie"] += 1
                continue
            chosen, rejected = (first, second) if verdict == 1 else (second, first)
            messages = (Turn("user", row["question"]),)
            reading.completions.append(Completion(messages, row[chosen], row[rejected]))
    return reading


def read_qa_preferences(content: bytes, where: str) -> Reading:
    """Read the mirror's comparisons."""
    return Reading(
        [
            Completion((Turn("user", row["prompt"]),), row["chosen"], row["rejected"])
            for _, row in parquet_rows(content, where, _QA)
        ]
    )


def read_dolly(content: bytes, where: str) -> Reading:
    """Read instructions, with their context where they have one, and the replies."""
    reading = Reading()
    for _, row in json_lines(content, where, _DOLLY):
        prompt = "\n\n".join(text for text in (row["instruction"], row["context"]) if text.strip())
        reading.completions.append(Completion((Turn("user", prompt),), row["response"]))
    return reading


def read_dolly_cut(content: bytes, where: str) -> Reading:
    """Read the mirror's rows whose reply is surely whole."""
    reading = Reading()
    for _, row in parquet_rows(content, where, _DOLLY_CUT):
        if row["maybe_truncated"]:
            reading.dropped["reply may have been cut"] += 1
            continue
        reading.completions.append(Completion((Turn("user", row["instruction"]),), row["response"]))
    return reading
