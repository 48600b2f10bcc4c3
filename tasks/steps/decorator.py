"""The `@task` of this project. The manifest says what is done, so Prefect caches and stores nothing."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE

P = ParamSpec("P")
R = TypeVar("R")


def step_task(
    *, task_run_name: str, retry_on: tuple[type[Exception], ...] = ()
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task; after one of the errors `retry_on` it is retried three times, with growing delays."""

    def is_transient(_task: Any, _run: Any, state: Any) -> bool:
        return isinstance(state.data, retry_on)

    def decorate(work: Callable[P, R]) -> Task[P, R]:
        return Task(
            work,
            task_run_name=task_run_name,
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=3 if retry_on else None,
            retry_delay_seconds=[2, 10, 30] if retry_on else None,
            retry_condition_fn=is_transient if retry_on else None,
        )

    return decorate
