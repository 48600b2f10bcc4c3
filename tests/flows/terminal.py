"""The command line in a terminal: what it prints there, and when."""

import os
import pty
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.conftest import ROOT


@dataclass(frozen=True)
class Watched:
    """What a command printed on a terminal."""

    code: int
    text: str
    times: list[float]
    """Seconds from the start to each piece of the output, and to the end, without those of waiting for a processor."""

    @property
    def first(self) -> float:
        """Seconds to the first sign of life."""
        return self.times[0]

    @property
    def silence(self) -> float:
        """The longest time in seconds between two pieces."""
        return max((after - before for before, after in pairwise(self.times)), default=0.0)


def run_in_terminal(*words, **environment) -> Watched:
    """Run `vocabsem WORDS` in a terminal of 80 columns and note when it prints something."""
    ours, its = pty.openpty()
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "vocabsem", *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "80", "TERM": "xterm"} | environment,
        stdin=its,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    times, pieces, waited = [], [], 0.0
    while piece := _read(ours):
        waited = max(waited, _waited(process.pid))
        times.append(time.monotonic() - began - waited)
        pieces.append(piece)
    os.close(ours)
    times.append(time.monotonic() - began - waited)
    return Watched(process.wait(), b"".join(pieces).decode(errors="replace"), times)


def _waited(pid: int) -> float:
    """The seconds for which the main thread was ready and had no processor, because other programs had them."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):  # it has ended, or this is no Linux
        return 0.0


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody holds the other end any more
        return b""
