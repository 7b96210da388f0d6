"""Reader of SHP-2: two comments under a post, of which readers voted one higher."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict

from churnsaver_assets.data.errors import TableError
from churnsaver_assets.data.text.completions import Completion, Reading, Turn
from churnsaver_assets.data.text.reading import Fields, json_lines

_FIELDS: Fields = {
    "post_id": (str, int),
    "history": str,
    "human_ref_A": str,
    "human_ref_B": str,
    "labels": int,
    "score_ratio": (int, float),
}

LEAST_SCORE_RATIO = 2.0
"""Below it the vote says little about quality (advice of the data set's authors)."""

MOST_PAIRS_PER_POST = 5
"""More would give popular posts most of the weight (advice of the same authors)."""


def read_shp(content: bytes, where: str) -> Reading:
    """Read pairs with a score ratio of 2 or more, at most 5 of a post, chosen by hash.

    The margin is the logarithm of the score ratio.
    """
    reading = Reading()
    posts: dict[str, list[Completion]] = defaultdict(list)
    for place, row in json_lines(content, where, _FIELDS):
        if row["labels"] not in {0, 1}:
            raise TableError(
                f"{place}: expected labels to be 0 (B is better) or 1 (A is better), "
                f"found {row['labels']}"
            )
        ratio = float(row["score_ratio"])
        if not LEAST_SCORE_RATIO <= ratio < math.inf:
            reading.dropped[f"score ratio below {LEAST_SCORE_RATIO:g}"] += 1
            continue
        first, second = row["human_ref_A"], row["human_ref_B"]
        chosen, rejected = (first, second) if row["labels"] else (second, first)
        posts[str(row["post_id"])].append(
            Completion((Turn("user", row["history"]),), chosen, rejected, math.log(ratio))
        )
    for pairs in posts.values():
        kept = sorted(pairs, key=_hash)[:MOST_PAIRS_PER_POST]
        reading.dropped[f"over {MOST_PAIRS_PER_POST} pairs of one post"] += len(pairs) - len(kept)
        reading.completions.extend(kept)
    return reading


def _hash(completion: Completion) -> bytes:
    text = f"{completion.reply}\0{completion.rejected}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
