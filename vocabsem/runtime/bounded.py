"""Run a program that came with data, as a chat template, within limits of time and memory."""

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["run_bounded"]

RESEND = 1.0  # seconds until it is sent again, in case the one before was lost in a destructor
MEMORY = Path("/proc/self/statm")  # of Linux; elsewhere memory is not limited


def run_bounded(function: Callable[[], str], *, seconds: float = 5, extra_bytes: int = 1 << 30) -> str:
    """Return what a function returns, unless it takes too long or too much memory.

    It runs in a thread. One that takes too long is ended there, by SystemExit between two of its instructions.

    Parameters
    ----------
    function : callable
        Without arguments; pure Python, as memory is limited for the whole process while it runs.
    seconds : float
        How long it may take.
    extra_bytes : int
        Address space that it may add to the process's.

    Returns
    -------
    str

    Raises
    ------
    TimeoutError
        After `seconds`.
    MemoryError
        Above `extra_bytes`.
    Exception
        Whatever the function raises.
    """
    results: list[str] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            results.append(function())
        except Exception as error:
            errors.append(error)
        except SystemExit:  # sent below
            return

    thread = threading.Thread(target=work, daemon=True)
    with _limited(extra_bytes):
        thread.start()
        thread.join(seconds)
        while thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
            thread.join(RESEND)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"it does not end within {seconds:g} s")
    return results[0]


@contextmanager
def _limited(extra_bytes: int) -> Iterator[None]:
    if not MEMORY.exists():
        yield
        return
    import resource  # which Windows has not

    pages = int(MEMORY.read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + extra_bytes
    limits = [each for each in (limit, soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
