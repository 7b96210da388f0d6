"""The allocator's treatment of freed memory while models are trained on a CPU."""

import ctypes
import sys

# <malloc.h>: parameters of mallopt.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_MOST_FREE = 4 * 2**30


class _MallInfo(ctypes.Structure):
    """`struct mallinfo2`; `fordblks` are the bytes that are free and kept."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed instead of handing it back to the system.

    Each training step frees and asks for the same large tensors. By default those are mapped anew
    every time and every page is faulted in and zeroed by the kernel: more than half of a step's
    time where page faults are dear (virtual machines, sandboxes). Torch's own advice for CPUs is
    another allocator (jemalloc, tcmalloc), which must be preloaded; this needs nothing installed.

    Where more than 4 GiB lie free, they are handed back first. Each stage of training calls this as
    it begins, so a process doesn't hold for hours what one large stage needed; less is kept, since
    stages that change often would pay for the pages again and again.

    Returns:
        Whether it could be set: not without glibc. Holds for the whole process.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    mallopt = getattr(library, "mallopt", None)
    if mallopt is None:  # another C library, such as musl
        return False
    if _free_bytes(library) > _MOST_FREE:
        library.malloc_trim(0)
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1))
    done = [mallopt(parameter, value) for parameter, value in settings]  # all, whatever one says
    return all(one == 1 for one in done)


def _free_bytes(library: ctypes.CDLL) -> int:
    """Return the bytes freed and kept; 0 where glibc is too old to say (before 2.33)."""
    mallinfo = getattr(library, "mallinfo2", None)
    if mallinfo is None:
        return 0
    mallinfo.restype = _MallInfo
    found: int = mallinfo().fordblks
    return found
