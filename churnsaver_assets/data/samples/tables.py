"""The generated sample: raw files of the real ones' form, for machines with no source.

Used only where asked for by name (`CHURNSAVER_DATA=sample`). The rates are published statistics of
the real files; no row of them is in here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.data.sources.download import sha256_hex
from churnsaver_assets.data.sources.raw import RawFile
from churnsaver_assets.data.sources.table_registry import SOURCES, Dataset

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_SEED = 42


def sample_files(seed: int = SAMPLE_SEED) -> dict[Dataset, RawFile]:
    """The sample's raw files; one seed, the same bytes."""
    from churnsaver_assets.data.samples import bank as sample_bank
    from churnsaver_assets.data.samples import hillstrom as sample_hillstrom
    from churnsaver_assets.data.samples import telco as sample_telco

    telco, bank, hillstrom = (np.random.default_rng([seed, stream]) for stream in range(3))
    return {
        "telco": _raw_file("telco", sample_telco.generate(telco), seed),
        "bank": _raw_file("bank", sample_bank.generate(bank), seed),
        "hillstrom": _raw_file("hillstrom", sample_hillstrom.generate(hillstrom), seed),
    }


def _raw_file(name: Dataset, frame: pd.DataFrame, seed: int) -> RawFile:
    text: str = frame.to_csv(index=False, sep=SOURCES[name].separator, lineterminator="\n")
    content = text.encode()
    return RawFile(
        source=name,
        content=content,
        sha256=sha256_hex(content),
        rows=len(frame),
        origin="sample",
        label="sample",
        read_from=f"generated sample {name}, seed {seed}",
    )
