"""Tests for churnsaver_assets.text.memory."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

# Asks for 64 MiB and frees it, many times; tells how many pages the kernel had to hand out.
ASK = """
import resource, sys
import numpy as np
from churnsaver_assets.text.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(what: str) -> int:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", ASK, what],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_used_again_without_the_kernel() -> None:
    by_default, kept = faults("default"), faults("keep")
    # Huge pages make fewer faults of the same memory: only the ratio says anything.
    assert by_default >= 20
    assert kept < by_default / 10
