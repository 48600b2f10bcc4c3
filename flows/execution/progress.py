"""Progress of long work: a bar in a terminal, a line now and then elsewhere, an artifact in the Prefect UI."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False, soft_wrap=True)
LINE_SECONDS = 15.0  # between lines where there is no terminal
ARTIFACT_SECONDS = 5.0  # between updates of the artifact: each is a request to the server


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Yields `advance(done, tokens)`, which any thread may call; `total` counts what `done` counts.

    Once an exception has left the block, Ctrl-C or another, `advance` raises CancelledError: threads that are still at
    work end with their batch, not with their shard.
    """
    artifact = create_progress_artifact(progress=0.0, description=title)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    stopped = threading.Event()
    lock, began, seen = threading.Lock(), time.monotonic(), {"done": 0, "tokens": 0, "line": 0.0, "artifact": 0.0}
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total, rate="")

        def advance(done: int, tokens: int = 0) -> None:
            if stopped.is_set():
                raise CancelledError(f"{title}: the run was stopped")
            with lock:
                seen["done"] += done
                seen["tokens"] += tokens
                elapsed = time.monotonic() - began
                rate = f"{seen['tokens'] / elapsed:,.0f} tokens/s" if seen["tokens"] else ""
                bar.update(task, completed=seen["done"], rate=rate)
                finished = seen["done"] >= total
                if not console.is_terminal and (finished or elapsed - seen["line"] > LINE_SECONDS):
                    seen["line"] = elapsed
                    console.print(f"{title}: {seen['done']:g} of {total} {rate}")
                if isinstance(artifact, UUID) and elapsed - seen["artifact"] > ARTIFACT_SECONDS:
                    seen["artifact"] = elapsed
                    update_progress_artifact(artifact, progress=100 * seen["done"] / total)

        try:
            yield advance
        except BaseException:
            stopped.set()
            raise
    if isinstance(artifact, UUID):
        update_progress_artifact(artifact, progress=100 * seen["done"] / total if total else 100.0)
