"""Experiments to MLflow: a parent run for each run of an experiment, a child run for each row of its leaderboard.

The store is one SQLite file of the home. Everything of a run is gathered first and written in one batch, because
each call to the store costs as much as a thousand metrics in one.
"""

import json
import math
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from warehouse.home import Home

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

PARENT = "mlflow.parentRunId"
DIGEST = 12  # characters of a partition's key, as in the lake's folder names; MLflow keeps at most 36


def store_lock(home: Home) -> FileLock:
    """Held while MLflow's database may be made: two processes that make it at once both fail."""
    home.root.mkdir(parents=True, exist_ok=True)
    return FileLock(home.root / "mlflow.lock")


def client(home: Home) -> "MlflowClient":
    """A client of the home's store, which is made if there is none."""
    from mlflow import MlflowClient

    with store_lock(home), _silent_migrations():
        found = MlflowClient(tracking_uri=home.tracking_uri, registry_uri=home.tracking_uri)
        found.search_experiments(max_results=1)
        with closing(sqlite3.connect(home.tracking_uri.removeprefix("sqlite:///"))) as database:
            database.execute(
                "pragma journal_mode = wal"
            )  # kept in the file: a third of the time, and readers never wait
    return found


def log_experiment(
    home: Home,
    card: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    figures: Mapping[str, "Figure"],
    datasets: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
) -> str:
    """Log one run of an experiment under the experiment of the card's name. Returns the parent's run id.

    rows: model, dataset, method, shots, seeds, parameters, control, metrics {name: {value, low, high, spread}} and
    keys {role: partition key}, as `tasks.record` makes them. figures: by file name. datasets: name, digest (a
    partition key), rows and source. On an exception the parent is marked as failed.
    """
    store = client(home)
    experiment = _experiment(store, home, card)
    parent = store.create_run(
        experiment, run_name=time.strftime(f"{card['name']} %Y-%m-%d %H:%M"), tags=dict(tags)
    ).info.run_id
    status = "FAILED"
    try:
        store.log_batch(parent, params=_params(_of_card(card)))
        inputs = {dataset["name"]: _input(dataset) for dataset in datasets}
        store.log_inputs(parent, list(inputs.values()))
        for row in rows:
            _log_row(store, experiment, parent, row, inputs)
        store.log_dict(parent, dict(card), "experiment.yaml")
        store.log_table(parent, _leaderboard(rows), "leaderboard.json")
        for name, figure in figures.items():
            store.log_figure(parent, figure, name)
        status = "FINISHED"
    finally:
        store.set_terminated(parent, status)
    return str(parent)


def register_champion(home: Home, run_id: str, name: str, folder: Path, entry: Any) -> str:
    """Log the classifier in `folder` to the run, register it as `name` and give it the alias `champion`.

    Returns the version. A champion with the same predictions stays: logging it again would change nothing.
    """
    from tasks.champion import log_classifier

    store = client(home)
    key = entry.predictions.key
    if not store.search_registered_models(f"name = '{name}'"):
        store.create_registered_model(name, description=f"Text to {' | '.join(entry.dataset.label_names)}.")
    versions = store.search_model_versions(f"name = '{name}'")
    version = next((str(found.version) for found in versions if found.tags.get("predictions") == key), None)
    if version is None:
        with tracking(home):
            model = log_classifier(folder, run_id, entry.dataset)
        made = store.create_model_version(
            name,
            model.model_uri,
            run_id,
            tags={"predictions": key, "method": entry.label, "shots": entry.shots, "model": entry.model.name},
            model_id=model.model_id,
        )
        version = str(made.version)
    store.set_registered_model_alias(name, "champion", version)
    return version


@contextmanager
def tracking(home: Home) -> Iterator[None]:
    """MLflow's global functions use the home's store in this block."""
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(home.tracking_uri)
    mlflow.set_registry_uri(home.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


def _experiment(store: "MlflowClient", home: Home, card: Mapping[str, Any]) -> str:
    found = store.get_experiment_by_name(card["name"])
    if found is None:  # over a bare database MLflow would put artifacts into the working directory
        folder = home.artifacts / card["name"]
        return str(store.create_experiment(card["name"], folder.as_uri(), {"mlflow.note.content": card["description"]}))
    if found.lifecycle_stage == "deleted":
        store.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _log_row(
    store: "MlflowClient", experiment: str, parent: str, row: Mapping[str, Any], inputs: Mapping[str, Any]
) -> None:
    name = f"{row['dataset']} {row['method']} {row['shots']}"
    keys = {f"key.{role}": key for role, key in row["keys"].items()}
    tags = {PARENT: parent, "control": str(row["control"]).lower(), **keys}
    run = store.create_run(experiment, run_name=name, tags=tags).info.run_id
    what = {key: row[key] for key in ("model", "dataset", "shots", "seeds")} | {"label": row["method"]}
    store.log_batch(run, metrics=_metrics(row["metrics"]), params=_params(what | dict(row["parameters"])))
    store.log_inputs(run, [inputs[row["dataset"]]])
    store.set_terminated(run)


def _metrics(figures: Mapping[str, Mapping[str, float | None]]) -> list[Any]:
    """`macro_f1`, `macro_f1_low`, `macro_f1_high`, `macro_f1_spread`, …; what is unknown or not finite is left out."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    named = {
        name if part == "value" else f"{name}_{part}": value
        for name, figure in figures.items()
        for part, value in figure.items()
    }
    return [Metric(k, v, now, 0) for k, v in named.items() if v is not None and math.isfinite(v)]


def _params(values: Mapping[str, Any]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(key, value if isinstance(value, str) else json.dumps(value)) for key, value in values.items()]


def _of_card(card: Mapping[str, Any]) -> dict[str, Any]:
    wanted = ("models", "datasets", "shots", "seeds", "layers", "pooling", "dtype", "gauge", "limits")
    return {key: card[key] for key in wanted if key in card}


def _input(dataset: Mapping[str, Any]) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": dataset["source"], "partition": dataset["digest"]})
    profile = json.dumps({"rows": dataset["rows"]})
    entity = Dataset(dataset["name"], dataset["digest"][:DIGEST], "vocabsem", source, profile=profile)
    return DatasetInput(entity, [InputTag("mlflow.data.context", "evaluation")])


def _leaderboard(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Columns of the rows, best macro-F1 first within each data set."""
    shown = ("accuracy", "macro_f1", "nll", "ece")

    def place(row: Mapping[str, Any]) -> tuple[str, float]:
        return row["dataset"], -(row["metrics"]["macro_f1"]["value"] or 0.0)

    ordered = sorted(rows, key=place)
    what = {name: [row[name] for row in ordered] for name in ("dataset", "model", "method", "shots")}
    return what | {name: [row["metrics"].get(name, {}).get("value") for row in ordered] for name in shown}


@contextmanager
def _silent_migrations() -> Iterator[None]:
    """A new database is made by fifty migrations, each of which is announced on the terminal."""
    import logging

    before = {name: logging.getLogger(name).level for name in ("alembic", "mlflow.store.db.utils")}
    for name in before:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
