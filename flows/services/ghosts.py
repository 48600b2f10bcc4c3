"""What a killed process leaves open: its flow runs, its MLflow runs, temporaries. The next start of a flow closes them.

A process that runs flows keeps a file with its name, locked, while it does; one whose process is gone was left by a
kill, or by an interruption, which waits neither for all threads nor for all requests. The lock shows processes
whose ids mean nothing here: those of other containers, also of one that is started again.
"""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.tracking.active_run import close_abandoned
from vocabsem.sources.leftovers import sweep_leftovers
from warehouse.home import Home
from warehouse.lake import atomic
from warehouse.lake.gc import sweep_temporaries
from warehouse.process import has_ended, is_locked, lock, this_process

UNFINISHED = {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}


def ghosts(home: Home) -> list[Path]:
    """Return the files of the processes that were killed."""
    if not (folder := _folder(home)).is_dir():
        return []
    with atomic.locked(folder, create=False):
        return [file for file in folder.iterdir() if _is_gone(file)]


def _is_gone(file: Path) -> bool:
    """Return whether the process of a file has ended: by its id where that means something, else by the file's lock."""
    host, process = file.name.split(maxsplit=1)
    here = this_process().split()[0]
    if host in (here, platform.node()):  # names of version 0.1 have the latter, and no lock
        return has_ended(f"{here} {process}")
    return host.partition("@")[0] == platform.node() and not is_locked(file) and file.exists()


@contextmanager
def marked(home: Home) -> Iterator[None]:
    """Keep the file of this process, and tag with its name the flow runs that the block begins.

    Temporary files of the block, MLflow's and DuckDB's too, are made in the home, where the next start finds them.
    """
    from prefect import tags

    file = _folder(home) / this_process()
    with atomic.locked(file.parent):
        held = lock(file)
    temporary = home.temporary / file.name
    temporary.mkdir(parents=True, exist_ok=True)
    before, tempfile.tempdir = tempfile.tempdir, str(temporary)
    try:
        with tags(file.name):
            yield
    except Exception:
        _unmark(home, file)
        raise
    else:
        _unmark(home, file)
    finally:
        tempfile.tempdir = before
        os.close(held)


def _unmark(home: Home, file: Path) -> None:
    shutil.rmtree(home.temporary / file.name, ignore_errors=True)
    file.unlink(missing_ok=True)


def close_ghosts(home: Home) -> None:
    """Mark the flow runs of killed processes as crashed, in the API that Prefect is pointed to, their MLflow runs as
    killed, and remove the temporaries that they left."""
    if not (files := ghosts(home)):
        return
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
    from prefect.states import Crashed

    state: Any = Crashed(message="Its process was killed. Run the same command: it resumes.")
    with get_client(sync_client=True) as client:
        for file in files:
            of_process = FlowRunFilter.model_validate({"tags": {"all_": [file.name]}})
            left = TaskRunFilter.model_validate(UNFINISHED)
            for task in client.read_task_runs(flow_run_filter=of_process, task_run_filter=left):
                client.set_task_run_state(task.id, state, force=True)
            left_flows = FlowRunFilter.model_validate(UNFINISHED | {"tags": {"all_": [file.name]}})
            for run in client.read_flow_runs(flow_run_filter=left_flows):
                client.set_flow_run_state(run.id, state, force=True)
    close_abandoned(home, {file.name for file in files})
    sweep_temporaries(home)
    sweep_leftovers(home.cache)
    for file in files:
        _unmark(home, file)


def _folder(home: Home) -> Path:
    return home.prefect / "processes"
