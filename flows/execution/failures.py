"""Continue after errors: record what failed, and compute all that does not depend on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from flows.planning.plan import Plan
from tasks.tracking.markdown import cells
from vocabsem.errors import ComputationFailed, shorten

_failures: ContextVar[list[dict[str, Any]] | None] = ContextVar("failures", default=None)


class StepsFailed(ComputationFailed):
    """Some steps could not be computed; the others were."""


@contextmanager
def collect_failures(enabled: bool) -> Iterator[list[dict[str, Any]]]:
    """Yield the list of failures, to which the block's attempts append if `enabled`; else their errors are raised."""
    failures: list[dict[str, Any]] = []
    token = _failures.set(failures if enabled else None)
    try:
        yield failures
    finally:
        _failures.reset(token)


def collecting() -> bool:
    """Return whether errors are collected, not raised."""
    return _failures.get() is not None


@contextmanager
def attempt(**where: str) -> Iterator[None]:
    """Run the block; an error in it is raised, or while errors are collected kept with `where` it was."""
    try:
        yield
    except Exception as error:
        if not collecting():
            raise
        keep_failure(error, **where)


def keep_failure(error: Exception, **where: str) -> None:
    """Append an error, with `where` it was, to those that are collected."""
    get_run_logger().error(f"{', '.join(where.values())}: {shorten(str(error))}")
    row = {"model": "", "dataset": "", "step": ""} | where | {"error": shorten(str(error))}
    failures = _failures.get()
    if failures is not None and row not in failures:
        failures.append(row)


def report_failures(plan: Plan, failures: list[dict[str, Any]]) -> None:
    """Create the table of failures, and raise StepsFailed if there are any."""
    if failures:
        name = plan.experiment.name
        key, description = f"failures-{name.replace('_', '-')}", f"What failed of {name}"
        create_table_artifact(cells(failures), key=key, description=description)
        raise StepsFailed(
            f"{len(failures)} steps of experiment {name!r} failed, the first with: {failures[0]['error']}. Fix it and"
            " run the same command: the others are kept"
        )
