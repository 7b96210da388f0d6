"""Frozen features: the base model's pooled last hidden states, cached in chunks."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from churnsaver_assets.common.chunks import ARRAYS, ChunkStore
from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.common.progress import Progress
from churnsaver_assets.text.reward.network import (
    POOLINGS,
    Backbone,
    Pooling,
    batches,
    last_hidden_state,
    pool_weights,
)
from churnsaver_assets.text.reward.sequences import Encoded
from churnsaver_serving.runtime.arrays import Floats32


@dataclass(frozen=True, slots=True)
class Features:
    """Pooled states of distinct rows, and where each row asked for is among them.

    Attributes:
        states: shape (distinct, poolings, hidden), poolings in the order of `POOLINGS`.
        places: shape (rows,).
        computed: rows that were not in the cache.
        seconds: that they took.
    """

    states: Floats32
    places: npt.NDArray[np.intp]
    computed: int
    seconds: float

    @property
    def per_second(self) -> float | None:
        """Rows computed per second; None where all were in the cache."""
        return self.computed / self.seconds if self.computed else None

    def pooled(self, pooling: Pooling) -> Floats32:
        """States of each row, shape (rows, hidden)."""
        return np.asarray(self.states[self.places, POOLINGS.index(pooling)])


def extract(
    backbone: Backbone,
    rows: Sequence[Encoded],
    *,
    pad_id: int,
    batch_rows: int,
    chunk: int,
    cache: Path,
    base_sha256: str,
    progress: Progress,
) -> Features:
    """Pooled states of rows; equal rows are computed once, and chunks found in the cache not again.

    Args:
        backbone: in eval mode; its dtype is the arithmetic's, pooling is fp32.
        rows: at least one.
        pad_id: of the padding.
        batch_rows: rows in one forward pass.
        chunk: rows in one file of the cache: what a kill can lose.
        cache: folder of these features alone; emptied if it holds those of other rows or models.
        base_sha256: of the backbone's directory.
        progress: told after each batch.

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("expected at least one row to compute features of")
    distinct = list({(row.ids, row.reply_start): row for row in rows}.values())
    distinct.sort(key=lambda row: (-len(row.ids), row.ids, row.reply_start))
    index = {(row.ids, row.reply_start): place for place, row in enumerate(distinct)}
    store = ChunkStore(
        cache,
        fingerprint(
            [base_sha256, str(backbone.dtype), batch_rows, chunk, pad_id, list(POOLINGS)],
            [(row.ids, row.reply_start) for row in distinct],
        ),
        ARRAYS,
    )
    computed, seconds = 0, 0.0

    def compute(_: int, positions: range) -> Floats32:
        nonlocal computed, seconds
        began = time.perf_counter()
        part = [distinct[position] for position in positions]
        states = _states(backbone, part, pad_id=pad_id, batch_rows=batch_rows)
        seconds += time.perf_counter() - began
        computed += len(part)
        return states

    def told(done: int, total: int, _: str) -> None:
        progress(done, total, f"features of {done:,} of {total:,} replies")

    states = store.collect(len(distinct), chunk, compute, progress=told)
    places = np.array([index[row.ids, row.reply_start] for row in rows], dtype=np.intp)
    return Features(states, places, computed, seconds)


def _states(
    backbone: Backbone, rows: Sequence[Encoded], *, pad_id: int, batch_rows: int
) -> Floats32:
    result = np.empty((len(rows), len(POOLINGS), _width(backbone)), np.float32)
    with torch.inference_mode():
        for batch in batches(rows, batch_rows, pad_id, backbone.device):
            members = [rows[place] for place in batch.positions]
            width = batch.input_ids.shape[1]
            pool = torch.stack([pool_weights(name, members, width) for name in POOLINGS], dim=1)
            hidden = last_hidden_state(backbone, batch.input_ids, batch.attention_mask).float()
            pooled = pool.to(hidden.device) @ hidden
            result[list(batch.positions)] = pooled.cpu().numpy()
    return result


def _width(backbone: Backbone) -> int:
    # OPT-350m projects its states back to the width of its word embeddings.
    return int(getattr(backbone.config, "word_embed_proj_dim", backbone.config.hidden_size))
