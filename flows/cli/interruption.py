"""SIGINT, SIGTERM and SIGHUP end a command in order, within seconds: what it began is closed, and nothing is traced."""

import os
import signal
import threading
import time
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 10.0  # after which a process ends as it is: a computation in a thread cannot be stopped
MESSAGE = "interrupted: run the same command to resume"
SHOW_CURSOR = "\x1b[?25h"  # which a progress bar hides
_received: list[int] = []


def listen() -> None:
    """Let the first of the signals raise KeyboardInterrupt in the main thread; later ones are ignored.

    What the starter of this process ignores, as nohup does, stays ignored. In a flow Prefect handles SIGTERM, and hands
    it on when the flow has ended; the time to the end counts from the signal.
    """
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    signal.set_wakeup_fd(sink, warn_on_full_buffer=False)  # gets every signal, whoever handles it
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    threading.Thread(target=_end_after, args=(source,), daemon=True).start()


def ignore() -> None:
    """Ignore the signals from now on: the process is ending."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def exit_code() -> int:
    """Return 128 + the number of the signal that came."""
    return 128 + (_received or [signal.SIGINT])[0]


def _interrupt(number: int, _frame: object) -> None:
    if not _received:
        _received.append(number)
        raise KeyboardInterrupt


def _end_after(source: int) -> NoReturn:
    while (number := os.read(source, 1)[0]) not in SIGNALS:
        pass
    time.sleep(GRACE_SECONDS)
    os.write(2, f"{SHOW_CURSOR if os.isatty(2) else ''}{MESSAGE}\n".encode())
    os._exit(128 + number)
