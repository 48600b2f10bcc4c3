"""Standard streams of the command line: closed ones are no error, and no other file gets their descriptors."""

import io
import os
import sys
from typing import Any

from flows.execution.activity import line

STREAMS = ("stdin", "stdout", "stderr")


class _Pipe(io.FileIO):
    """A stream whose reader may close it: later output is dropped, and the command continues."""

    def write(self, data: Any, /) -> int:
        try:
            with line.erased(data):
                return super().write(data)
        except BrokenPipeError:
            drop(self.fileno())
            return len(data)


def drop(number: int) -> None:
    """Let what is written to a stream from now on go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def keep_streams() -> None:
    """Open closed standard streams, and ignore output after its reader has closed the pipe."""
    for number, name in enumerate(STREAMS):
        stream = getattr(sys, name)
        if stream is None:
            os.open(os.devnull, os.O_RDWR)  # gives the lowest number that is free: this one
        if number and (stream is None or stream is getattr(sys, f"__{name}__")):
            buffer = io.BufferedWriter(_Pipe(number, "wb", closefd=False))
            encoding, errors = getattr(stream, "encoding", "utf-8"), getattr(stream, "errors", "backslashreplace")
            terminal = number == 2 or os.isatty(number)
            setattr(sys, name, io.TextIOWrapper(buffer, encoding, errors, line_buffering=terminal))
        elif stream is None:
            sys.stdin = os.fdopen(0, closefd=False)
