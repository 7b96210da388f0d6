"""Edits of source files that leave them readable and change what is learnt from them."""

import csv
import io
from collections.abc import Callable

import numpy as np


def edit_column(column: str, change: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    """An edit of one column of a CSV file."""

    def edit(content: bytes) -> bytes:
        text = content.decode()
        dialect = csv.Sniffer().sniff(text.partition("\n")[0], delimiters=",;")
        header, *rows = list(csv.reader(io.StringIO(text), dialect))
        at = header.index(column)
        for row, value in zip(rows, change([row[at] for row in rows]), strict=True):
            row[at] = value
        out = io.StringIO()
        quoting = csv.QUOTE_NONNUMERIC if text.startswith('"') else csv.QUOTE_MINIMAL
        writer = csv.writer(out, delimiter=dialect.delimiter, quoting=quoting, lineterminator="\n")
        writer.writerows([header, *rows])
        return out.getvalue().encode()

    return edit


def permuted(share: float) -> Callable[[list[str]], list[str]]:
    """The labels of that share of the rows, dealt anew among these."""

    def change(labels: list[str]) -> list[str]:
        rng = np.random.default_rng(42)
        chosen = np.flatnonzero(rng.random(len(labels)) < share)
        result = np.array(labels)
        result[chosen] = result[rng.permutation(chosen)]
        return [str(label) for label in result]

    return change


def swapped(labels: list[str]) -> list[str]:
    """Yes for no and no for yes."""
    return ["no" if label == "yes" else "yes" for label in labels]
