"""Show the current activity: in a terminal a line while nothing else is printed, elsewhere a line when each begins.

Nothing slow is imported here, so that the line is there while the command imports what is.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from vocabsem.errors import shorten

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
SILENCE_SECONDS = 0.4  # after which the line is drawn
FRAME_SECONDS = 0.1
ERASE = b"\r\x1b[2K"
QUIET = "VOCABSEM_QUIET"


class ActivityLine:
    """A line on the terminal's standard error: the activity, and its seconds. It is drawn on an empty line only, and
    erased before anything else is printed."""

    def __init__(self) -> None:
        self.what, self.began = "", time.monotonic()
        self._lock = threading.RLock()
        self._visible = self._line_begun = False
        self._printed_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def shown(self) -> bool:
        """Whether it is drawn in this process."""
        return self._thread is not None and not self._stopped.is_set()

    def start(self, what: str) -> None:
        """Begin to draw it, where standard error is a terminal and the user wants more than results and errors."""
        self.what, self.began = what, time.monotonic()
        if self._thread is None and os.isatty(2) and not os.environ.get(QUIET):
            self._thread = threading.Thread(target=self._draw, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop drawing: the command ends, waits for input, or hands the terminal to another program."""
        self._stopped.set()
        with self.erased():
            pass

    @contextmanager
    def erased(self, printed: bytes | memoryview = b"") -> Iterator[None]:
        """Erase the line, and draw none during the block, which prints these bytes."""
        with self._lock:
            if self._visible:
                os.write(2, ERASE)
                self._visible = False
            yield
            if end := bytes(memoryview(printed)[-1:]):
                self._line_begun = end != b"\n"
                self._printed_at = time.monotonic()

    def _draw(self) -> None:
        frame = 0
        while not self._stopped.wait(FRAME_SECONDS):
            with self._lock:
                now = time.monotonic()
                if self._stopped.is_set() or self._line_begun or now - self._printed_at < SILENCE_SECONDS:
                    continue
                frame += 1
                took = f", {now - self.began:.0f} s"
                line = f"{FRAMES[frame % len(FRAMES)]} {self.what}"[: _columns() - 1 - len(took)] + took
                os.write(2, ERASE + line.encode())
                self._visible = True


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80


line = ActivityLine()


@contextmanager
def activity(what: str) -> Iterator[None]:
    """Show what is done in the block. Where there is no terminal, print it; nothing with VOCABSEM_QUIET."""
    before, what = (line.what, line.began), shorten(what)
    if line.shown:
        line.what, line.began = what, time.monotonic()
    elif not os.environ.get(QUIET):
        sys.stderr.write(f"{what} …\n")
        sys.stderr.flush()
    try:
        yield
    finally:
        line.what, line.began = before
