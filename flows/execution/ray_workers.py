"""Workers of Ray: of a cluster that runs, or of one on this machine for the time of the run.

A task whose worker is killed is given to another one by Ray, which is imported once its environment is set.
"""

import logging
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from prefect_ray import RayTaskRunner
from prefect_ray.context import remote_options

from flows.execution.worker_checks import engine_errors, require_answer, require_same, shared_file
from flows.execution.workers import Workers
from flows.planning.runner import Runner, local_workers
from vocabsem.worker import facts
from warehouse.home import Home

START = "start one with `ray start --head`"
PROBE_SECONDS = 60


@contextmanager
def workers(runner: Runner, home: Home) -> Iterator[Workers]:
    """Yield the workers. Raises BadInput for a cluster that does not answer, or that cannot compute our tasks."""
    environment = {"VOCABSEM_HOME": str(home)}
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with ExitStack() as stack:
        if runner.address:
            require_answer("head of Ray", runner.address, START)
        else:
            count, threads = local_workers(runner)
            environment["OMP_NUM_THREADS"] = str(threads)
            options |= {"address": "local", "num_cpus": count, "include_dashboard": False}
            options["_temp_dir"] = stack.enter_context(_private_folder())
        options["runtime_env"] = {"env_vars": environment, "worker_process_setup_hook": "vocabsem.worker.prepare"}
        import ray

        with engine_errors("Ray", runner.address):
            tasks = stack.enter_context(RayTaskRunner(runner.address, init_kwargs=options))
            if runner.address:
                _check(home)
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        yield Workers(
            tasks,
            slots=int(sum(node.get("CPU", 0) for node in nodes)),
            memory=int(max(node.get("memory", 0) for node in nodes)) or None,
            gpus=int(sum(node.get("GPU", 0) for node in nodes)),
            claim=_claim,
            lost=(ray.exceptions.RayError,),
        )


def _private_folder() -> AbstractContextManager[str]:
    """Return a folder for a cluster that requires a token, which only this process and its workers have.

    Ray listens on every interface, and reads the token as it is imported: one a process. The folder holds sockets, so
    that its path is short.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    return tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)


def _check(home: Home) -> None:
    """Require of a worker of each node what it must have in common with this process."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    probe = ray.remote(num_cpus=0)(facts)
    with shared_file(home) as file:
        for node in ray.nodes():
            if node["Alive"]:
                there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                theirs = ray.get(probe.options(scheduling_strategy=there).remote(file), timeout=PROBE_SECONDS)
                require_same(node["NodeManagerAddress"], theirs, file)


def _claim(gpus: int, memory: int) -> AbstractContextManager[Any]:
    wanted = {"num_gpus": gpus, "memory": memory}
    claimed: AbstractContextManager[Any] = remote_options(**{name: n for name, n in wanted.items() if n})
    return claimed
