"""Progress of long work: a bar in a terminal, a line now and then elsewhere, an artifact in the Prefect UI."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows.execution.terminal import error_console
from tasks.steps.progress import ProgressFile
from tasks.tracking.markdown import escape

console = error_console()
POLL_SECONDS = 0.2
LINE_SECONDS = 15.0  # between lines where there is no terminal
ARTIFACT_SECONDS = 5.0  # between updates of the artifact: each is a request to the server


@contextmanager
def progress(title: str, total: int) -> Iterator[ProgressFile]:
    """Yield a file that tasks in any thread or process `advance`; `total` counts what `done` counts.

    Once an exception has left the block, Ctrl-C or another, `advance` raises CancelledError: tasks that are still at
    work end with their batch, not with their shard.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with (
        TemporaryDirectory(prefix="progress-") as folder,
        Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar,
    ):
        file = ProgressFile(Path(folder) / "progress")
        file.path.touch()
        display = _Display(title, total, file, bar)
        stopped = threading.Event()
        poller = threading.Thread(target=copy_context().run, args=(display.poll, stopped), daemon=True)
        poller.start()
        try:
            yield file
        except BaseException:
            file.path.unlink()
            raise
        finally:
            stopped.set()
            poller.join()
        display.update()
        display.finish()


class _Display:
    """What is shown of a progress file."""

    def __init__(self, title: str, total: int, file: ProgressFile, bar: Progress) -> None:
        self.title, self.total, self.file, self.bar = title, total, file, bar
        self.row = bar.add_task(title, total=total, rate="")
        self.artifact = create_progress_artifact(progress=0.0, description=escape(title))
        self.began, self.line_at, self.artifact_at = time.monotonic(), 0.0, 0.0
        self.shown = self.done = 0

    def poll(self, stopped: threading.Event) -> None:
        while not stopped.wait(POLL_SECONDS):
            try:
                self.update()
            except FileNotFoundError:  # the work was stopped
                return

    def update(self) -> None:
        self.done, tokens = self.file.totals()
        elapsed = time.monotonic() - self.began
        rate = f"{tokens / elapsed:,.0f} tokens/s" if tokens else ""
        after = f", {rate}" if rate else ""
        self.bar.update(self.row, completed=self.done, rate=rate)
        due = self.done >= self.total or elapsed - self.line_at > LINE_SECONDS
        if not console.is_terminal and due and self.done > self.shown:
            self.line_at, self.shown = elapsed, self.done
            console.print(f"{self.title}: {self.done} of {self.total}{after}")
        if elapsed - self.artifact_at > ARTIFACT_SECONDS:
            self.artifact_at = elapsed
            self._show_artifact()

    def finish(self) -> None:
        self._show_artifact()

    def _show_artifact(self) -> None:
        if isinstance(self.artifact, UUID):
            percent = min(100.0, 100 * self.done / self.total) if self.total else 100.0  # a killed worker's count too
            update_progress_artifact(self.artifact, progress=percent)
