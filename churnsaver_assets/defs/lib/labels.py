"""The label of a table: real data, or the generated sample."""

from typing import Final

import pandas as pd

from churnsaver_serving.runtime.manifest import DataLabel

LABEL: Final = "label"


def label_of(frame: pd.DataFrame) -> DataLabel:
    """Return whether a table holds real data or the generated sample."""
    label: DataLabel = frame.attrs[LABEL]
    return label
