"""Frozen features: the base model's pooled last hidden states, cached in chunks."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from churnsaver_assets.common.chunks import ARRAYS, ChunkStore
from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.text.model.loading import load_model
from churnsaver_assets.text.reward.network import (
    BATCH_ROWS,
    POOLINGS,
    Backbone,
    BaseModel,
    Pooling,
    batches,
    last_hidden_state,
    pool_weights,
)
from churnsaver_assets.text.reward.sequences import Encoded
from churnsaver_assets.text.run import Run
from churnsaver_serving.runtime.arrays import Floats32

CHUNK = 512
"""Rows in one file of the cache: the most that a kill can lose."""


@dataclass(frozen=True, slots=True)
class Features:
    """Pooled states of distinct rows, and where each row asked for is among them.

    Attributes:
        states: States of distinct rows, shape (distinct, poolings, hidden), poolings in the order
            of `POOLINGS`.
        places: Place of each row among the distinct ones, shape (rows,).
        computed: Number of distinct rows that were not in the cache.
        seconds: Seconds that computing them took.
    """

    states: Floats32
    places: npt.NDArray[np.intp]
    computed: int
    seconds: float

    @property
    def per_second(self) -> float | None:
        """Return the rows computed per second; None where all were in the cache."""
        return self.computed / self.seconds if self.computed else None

    def pooled(self, pooling: Pooling) -> Floats32:
        """Return the states of each row, shape (rows, hidden)."""
        return np.asarray(self.states[self.places, POOLINGS.index(pooling)])


def extract(
    base: BaseModel,
    rows: Sequence[Encoded],
    run: Run,
    *,
    batch_rows: int = BATCH_ROWS,
    chunk: int = CHUNK,
) -> Features:
    """Return pooled states of rows; equal rows are computed once, and cached chunks not again.

    Args:
        base: The base model; its dtype is `hardware.frozen_dtype`, pooling is fp32.
        rows: At least one row.
        run: Hardware, progress after each chunk, and the folder of these features alone, if any;
            emptied if it holds those of other rows or models.
        batch_rows: Number of rows in one forward pass.
        chunk: Number of rows in one file of the cache: the most that a kill can lose.

    Raises:
        ValueError: There are no rows.
    """
    if not rows:
        raise ValueError("expected at least one row to compute features of")
    pad_id = int(base.tokenizer.pad_token_id or 0)
    model = load_model(base.directory, run.hardware, dtype=run.hardware.frozen_dtype)
    backbone = model.base_model
    distinct = list({(row.ids, row.reply_start): row for row in rows}.values())
    distinct.sort(key=lambda row: (-len(row.ids), row.ids, row.reply_start))
    index = {(row.ids, row.reply_start): place for place, row in enumerate(distinct)}
    store = ChunkStore(
        run.checkpoints,
        fingerprint(
            [base.sha256, str(backbone.dtype), batch_rows, chunk, pad_id, list(POOLINGS)],
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

    states = store.collect(
        len(distinct), chunk, compute, progress=run.progress, what="features of replies"
    )
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
