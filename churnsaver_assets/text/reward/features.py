"""Frozen features: the base model's pooled last hidden states, cached in chunks."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch

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

_KEY_FILE = "features.key"


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
    settings = f"{base_sha256} {backbone.dtype} {batch_rows} {chunk} {pad_id} {POOLINGS}"
    _open_cache(cache, _key(distinct, settings))

    found: list[Floats32] = []
    computed, seconds = 0, 0.0
    for number, start in enumerate(range(0, len(distinct), chunk)):
        part = distinct[start : start + chunk]
        file = cache / f"{number:05d}.npy"
        if file.exists():
            states = np.load(file, allow_pickle=False)
        else:
            began = time.perf_counter()
            states = _states(backbone, part, pad_id=pad_id, batch_rows=batch_rows)
            seconds += time.perf_counter() - began
            _write(file, states)
            computed += len(part)
        found.append(states)
        done = start + len(part)
        progress(done, len(distinct), f"features of {done:,} of {len(distinct):,} replies")
    places = np.array([index[row.ids, row.reply_start] for row in rows], dtype=np.intp)
    return Features(np.concatenate(found), places, computed, seconds)


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


def _key(rows: Sequence[Encoded], settings: str) -> str:
    digest = hashlib.sha256(settings.encode())
    digest.update(msgspec.json.encode([(row.ids, row.reply_start) for row in rows]))
    return digest.hexdigest()


def _open_cache(cache: Path, key: str) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    mark = cache / _KEY_FILE
    if mark.exists() and mark.read_text() == key:
        return
    for stale in cache.glob("*.npy"):
        stale.unlink()
    mark.write_text(key)


def _write(file: Path, states: Floats32) -> None:
    part = file.with_suffix(".part")
    with part.open("wb") as opened:
        np.save(opened, states, allow_pickle=False)
    part.replace(file)
