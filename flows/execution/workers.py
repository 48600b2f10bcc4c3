"""The workers of a run: processes, here or in a cluster, that compute the tasks which take long; else its own threads.

What is fetched, read from sources, recorded and tracked stays in the process of the run.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner
from prefect.tasks import Task
from prefect.utilities.callables import get_call_parameters

from flows.execution.activity import activity
from flows.planning.plan import Plan
from flows.planning.runner import find_runner
from vocabsem.errors import BadInput, ComputationFailed
from vocabsem.methods.registry import build_method, method_info
from vocabsem.models.quantization import require_quantization

R = TypeVar("R")
T = TypeVar("T")
GB = 1e9
Claim = Callable[[int, int], AbstractContextManager[Any]]  # of GPUs and bytes, for what is submitted in its block
EXTRAS = {"dask": "prefect_dask", "ray": "prefect_ray"}


class WorkerLost(ComputationFailed):
    """The process of a task was killed, more often than its engine tries again."""


@dataclass(frozen=True)
class Workers:
    """Workers that take tasks."""

    runner: TaskRunner[Any]
    slots: int
    """Tasks at a time."""
    memory: int | None = None
    """Bytes of the largest, None where that is not known."""
    gpus: int = 0
    """GPUs that they declare."""
    claim: Claim = field(default=lambda _gpus, _memory: nullcontext())
    lost: tuple[type[Exception], ...] = ()
    """What a task raises whose worker is gone."""


_workers: ContextVar[Workers | None] = ContextVar("workers", default=None)


@contextmanager
def started(plan: Plan) -> Iterator[None]:
    """Start the workers of the plan's runner, or connect to them, for the tasks of the block. Raises BadInput."""
    runner = find_runner(plan.experiment.runner)
    if runner.name in ("local", "process"):  # others may have a GPU, or the package, where this machine has none
        for model in plan.experiment.model_cards(plan.home.cache):
            require_quantization(model, plan.experiment.device)
        for spec in plan.experiment.methods:
            if method_info(spec.method).package:
                build_method(spec.method, spec.params, None, random_state=0).require()
    if runner.name == "local":
        yield
        return
    if missing := EXTRAS.get(runner.name):
        try:
            import_module(missing)
        except ImportError:
            raise BadInput(
                f"runner {runner.name!r} needs the package {missing}: pip install 'vocabsem[{runner.name}]'"
            ) from None
    with ExitStack() as stack:
        with activity(f"connecting to {runner.address}" if runner.address else f"starting workers of {runner.name}"):
            engine = import_module(f"flows.execution.{runner.name}_workers")
            options = {"device": plan.experiment.device} if runner.name == "process" else {}
            workers: Workers = stack.enter_context(engine.workers(runner, plan.home, **options))
        if plan.experiment.device.startswith("cuda") and runner.name == "ray" and not workers.gpus:
            raise BadInput(f"device {plan.experiment.device!r}: no worker of Ray has a GPU: use device 'cpu'")
        token = _workers.set(workers)
        try:
            yield
        finally:
            _workers.reset(token)


def slots() -> int:
    """Return how many tasks the workers compute at a time; 1 where there are none."""
    workers = _workers.get()
    return workers.slots if workers else 1


def worker_memory() -> int | None:
    """Return the bytes of memory of the largest worker, None where that is not known, or the run has none."""
    workers = _workers.get()
    return workers.memory if workers else None


def submit(task: Task[..., R], *arguments: Any, device: str = "cpu", memory: int = 0) -> PrefectFuture[R]:
    """Give a task to a worker that has what it needs: the device, and bytes of memory. Raises BadInput if none has."""
    workers = _workers.get()
    if workers is None:
        return task.submit(*arguments)
    if workers.memory and memory > workers.memory:
        raise BadInput(
            f"{task.name} needs about {memory / GB:.1f} GB, and the largest worker has {workers.memory / GB:.1f} GB:"
            " start one with more memory, or lower 'shard_rows'"
        )
    gpus = int(bool(workers.gpus) and device != "cpu")
    with workers.claim(gpus, memory):
        future: PrefectFuture[R] = workers.runner.submit(task, get_call_parameters(task.fn, arguments, {}))
        return future


def result_of(future: PrefectFuture[R]) -> R:
    """Wait for a task, and return what it returned. Raises WorkerLost, or what the task raised."""
    workers = _workers.get()
    lost = workers.lost if workers else ()
    try:
        return future.result()
    except lost as error:
        raise WorkerLost(
            f"the worker of a task was killed ({type(error).__name__}), perhaps for lack of memory: run the same"
            " command to resume"
        ) from error


def compute(task: Task[..., R], *arguments: Any, device: str = "cpu", memory: int = 0) -> R:
    """Let a worker compute a task; return what it returned."""
    return result_of(submit(task, *arguments, device=device, memory=memory))


def in_order(submit_one: Callable[[T], PrefectFuture[Any]], items: Iterable[T], ahead: int = 1) -> None:
    """Submit a task for each item, `ahead` of them for each slot at a time, and wait for all."""
    waiting: list[PrefectFuture[Any]] = []
    for item in items:
        if len(waiting) == ahead * slots():
            result_of(waiting.pop(0))
        waiting.append(submit_one(item))
    for future in waiting:
        result_of(future)


def concurrently(work: Callable[[T], None], items: Iterable[T]) -> None:
    """Do the work on each item, on as many at a time as there are slots. Raises the first error; what has not begun by
    then is left out."""
    if slots() == 1:
        for item in items:
            work(item)
        return
    pool = ThreadPoolExecutor(slots(), "items")
    try:
        for future in as_completed([pool.submit(copy_context().run, work, item) for item in items]):
            future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
