"""Progress that crosses processes: tasks append to a file, the flow that made it reads it."""

import os
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProgressFile:
    """What is done of some work, as lines of `done tokens`. The flow removes the file to stop the work."""

    path: Path

    def advance(self, done: int, tokens: int = 0) -> None:
        """Append what was done since the last call. Raises CancelledError once the file is removed."""
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            raise CancelledError("the run was stopped") from None
        try:
            os.write(descriptor, f"{done} {tokens}\n".encode())  # so short that no other writer's line mixes with it
        finally:
            os.close(descriptor)

    def totals(self) -> tuple[int, int]:
        """Return what is done and how many tokens that was."""
        lines = [line.split() for line in self.path.read_text().splitlines()]
        return sum(int(done) for done, _ in lines), sum(int(tokens) for _, tokens in lines)


def in_texts(progress: ProgressFile | None, texts: int, prompts: int) -> Callable[[int, int], None]:
    """Return what is called with each batch's prompts and tokens, and counts texts, of which long ones have several."""
    read = 0

    def advance(count: int, tokens: int) -> None:
        nonlocal read
        before, read = read, read + count
        if progress:
            progress.advance(read * texts // prompts - before * texts // prompts, tokens)

    return advance
