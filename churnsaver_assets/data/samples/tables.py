"""The generated sample: raw files of the real ones' form, for machines with no source.

Used only where asked for by name (`CHURNSAVER_DATA=sample`). The rates are published statistics of
the real files; no row of them is in here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.data.sources.content import sha256_hex
from churnsaver_assets.data.sources.raw import RawSource
from churnsaver_assets.data.sources.registry_tables import CSV_LAYOUTS, TABLE_SOURCES

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_SEED = 42
SAMPLE_LICENCE = "MIT, as this repository"


def sample_tables(seed: int = SAMPLE_SEED) -> dict[str, RawSource]:
    """Return the sample of each table's raw file; one seed, the same bytes."""
    from churnsaver_assets.data.samples import bank as sample_bank
    from churnsaver_assets.data.samples import hillstrom as sample_hillstrom
    from churnsaver_assets.data.samples import telco as sample_telco

    telco, bank, hillstrom = (np.random.default_rng([seed, stream]) for stream in range(3))
    return {
        "telco": _raw("telco", sample_telco.generate(telco), seed),
        "bank": _raw("bank", sample_bank.generate(bank), seed),
        "hillstrom": _raw("hillstrom", sample_hillstrom.generate(hillstrom), seed),
    }


def _raw(name: str, frame: pd.DataFrame, seed: int) -> RawSource:
    source = TABLE_SOURCES[name]
    text: str = frame.to_csv(index=False, sep=CSV_LAYOUTS[name].separator, lineterminator="\n")
    content = text.encode()
    file = f"{name}.csv"
    return RawSource(
        name=name,
        table=source.table,
        part="generated sample",
        kind="human",
        files={file: content},
        formats={file: "csv"},
        sha256=sha256_hex(content),
        rows=len(frame),
        label="sample",
        origin="sample",
        read_from=f"generated sample {name}, seed {seed}",
        licence=SAMPLE_LICENCE,
        upstream=f"generated after published rates of {source.upstream}",
        citation=source.citation,
    )
