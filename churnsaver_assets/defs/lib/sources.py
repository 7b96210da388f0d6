"""The mark of assets that read files from outside the graph."""

from typing import Final

READS_FILES: Final = {"churnsaver/reads_files": ""}
"""Tags of an asset to run each time that the graph is brought up to date.

Whether a file outside has changed, only reading it can tell: no version upstream says so.
"""
