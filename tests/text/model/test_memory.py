"""Tests for churnsaver_assets.text.model.memory."""

import os
import platform
import subprocess
import sys

import pytest

from tests.support import ROOT

# Asks for 64 MiB and frees it, many times; tells how many pages the kernel had to hand out.
ASK = """
import resource, sys
import numpy as np
from churnsaver_assets.text.model.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

# Asks for memory in parts of 8 MiB, frees it, begins another stage; tells what that gave back, MiB.
STAGES = """
import sys
import numpy as np
from churnsaver_assets.text.model import memory
memory._MOST_FREE = 2**30
def held():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) // 256
assert memory.keep_freed_memory()
parts = [np.ones(2**20) for _ in range(int(sys.argv[1]))]
last = np.ones(2**10)  # lies behind them, so that the heap can't shrink from its end
del parts
kept = held()
assert memory.keep_freed_memory()
print(kept - held())
"""


def run(code: str, *arguments: str) -> int:
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_used_again_without_the_kernel() -> None:
    by_default, kept = run(ASK, "default"), run(ASK, "keep")
    # Huge pages make fewer faults of the same memory: only the ratio says anything.
    assert by_default >= 20
    assert kept < by_default / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_a_stage_begins_without_the_much_that_the_one_before_kept() -> None:
    assert run(STAGES, "160") > 1000
    assert run(STAGES, "64") < 50
