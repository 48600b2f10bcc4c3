"""Experiments in MLflow: a parent run for each run of an experiment, a child run for each method on each data set.

A child's metrics have a step for each number of labeled examples per class, so that the chart view draws its curve.
They are written in one batch, because each call to the store costs as much as a thousand metrics in one.
"""

import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import which
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tasks.tracking.markdown import escape, pipes
from tasks.tracking.store import store, store_lock
from vocabsem.installation import CHECKOUT, ROOT
from vocabsem.label_kinds import headline
from warehouse.home import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, Run

KEY, PARENT, NOTE = "vocabsem.key", "mlflow.parentRunId", "mlflow.note.content"  # tags of MLflow runs
CHILD = "vocabsem.child"  # tag: model, data set and method of a child
INHERITED = ("mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit")
TABLE = "leaderboard.json"  # which the tag `mlflow.loggedArtifacts` makes its pages show as a table
PAGE = "report.html"
MOST_CHILDREN = 50_000  # that MLflow returns at once
DIGEST = 12  # characters of a partition's key, as in the lake's folder names; MLflow keeps at most 36
# Columns a person can survey; every other metric and interval is in the warehouse.
HEADLINE = ("macro_f1", "accuracy", "r2", "nll", "ece")  # of the parent: those of the best on validation data
LOGGED_METRICS = (
    *("macro_f1", "accuracy", "nll", "ece", "validation_macro_f1", "fit_seconds", "macro_f1_low", "macro_f1_high"),
    *("qwk", "mae"),  # of ordinal labels
    "micro_f1",  # of any number of labels per text
    *("r2", "spearman", "rmse", "r2_low", "r2_high"),  # of continuous targets
)


@dataclass(frozen=True)
class ResultRow:
    """One row of a leaderboard: a method at one number of shots, on one data set, with one model."""

    model: str
    dataset: str
    method: str
    shots: str
    step: int
    """Labeled examples per class, for `all` their mean."""
    seeds: Sequence[int]
    parameters: Mapping[str, Any]
    """Of the method, its registered name included."""
    control: bool
    scores: Mapping[str, Any]
    """The catalog's row of the run's scores."""
    keys: Mapping[str, str]
    """Of the partitions behind it, by role; `predictions` is one."""
    ended: datetime
    """When it was published."""
    seconds: float
    """What the fits took."""

    @property
    def child(self) -> str:
        """What the child run is about that has this row."""
        return f"{self.model}/{self.dataset}/{self.method}"


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
) -> dict[str, str]:
    """Log the rows of a leaderboard to a running MLflow run: a table, and a child run for each method on each data set.

    best: rows of `best_by_validation`, for the run's description.
    What an earlier try has logged stays, and is completed: the same rows make no second child.
    Returns the child run of each row, by the key of its predictions.
    """
    with store(home) as client:
        run = client.get_run(run_id)
        experiment = run.info.experiment_id
        inputs = {dataset.name: _input(dataset) for dataset in datasets}
        client.log_inputs(run_id, list(inputs.values()))
        logged = client.search_runs([experiment], f"tags.`{PARENT}` = '{run_id}'", max_results=MOST_CHILDREN)
        children = {child.data.tags.get(CHILD): child.info for child in logged}
        runs: dict[str, str] = {}
        groups: dict[str, list[ResultRow]] = {}
        for row in rows:
            groups.setdefault(row.child, []).append(row)
        for name, group in groups.items():
            child, dataset = children.get(name), inputs[group[0].dataset]
            child_id = child.run_id if child else _create_child(client, run, group)
            if child is None or child.status != "FINISHED":
                _log_rows(client, child_id, group, dataset)
            runs |= {row.keys["predictions"]: child_id for row in group}
        client.log_dict(run_id, _leaderboard(rows), TABLE)
        client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps([{"path": TABLE, "type": "table"}]))
        client.set_tag(run_id, NOTE, _note(_preferred(best)))
    return runs


def log_headline(home: Home, run_id: str, rows: Sequence[ResultRow], best: Sequence[Mapping[str, Any]]) -> None:
    """Log the test metrics of the fits that validation prefers as metrics of the run itself.

    After its models, to which MLflow gives whatever their run has by then. rows, best: as of `log_results`.
    """
    with store(home) as client:
        at = client.get_run(run_id).info.start_time
        client.log_batch(run_id, metrics=_headline(rows, _preferred(best), at))


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


def _create_child(client: "MlflowClient", parent: "Run", rows: Sequence[ResultRow]) -> str:
    """Create the run of these rows, which takes as long as their fits took."""
    name = f"{rows[0].method}, {rows[0].dataset}"  # MLflow's pages cut long names at their end
    tags = {PARENT: parent.info.run_id, CHILD: rows[0].child, "control": str(rows[0].control).lower()}
    tags |= {tag: parent.data.tags[tag] for tag in INHERITED if tag in parent.data.tags}
    for role in rows[0].keys:
        keys = {row.shots: row.keys.get(role, "") for row in rows}
        same = len(set(keys.values())) == 1 and len(keys) > 1
        tags |= {f"key.{role}": rows[0].keys[role]} if same else {f"key.{role}.{n}": key for n, key in keys.items()}
    began = _milliseconds(min(row.ended.timestamp() - row.seconds for row in rows))
    return str(client.create_run(parent.info.experiment_id, began, tags, name).info.run_id)


def _log_rows(client: "MlflowClient", run_id: str, rows: Sequence[ResultRow], dataset: Any) -> None:
    """Log rows to their run and finish it."""
    first = rows[0]
    what = {"model": first.model, "dataset": first.dataset, "seeds": first.seeds, "label": first.method}
    what["shots"] = [row.shots for row in rows]
    metrics = [metric for row in rows for metric in logged_metrics(row)]
    client.log_batch(run_id, metrics=metrics, params=params(what | dict(first.parameters)))
    client.log_inputs(run_id, [dataset])
    began = client.get_run(run_id).info.start_time
    client.set_terminated(run_id, end_time=began + _milliseconds(sum(row.seconds for row in rows)))


def logged_metrics(row: ResultRow, model_id: str | None = None) -> list["Metric"]:
    """Return LOGGED_METRICS as MLflow's metrics, also of a logged model; what is unknown or not finite is left out.

    Their time is the same at every try, so that no metric is there twice.
    """
    from mlflow.entities import Metric

    values = {name: value for name in LOGGED_METRICS if (value := _finite(row.scores, name)) is not None}
    at = _milliseconds(row.ended.timestamp())
    return [Metric(name, value, at, row.step, model_id) for name, value in values.items()]


def _headline(rows: Sequence[ResultRow], best: Sequence[Mapping[str, Any]], at: int) -> list["Metric"]:
    """Return the test metrics of the fits that validation prefers: their means, and of several fits each macro-F1 too.

    at: milliseconds, the same at every try. Of a name MLflow refuses the @ of a variant of a data set, and begins a
    section of charts at a slash.
    """
    from mlflow.entities import Metric

    scores = {row.keys["metrics"]: row.scores for row in rows}
    chosen = [scores[row["key"]] for row in best]
    values: dict[str, float] = {}
    for name in HEADLINE:
        known = [value for each in chosen if (value := _finite(each, name)) is not None]
        if known and len(known) == len(chosen):
            values[f"best_{name}"] = fmean(known)
    if len(best) > 1:
        values |= {
            f"best_{name}.{row['dataset']}.{row['model']}".replace("@", "-"): row[name]
            for row in best
            for name in [headline(row)]
        }
    return [Metric(name, value, at, 0) for name, value in values.items()]


def _preferred(best: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return for each data set and model the fit that validation prefers."""
    return [row for row in best if row["rank"] == 1 and row[f"validation_{headline(row)}"] is not None]


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _input(dataset: DatasetInput) -> Any:
    from mlflow.entities import Dataset, InputTag
    from mlflow.entities import DatasetInput as MlflowInput

    source = json.dumps({"uri": dataset.source, "partition": dataset.key})
    profile = json.dumps({"rows": dataset.rows})
    entity = Dataset(dataset.name, dataset.key[:DIGEST], "vocabsem", source, profile=profile)
    return MlflowInput(entity, [InputTag("mlflow.data.context", "evaluation")])


def _note(best: Sequence[Mapping[str, Any]]) -> str:
    """Return the run's description on MLflow's pages: the fits that validation prefers."""
    heads = [
        "data set",
        "model",
        "best on validation data",
        "shots",
        "macro-F1 (of choices accuracy, of continuous targets R²) on test data",
        "95 %",
    ]
    rows = [
        [
            *(row[name] for name in ("dataset", "model", "method", "shots")),
            *(f"{row[name]:.3f}", f"{row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f}"),
        ]
        for row in best
        for name in [headline(row)]
    ]
    return "\n".join(pipes(heads, rows)) if rows else ""


def _finite(scores: Mapping[str, Any], name: str) -> float | None:
    value = scores.get(name)
    return value if value is not None and math.isfinite(value) else None


def _leaderboard(rows: Sequence[ResultRow]) -> dict[str, list[Any]]:
    """Return MLflow's form of a table: columns and rows, best macro-F1 first within each data set."""
    scores = ("macro_f1", "accuracy", "nll", "ece", "brier")
    ordered = sorted(rows, key=lambda row: (row.dataset, -(_finite(row.scores, headline(row.scores)) or 0.0)))
    data = [
        [row.dataset, row.model, row.method, row.shots, *(_finite(row.scores, name) for name in scores)]
        for row in ordered
    ]
    return {"columns": ["dataset", "model", "method", "shots", *scores], "data": data}
