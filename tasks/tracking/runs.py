"""Experiments to MLflow: a parent run for each run of an experiment, a child run for each row of its leaderboard.

Everything of a run is gathered first and written in one batch, because each call to the store costs as much as a
thousand metrics in one.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.tracking.store import store
from warehouse.home import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient

Sample = tuple[float, Mapping[str, float]]
PARENT = "mlflow.parentRunId"
TABLE = "leaderboard.json"  # which the tag `mlflow.loggedArtifacts` makes its pages show as a table
PAGE = "report.html"
DIGEST = 12  # characters of a partition's key, as in the lake's folder names; MLflow keeps at most 36
SHOWN = ("macro_f1", "accuracy", "nll", "ece", "validation_macro_f1", "fit_seconds")  # columns a person can survey
BATCH = 200  # samples of system metrics at a time: MLflow takes 1000 figures a call
OF_CARD = ("models", "datasets", "shots", "seeds", "layers", "pooling", "dtype", "gauge", "limits")
WITH_INTERVAL = "macro_f1"  # every other figure and interval is in the warehouse


def log_experiment(
    home: Home,
    card: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    datasets: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
    system: Sequence[Sample] = (),
) -> str:
    """Log one run of an experiment under the experiment of the card's name. Returns the parent's run id.

    rows: model, dataset, method, shots, seeds, parameters, control, metrics {name: {value, low, high, spread}} and
    keys {role: partition key}, as `tasks.record` makes them. datasets: name, digest (a partition key), rows and source.
    system: Unix time and figures, as `Watch` samples them. On an exception the parent is marked as failed.
    """
    with store(home) as client:
        experiment = _experiment(client, home, card)
        name = time.strftime(f"{card['name']} %Y-%m-%d %H:%M")
        described = {"mlflow.note.content": _note(rows), **tags}
        parent = str(client.create_run(experiment, run_name=name, tags=described).info.run_id)
        status = "FAILED"
        try:
            inputs = {dataset["name"]: _input(dataset) for dataset in datasets}
            client.log_batch(parent, params=_params({key: card[key] for key in OF_CARD if key in card}))
            client.set_tag(parent, "mlflow.loggedArtifacts", json.dumps([{"path": TABLE, "type": "table"}]))
            client.log_inputs(parent, list(inputs.values()))
            for start in range(0, len(system), BATCH):
                client.log_batch(parent, metrics=_curves(system[start : start + BATCH], start))
            for row in rows:
                _log_row(client, experiment, parent, row, inputs)
            client.log_dict(parent, dict(card), "experiment.yaml")
            client.log_dict(parent, _leaderboard(rows), TABLE)
            status = "FINISHED"
        finally:
            client.set_terminated(parent, status)
    return parent


def log_page(home: Home, run_id: str, text: str) -> None:
    """Log a run's report as its artifact."""
    with store(home) as client:
        client.log_text(run_id, text, PAGE)


def page_file(home: Home, experiment: str, run_id: str) -> Path:
    """Where MLflow keeps the report of a run that was recorded in this home."""
    return home.artifacts / experiment / run_id / "artifacts" / PAGE


def _experiment(client: "MlflowClient", home: Home, card: Mapping[str, Any]) -> str:
    found = client.get_experiment_by_name(card["name"])
    if found is None:  # over a bare database MLflow would put artifacts into the working directory
        folder = home.artifacts / card["name"]
        return str(
            client.create_experiment(card["name"], folder.as_uri(), {"mlflow.note.content": card["description"]})
        )
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _log_row(
    client: "MlflowClient", experiment: str, parent: str, row: Mapping[str, Any], inputs: Mapping[str, Any]
) -> None:
    name = f"{row['method']} {row['shots']}, {row['dataset']}"  # MLflow's pages cut long names at their end
    keys = {f"key.{role}": key for role, key in row["keys"].items()}
    tags = {PARENT: parent, "control": str(row["control"]).lower(), **keys}
    run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    what = {key: row[key] for key in ("model", "dataset", "shots", "seeds")} | {"label": row["method"]}
    client.log_batch(run, metrics=_metrics(row["metrics"]), params=_params(what | dict(row["parameters"])))
    client.log_inputs(run, [inputs[row["dataset"]]])
    client.set_terminated(run)


def _metrics(figures: Mapping[str, Mapping[str, float | None]]) -> list[Any]:
    """Those of SHOWN, and `macro_f1_low` and `macro_f1_high`; what is unknown or not finite is left out."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    named = {name: figures[name]["value"] for name in SHOWN if name in figures}
    named |= {f"{WITH_INTERVAL}_{side}": figures[WITH_INTERVAL][side] for side in ("low", "high")}
    return [Metric(k, v, now, 0) for k, v in named.items() if v is not None and math.isfinite(v)]


def _curves(system: Sequence[Sample], first: int) -> list[Any]:
    from mlflow.entities import Metric

    numbered = enumerate(system, first)
    return [Metric(k, v, int(at * 1000), step) for step, (at, figures) in numbered for k, v in figures.items()]


def _params(values: Mapping[str, Any]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(key, value if isinstance(value, str) else json.dumps(value)) for key, value in values.items()]


def _input(dataset: Mapping[str, Any]) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": dataset["source"], "partition": dataset["digest"]})
    profile = json.dumps({"rows": dataset["rows"]})
    entity = Dataset(dataset["name"], dataset["digest"][:DIGEST], "vocabsem", source, profile=profile)
    return DatasetInput(entity, [InputTag("mlflow.data.context", "evaluation")])


def _note(rows: Sequence[Mapping[str, Any]]) -> str:
    """The run's description on MLflow's pages: for each data set and model the entry that validation data prefer."""
    lines = ["| data set | model | best on validation data | shots | macro-F1 on test data | 95 % |", "|---" * 6 + "|"]
    validated = [row for row in rows if not row["control"] and _value(row, "validation_macro_f1") is not None]
    for place in dict.fromkeys((row["dataset"], row["model"]) for row in validated):
        mine = [row for row in validated if (row["dataset"], row["model"]) == place]
        best = max(mine, key=lambda row: row["metrics"]["validation_macro_f1"]["value"])
        f1 = best["metrics"]["macro_f1"]
        figures = f"{f1['value']:.3f} | {f1['low']:.3f} to {f1['high']:.3f}"
        lines.append(f"| {' | '.join((*place, best['method'], best['shots']))} | {figures} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _value(row: Mapping[str, Any], name: str) -> float | None:
    value = row["metrics"].get(name, {}).get("value")
    return value if value is not None and math.isfinite(value) else None


def _leaderboard(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """MLflow's form of a table: columns and rows, best macro-F1 first within each data set."""
    what, scores = ("dataset", "model", "method", "shots"), ("macro_f1", "accuracy", "nll", "ece", "brier")
    ordered = sorted(rows, key=lambda row: (row["dataset"], -(_value(row, "macro_f1") or 0.0)))
    data = [[row[name] for name in what] + [_value(row, name) for name in scores] for row in ordered]
    return {"columns": [*what, *scores], "data": data}
