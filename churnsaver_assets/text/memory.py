"""How freed memory is dealt with while models are trained on a CPU."""

import ctypes
import sys

# <malloc.h>: parameters of mallopt.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed instead of handing it back to the system.

    Each training step frees and asks for the same large tensors. By default those are mapped anew
    every time and every page is faulted in and zeroed by the kernel: more than half of a step's
    time where page faults are dear (virtual machines, sandboxes). Torch's own advice for CPUs is
    another allocator (jemalloc, tcmalloc), which must be preloaded; this needs nothing installed.

    What has been kept so far is handed back first. Each stage of training calls this as it begins,
    so its own most is what a process holds, not that of a larger stage before.

    Returns:
        Whether it could be set: not without glibc. Holds for the whole process.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    mallopt, trim = (getattr(library, name, None) for name in ("mallopt", "malloc_trim"))
    if mallopt is None or trim is None:  # another C library, such as musl
        return False
    trim(0)
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1))
    done = [mallopt(parameter, value) for parameter, value in settings]  # all, whatever one says
    return all(one == 1 for one in done)
