"""The MLflow run of a pipeline: running while it computes, with MLflow's own system metrics, then closed as it ended.

A killed process leaves its run open. Each run is tagged with its process, so that the next run of the experiment closes
it; where the record is in the lake already, its MLflow run is taken up again.
"""

import logging
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil

from tasks.tracking.markdown import escape
from tasks.tracking.runs import KEY, NOTE, PARENT, experiment_id, git_commit, params
from tasks.tracking.store import store
from warehouse.home import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient

OF_CARD = ("models", "datasets", "shots", "seeds", "layers", "pooling", "dtype", "gauge", "limits")
PROCESS = "vocabsem.process"  # tag: host, process id and start of the process
SAMPLING_SECONDS = 5.0  # MLflow's own default, 10, leaves a run of a minute almost without a curve
CLOCK_SECONDS = 60.0  # by which a process's start may move when the clock is set; a number is not given again so soon
LONGEST_NOTE = 2000


@contextmanager
def active_run(home: Home, card: Mapping[str, Any], key: str, recorded: str | None, flow_run: str) -> Iterator[str]:
    """Yield the id of an MLflow run that is running in the block and finished after it.

    After an exception it is FAILED and its description is the error; after an interruption it is KILLED.
    recorded: the MLflow run that the lake's record of this key names, to be taken up again; None without a record.
    """
    tags = {KEY: key, "prefect.flow_run_id": flow_run, "git_commit": git_commit() or ""}
    run_id = open_run(home, card, tags, recorded)
    status, error = "KILLED", None
    try:
        with _system_metrics(home, run_id):
            yield run_id
        status = "FINISHED"
    except Exception as exception:
        status, error = "FAILED", str(exception)
        raise
    finally:
        with store(home) as client:
            if error:
                client.set_tag(run_id, NOTE, escape(error[:LONGEST_NOTE]))
            client.set_terminated(run_id, status)


def open_run(home: Home, card: Mapping[str, Any], tags: Mapping[str, str], recorded: str | None = None) -> str:
    """Return the id of a running MLflow run in the experiment of the card's name, with the card as its parameters.

    Runs of processes that have ended are closed as KILLED first.
    """
    with store(home) as client:
        experiment = experiment_id(client, home, card)
        _close_abandoned(client, experiment)
        started = psutil.Process().create_time()
        tags = {**tags, PROCESS: f"{platform.node()} {os.getpid()} {started:.2f}"}
        if recorded and _resumable(client, recorded):
            client.update_run(recorded, status="RUNNING")
            for name, value in tags.items():
                client.set_tag(recorded, name, value)
            return recorded
        name = time.strftime(f"{card['name']} %Y-%m-%d %H:%M")
        run_id = str(client.create_run(experiment, run_name=name, tags=tags).info.run_id)
        client.log_batch(run_id, params=params({name: card[name] for name in OF_CARD if name in card}))
        client.log_dict(run_id, dict(card), "experiment.yaml")
    return run_id


def _resumable(client: "MlflowClient", run_id: str) -> bool:
    """Return whether the run is in the store, not deleted, and not at work in another process."""
    from mlflow.exceptions import MlflowException

    try:
        info = client.get_run(run_id).info
    except MlflowException:
        return False
    return info.lifecycle_stage == "active" and info.status in ("FAILED", "KILLED")


def _close_abandoned(client: "MlflowClient", experiment: str) -> None:
    running = client.search_runs([experiment], "attributes.status = 'RUNNING'")
    ended = {run.info.run_id for run in running if _has_ended(run.data.tags.get(PROCESS))}
    for run in running:
        if not ended.isdisjoint((run.info.run_id, run.data.tags.get(PARENT))):
            client.set_terminated(run.info.run_id, "KILLED")


def _has_ended(process: str | None) -> bool:
    """Return whether the process of a tag ran on this machine and runs no more; False for what cannot be known."""
    if process is None or process.split()[0] != platform.node():
        return False
    _, pid, started = process.split()
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - float(started)) > CLOCK_SECONDS)
    except psutil.NoSuchProcess:
        return True


@contextmanager
def _system_metrics(home: Home, run_id: str) -> Iterator[None]:
    """Let MLflow sample processors, memory, disk, network and NVIDIA GPUs while the block runs."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)  # each start and end is on the terminal
    monitor = SystemMetricsMonitor(run_id, SAMPLING_SECONDS, resume_logging=True, tracking_uri=home.tracking_uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
