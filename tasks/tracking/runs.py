"""Experiments in MLflow: a parent run for each run of an experiment, a child run for each row of its leaderboard.

The figures of a child are written in one batch, because each call to the store costs as much as a thousand metrics in
one.
"""

import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

from tasks.tracking.markdown import escape, pipes
from tasks.tracking.store import store, store_lock
from vocabsem.installation import CHECKOUT, ROOT
from warehouse.home import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

KEY, PARENT, NOTE = "vocabsem.key", "mlflow.parentRunId", "mlflow.note.content"  # tags of MLflow runs
TABLE = "leaderboard.json"  # which the tag `mlflow.loggedArtifacts` makes its pages show as a table
PAGE = "report.html"
MOST_CHILDREN = 50_000  # that MLflow returns at once
DIGEST = 12  # characters of a partition's key, as in the lake's folder names; MLflow keeps at most 36
# Columns a person can survey; every other figure and interval is in the warehouse.
SHOWN = ("macro_f1", "accuracy", "nll", "ece", "validation_macro_f1", "fit_seconds", "macro_f1_low", "macro_f1_high")


@dataclass(frozen=True)
class ResultRow:
    """One row of a leaderboard: a method at one number of shots, on one data set, with one model."""

    model: str
    dataset: str
    method: str
    shots: str
    seeds: Sequence[int]
    parameters: Mapping[str, Any]
    """Of the method, its registered name included."""
    control: bool
    scores: Mapping[str, Any]
    """The catalog's row of the run's scores."""
    keys: Mapping[str, str]
    """Of the partitions behind it, by role; `predictions` is one."""


@dataclass(frozen=True)
class DatasetInput:
    """A data set as MLflow names it in its runs."""

    name: str
    key: str
    """Of its examples."""
    rows: int
    source: str


def log_results(
    home: Home,
    run_id: str,
    rows: Sequence[ResultRow],
    datasets: Sequence[DatasetInput],
    best: Sequence[Mapping[str, Any]],
) -> None:
    """Log the rows of a leaderboard to a running MLflow run: a table, and a child run for each of them.

    best: rows of `best_by_validation`, for the run's description.
    What an earlier try has logged stays, and is completed: the same rows make no second child.
    """
    with store(home) as client:
        run = client.get_run(run_id)
        experiment, started = run.info.experiment_id, run.info.start_time
        inputs = {dataset.name: _input(dataset) for dataset in datasets}
        client.log_inputs(run_id, list(inputs.values()))
        logged = client.search_runs([experiment], f"tags.`{PARENT}` = '{run_id}'", max_results=MOST_CHILDREN)
        children = {child.data.tags.get("key.predictions"): child.info for child in logged}
        for row in rows:
            child = children.get(row.keys["predictions"])
            if child is None or child.status != "FINISHED":
                child_id = child.run_id if child else _create_child(client, experiment, run_id, row)
                _log_row(client, child_id, started, row, inputs[row.dataset])
        client.log_dict(run_id, _leaderboard(rows), TABLE)
        client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps([{"path": TABLE, "type": "table"}]))
        client.set_tag(run_id, NOTE, _note(best))


def log_page(home: Home, run_id: str, text: str) -> None:
    """Log a run's report as its artifact."""
    with store(home) as client:
        client.log_text(run_id, text, PAGE)


def page_file(home: Home, experiment: str, run_id: str) -> Path:
    """Return where MLflow keeps the report of a run that was recorded in this home."""
    return home.artifacts / experiment / run_id / "artifacts" / PAGE


def experiment_id(client: "MlflowClient", home: Home, card: Mapping[str, Any]) -> str:
    """Return the id of the card's MLflow experiment, made if there is none, restored if it was deleted."""
    with store_lock(home):  # of two processes that make it at once one would fail
        experiment = client.get_experiment_by_name(card["name"])
        if experiment is None:  # over a bare database MLflow would put artifacts into the working directory
            folder = home.artifacts / card["name"]
            return str(client.create_experiment(card["name"], folder.as_uri(), {NOTE: escape(card["description"])}))
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def git_commit() -> str | None:
    """Return the checkout's commit; None for an installed copy, in whose folder git has another project's, if any."""
    if not CHECKOUT or which("git") is None:
        return None
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def params(values: Mapping[str, Any]) -> list["Param"]:
    """Return values as MLflow's parameters: text as it is, all else as JSON."""
    from mlflow.entities import Param

    return [Param(key, value if isinstance(value, str) else json.dumps(value)) for key, value in values.items()]


def _create_child(client: "MlflowClient", experiment: str, parent: str, row: ResultRow) -> str:
    name = f"{row.method} {row.shots}, {row.dataset}"  # MLflow's pages cut long names at their end
    keys = {f"key.{role}": key for role, key in row.keys.items()}
    tags = {PARENT: parent, "control": str(row.control).lower(), **keys}
    return str(client.create_run(experiment, run_name=name, tags=tags).info.run_id)


def _log_row(client: "MlflowClient", run_id: str, at: int, row: ResultRow, dataset: Any) -> None:
    """Log a row to its run and finish it. at: milliseconds, the same at every try, so that no figure is there twice."""
    what = {"model": row.model, "dataset": row.dataset, "shots": row.shots, "seeds": row.seeds, "label": row.method}
    client.log_batch(run_id, metrics=_metrics(row.scores, at), params=params(what | dict(row.parameters)))
    client.log_inputs(run_id, [dataset])
    client.set_terminated(run_id)


def _metrics(scores: Mapping[str, Any], at: int) -> list["Metric"]:
    """Return those of SHOWN; what is unknown or not finite is left out."""
    from mlflow.entities import Metric

    return [Metric(name, value, at, 0) for name in SHOWN if (value := _finite(scores, name)) is not None]


def _input(dataset: DatasetInput) -> Any:
    from mlflow.entities import Dataset, InputTag
    from mlflow.entities import DatasetInput as MlflowInput

    source = json.dumps({"uri": dataset.source, "partition": dataset.key})
    profile = json.dumps({"rows": dataset.rows})
    entity = Dataset(dataset.name, dataset.key[:DIGEST], "vocabsem", source, profile=profile)
    return MlflowInput(entity, [InputTag("mlflow.data.context", "evaluation")])


def _note(best: Sequence[Mapping[str, Any]]) -> str:
    """Return the run's description on MLflow's pages: for each data set and model the fit that validation prefers."""
    heads = ["data set", "model", "best on validation data", "shots", "macro-F1 on test data", "95 %"]
    rows = [
        [
            *(row[name] for name in ("dataset", "model", "method", "shots")),
            *(f"{row['macro_f1']:.3f}", f"{row['macro_f1_low']:.3f} to {row['macro_f1_high']:.3f}"),
        ]
        for row in best
        if row["rank"] == 1 and row["validation_macro_f1"] is not None
    ]
    return "\n".join(pipes(heads, rows)) if rows else ""


def _finite(scores: Mapping[str, Any], name: str) -> float | None:
    value = scores.get(name)
    return value if value is not None and math.isfinite(value) else None


def _leaderboard(rows: Sequence[ResultRow]) -> dict[str, list[Any]]:
    """Return MLflow's form of a table: columns and rows, best macro-F1 first within each data set."""
    scores = ("macro_f1", "accuracy", "nll", "ece", "brier")
    ordered = sorted(rows, key=lambda row: (row.dataset, -(_finite(row.scores, "macro_f1") or 0.0)))
    data = [
        [row.dataset, row.model, row.method, row.shots, *(_finite(row.scores, name) for name in scores)]
        for row in ordered
    ]
    return {"columns": ["dataset", "model", "method", "shots", *scores], "data": data}
