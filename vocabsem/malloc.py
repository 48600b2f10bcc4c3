"""What glibc does with memory that is freed; elsewhere nothing changes."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's mallopt


def keep_freed_memory() -> None:
    """Let glibc keep what torch frees: pages given back and fetched anew cost more than many an operation on them.

    All threads that start later share one store of it: each with its own, in pieces of 64 MB, 1,536 prompts with
    demonstrations held 7.2 GB, now 5.6.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
        mallopt(M_MMAP_THRESHOLD, 1 << 25)
