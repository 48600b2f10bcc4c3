"""Workers of Dask: of a cluster that runs, or of one on this machine for the time of the run.

A task whose worker is killed is given to another one by Dask's scheduler.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import dask
import distributed
from prefect_dask import DaskTaskRunner

from flows.execution.worker_checks import engine_errors, require_answer, require_same, shared_file
from flows.execution.workers import Workers
from flows.planning.runner import Runner, local_workers
from vocabsem.worker import facts, prepare
from warehouse.home import Home

GPU, MEMORY = "GPU", "MEMORY"  # resources that `dask worker --resources` may declare
CONNECT_SECONDS = 10
START = "start one with `dask scheduler` and `dask worker ADDRESS`"


@contextmanager
def workers(runner: Runner, home: Home) -> Iterator[Workers]:
    """Yield the workers. Raises BadInput for a cluster that does not answer, or that cannot compute our tasks."""
    if runner.address:
        require_answer("Dask scheduler", runner.address, START)
        options: dict[str, Any] = {"address": runner.address}
    else:
        options = {"cluster_kwargs": _on_this_machine(runner)}
    with DaskTaskRunner(**options, client_kwargs={"timeout": CONNECT_SECONDS}) as tasks:
        with engine_errors("Dask", runner.address):
            client = tasks.client
            _prepare(client, home, check=bool(runner.address))
            known = client.scheduler_info(n_workers=-1)["workers"].values()
        yield Workers(
            tasks,
            slots=sum(worker["nthreads"] for worker in known),
            memory=int(max(worker["resources"].get(MEMORY, worker["memory_limit"]) for worker in known)) or None,
            gpus=int(sum(worker["resources"].get(GPU, 0) for worker in known)),
            claim=lambda gpus, memory: _claim({GPU: gpus, MEMORY: memory}, known),
            lost=(distributed.scheduler.KilledWorker,),
        )


def _on_this_machine(runner: Runner) -> dict[str, Any]:
    """Return the options of a cluster on loopback, which only this process can use: its keys are made for it."""
    count, threads = local_workers(runner)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        "n_workers": count,
        "threads_per_worker": 1,
        "processes": True,
        "security": True,
        "dashboard_address": None,
        "env": dict.fromkeys(names, str(threads)),
    }


def _prepare(client: distributed.Client, home: Home, check: bool) -> None:
    """Prepare every worker that is there or comes later, and with `check` require that those that are there fit."""
    client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    with shared_file(home) as file:
        if check:
            versions = client.get_versions()["workers"]
            for name, worker in versions.items():
                require_same(name, {"Python": ".".join(worker["host"]["python"].split(".")[:2])}, file)
            for name, worker in client.run(facts, file).items():
                require_same(name, worker, file)
    client.register_plugin(_preparation(str(home)))


def _preparation(home: str) -> distributed.WorkerPlugin:
    """Return what Dask runs as a worker starts; a class of this function, so that it is sent with its code."""

    class Preparation(distributed.WorkerPlugin):  # type: ignore[misc]  # untyped
        name = "vocabsem"

        def setup(self, worker: object) -> None:
            prepare(home)

    return Preparation()


def _claim(wanted: dict[str, int], known: Any) -> AbstractContextManager[Any]:
    """Claim what is wanted of the resources that workers declare: for another one Dask would wait for ever."""
    declared = {name for worker in known for name in worker["resources"]}
    resources = {name: amount for name, amount in wanted.items() if amount and name in declared}
    claimed: AbstractContextManager[Any] = dask.annotate(resources=resources) if resources else dask.annotate()
    return claimed
