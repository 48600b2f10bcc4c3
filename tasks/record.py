"""A finished experiment to MLflow, its champions to the registry, and the run's own manifest to the lake."""

import platform
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from tasks.steps.decorator import step_task
from tasks.steps.predictions import calibrator_file
from tasks.steps.step import Entry, Step
from tasks.tracking.packaging import packaged_classifier
from tasks.tracking.registry import CHAMPION, register
from tasks.tracking.runs import Sample, log_experiment
from warehouse.home import Home
from warehouse.lake.partition import Lake

Figures = dict[str, dict[str, float | None]]


@step_task(task_run_name="record the run")
def record_run(
    home: Home,
    card: dict[str, Any],
    entries: list[Entry],
    step: Step,
    began: float,
    flow_run: str,
    system: Sequence[Sample] = (),
) -> str:
    """One parent run and a child for each entry; champions registered; the manifest last. Returns MLflow's run id.

    system: samples of the machine while it ran, as `system_metrics.Watch` has them.
    """
    scores, commit = {entry.metrics.key: read_scores(home, entry) for entry in entries}, _commit()
    rows = [_row(home, entry, scores[entry.metrics.key]) for entry in entries]
    best = _best(entries, scores) if card["champion"] else []
    run_id = log_experiment(
        home,
        card,
        rows,
        datasets=_datasets(home, entries),
        tags={"vocabsem.key": step.key, "prefect.flow_run_id": flow_run, **commit},
        system=system,
    )
    registered = [_register(home, run_id, card, entry) for entry in best]
    facts = {
        "experiment": card["name"],
        "card": card,
        "champions": [found for found in registered if found["alias"] == CHAMPION],
        "challengers": [found for found in registered if found["alias"] != CHAMPION],
        "started": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - began, 3),
        "mlflow_run_id": run_id,
        "prefect_flow_run_id": flow_run or None,
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        **commit,
    }
    step.partition(Lake(home)).unpublish()  # it may be there, but not as the last
    step.publish(Lake(home), [], facts)
    return run_id


def read_scores(home: Home, entry: Entry) -> dict[str, Figures]:
    """{split: {metric: {value, low, high, spread}}}, over the seeds."""
    table = entry.metrics.partition(Lake(home)).table()
    table = table.filter(pc.is_null(table["seed"]))
    scores: dict[str, Figures] = {}
    for row in table.to_pylist():
        figure = {name: row[name] for name in ("value", "low", "high", "spread")}
        scores.setdefault(row["split"], {})[row["metric"]] = figure
    return scores


def _row(home: Home, entry: Entry, scores: dict[str, Figures]) -> dict[str, Any]:
    return {
        "model": entry.model.name,
        "dataset": entry.dataset.name,
        "method": entry.label,
        "shots": entry.shots,
        "seeds": entry.predictions.payload["seeds"],
        "parameters": {"method": entry.method, **entry.predictions.payload["method"]["params"]},
        "control": entry.control,
        "metrics": scores["test"] | {f"{split}_macro_f1": scores[split]["macro_f1"] for split in scores},
        "keys": {"predictions": entry.predictions.key, "metrics": entry.metrics.key, **entry.predictions.inputs},
    }


def _best(entries: Sequence[Entry], scores: dict[str, dict[str, Figures]]) -> list[Entry]:
    """For each data set the entry, controls aside, with the highest macro-F1 on validation data."""
    candidates = [entry for entry in entries if entry.servable and not entry.control]

    def merit(entry: Entry) -> float:
        return scores[entry.metrics.key]["validation"]["macro_f1"]["value"] or 0.0

    names = dict.fromkeys(entry.dataset.name for entry in candidates)
    return [max((e for e in candidates if e.dataset.name == name), key=merit) for name in names]


def _datasets(home: Home, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    found = []
    for name, entry in {entry.dataset.name: entry for entry in entries}.items():
        manifest = entry.examples.partition(Lake(home)).manifest()
        assert manifest is not None
        source = ", ".join(entry.dataset.files.values())
        found.append({"name": name, "digest": entry.examples.key, "rows": manifest.rows, "source": source})
    return found


def _register(home: Home, run_id: str, card: dict[str, Any], entry: Entry) -> dict[str, Any]:
    """Log the classifier that takes text, and let it compete with the champion."""
    name = f"vocabsem-{entry.dataset.name.replace('@', '-')}"  # in MLflow an alias follows an @
    place = {"model": entry.model.name, "dataset": entry.dataset.name, "split": "test"}
    states = Lake(home).partition("states", entry.predictions.inputs["states:test"], **place).manifest()
    assert states is not None
    shaped_by = ("layers", "pooling", "dtype", "max_tokens", "prepend_bos")
    settings = {key: states.payload[key] for key in shaped_by} | {"shard_rows": card["shard_rows"]}
    with packaged_classifier(home, entry, settings, calibrator_file(home, entry.predictions)) as folder:
        found = register(home, run_id, name, folder, entry)
    model = f"{name}@{found['alias']}" if found["alias"] else f"{name}/{found['version']}"
    return {"model": model, "key": entry.predictions.key, "seed": entry.predictions.payload["seeds"][0], **found}


def _commit() -> dict[str, str]:
    """The checkout's commit, where there is one."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return {"git_commit": done.stdout.strip()} if done.returncode == 0 else {}
