"""One process at a time computes a partition; the others wait, and say for whom."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from prefect import get_run_logger

from flows.execution.progress import console
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.lease import leases
from warehouse.lake.partition import Lake


def turn(home: Home, steps: Iterable[Step[Any]], what: str) -> AbstractContextManager[None]:
    """Hold the leases of the steps' partitions; `what` is computed under them. What was missing before may be there."""

    def waiting(owner: str) -> None:
        line = f"waiting for {owner}, which computes {what}"
        console.print(line)
        get_run_logger().info(line)

    lake = Lake(home)
    return leases([step.partition(lake).path for step in steps], waiting, lake.store.leases)
