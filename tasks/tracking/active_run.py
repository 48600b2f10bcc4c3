"""The MLflow run of a pipeline: running while it computes, with MLflow's own system metrics, then closed as it ended.

A killed process leaves its run open. Each run is tagged with its process, so that the next run closes it, and one of
the same key takes it up again.
"""

import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from getpass import getuser
from typing import TYPE_CHECKING, Any

from tasks.tracking.markdown import escape
from tasks.tracking.postgres import setting
from tasks.tracking.runs import KEY, MOST_CHILDREN, NOTE, PARENT, experiment_id, git_commit, params
from tasks.tracking.store import store
from vocabsem.runtime.third_party import muted
from warehouse.home import Home
from warehouse.process import has_ended, this_process

if TYPE_CHECKING:
    from mlflow import MlflowClient

OF_CARD = ("models", "datasets", "shots", "seeds", "layers", "pooling", "dtype", "gauge", "limits")
PROCESS = "vocabsem.process"  # tag: what `this_process` returns
SAMPLING_SECONDS = 5.0  # MLflow's own default, 10, leaves a run of a minute almost without a curve
LONGEST_NOTE = 2000


@contextmanager
def active_run(home: Home, card: Mapping[str, Any], key: str, recorded: str | None, flow_run: str) -> Iterator[str]:
    """Yield the id of an MLflow run that is running in the block and finished after it.

    After an exception it is FAILED and its description is the error; after an interruption it is KILLED.
    recorded: the MLflow run that the lake's record of this key names, to be taken up again; None without a record.
    """
    tags = {KEY: key, "prefect.flow_run_id": flow_run, "mlflow.source.git.commit": git_commit() or ""}
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

    Runs of processes that have ended are closed as KILLED first. One of the same key that was killed is taken up again.
    """
    close_abandoned(home)
    with store(home) as client:
        experiment = experiment_id(client, home, card)
        source = {"mlflow.source.name": f"vocabsem run {card['name']}", "mlflow.source.type": "LOCAL"}
        tags = {**tags, **source, "mlflow.user": _user(), PROCESS: this_process()}
        run_id = recorded if recorded and _resumable(client, recorded) else _killed(client, experiment, tags.get(KEY))
        if run_id:
            client.update_run(run_id, status="RUNNING")
            for name, value in tags.items():
                client.set_tag(run_id, name, value)
        else:
            name = time.strftime(f"{card['name']} %Y-%m-%d %H:%M")
            run_id = str(client.create_run(experiment, run_name=name, tags=tags).info.run_id)
        known = client.get_run(run_id).data.params
        client.log_batch(run_id, params=params({n: card[n] for n in OF_CARD if n in card and n not in known}))
        client.log_dict(run_id, dict(card), "experiment.yaml")
    return run_id


def _user() -> str:
    """Return the user of this process: the name, or the uid where the system has no name for it, as in containers."""
    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def close_abandoned(home: Home, gone: Collection[str] = ()) -> None:
    """Close the runs, with their children, whose process has ended, as KILLED. gone: processes known to have ended."""
    if setting("mlflow") is None and not home.mlflow.exists():
        return
    with store(home) as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        running = client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=MOST_CHILDREN)
        process = {run.info.run_id: run.data.tags.get(PROCESS) for run in running}
        ended = {run_id for run_id, its in process.items() if its in gone or has_ended(its)}
        for run in running:
            if not ended.isdisjoint((run.info.run_id, run.data.tags.get(PARENT))):
                client.set_terminated(run.info.run_id, "KILLED")


def _resumable(client: "MlflowClient", run_id: str) -> bool:
    """Return whether the run is in the store, not deleted, and not at work in another process."""
    from mlflow.exceptions import MlflowException

    try:
        info = client.get_run(run_id).info
    except MlflowException:
        return False
    return info.lifecycle_stage == "active" and info.status in ("FAILED", "KILLED")


def _killed(client: "MlflowClient", experiment: str, key: str | None) -> str | None:
    """Return the newest run of a key that was killed, None without one."""
    killed = f"tags.`{KEY}` = '{key}' and attributes.status = 'KILLED'"
    return next((str(run.info.run_id) for run in client.search_runs([experiment], killed, max_results=1)), None)


@contextmanager
def _system_metrics(home: Home, run_id: str) -> Iterator[None]:
    """Let MLflow sample processors, memory, disk, network and NVIDIA GPUs while the block runs."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    with muted("mlflow.system_metrics"):  # which logs each start and end
        monitor = SystemMetricsMonitor(run_id, SAMPLING_SECONDS, resume_logging=True, tracking_uri=home.tracking_uri)
        monitor.start()
        try:
            yield
        finally:
            monitor.finish()
