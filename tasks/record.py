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
from tasks.steps.facts import ChampionFacts, RunFacts
from tasks.steps.kinds import spec_of
from tasks.steps.predictions import calibrator_file
from tasks.steps.specs import RunSpec, StatesFitSpec, StatesSpec
from tasks.steps.step import PlannedFit, Step
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
    fits: list[PlannedFit],
    step: Step[RunSpec],
    began: float,
    flow_run: str,
    system: Sequence[Sample] = (),
) -> str:
    """One parent run and a child for each entry; champions registered; the manifest last. Returns MLflow's run id.

    system: samples of the machine while it ran, as `system_metrics.Watch` has them.
    """
    scores, commit = {fit.metrics.key: read_scores(home, fit) for fit in fits}, _commit()
    rows = [_row(fit, scores[fit.metrics.key]) for fit in fits]
    best = _best(fits, scores) if card["champion"] else []
    run_id = log_experiment(
        home,
        card,
        rows,
        datasets=_datasets(home, fits),
        tags={"vocabsem.key": step.key, "prefect.flow_run_id": flow_run, **commit},
        system=system,
    )
    registered = [_register(home, run_id, card, fit) for fit in best]
    facts = RunFacts(
        experiment=card["name"],
        card=card,
        champions=[found for found in registered if found.alias == CHAMPION],
        challengers=[found for found in registered if found.alias != CHAMPION],
        started=datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - began, 3),
        mlflow_run_id=run_id,
        prefect_flow_run_id=flow_run or None,
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        git_commit=commit.get("git_commit"),
    )
    step.publish(Lake(home), [], facts)
    return run_id


def read_scores(home: Home, fit: PlannedFit) -> dict[str, Figures]:
    """{split: {metric: {value, low, high, spread}}}, over the seeds."""
    table = fit.metrics.partition(Lake(home)).table()
    table = table.filter(pc.is_null(table["seed"]))
    scores: dict[str, Figures] = {}
    for row in table.to_pylist():
        figure = {name: row[name] for name in ("value", "low", "high", "spread")}
        scores.setdefault(row["split"], {})[row["metric"]] = figure
    return scores


def _row(fit: PlannedFit, scores: dict[str, Figures]) -> dict[str, Any]:
    spec = fit.predictions.spec
    return {
        "model": fit.model.name,
        "dataset": fit.dataset.name,
        "method": fit.name,
        "shots": str(fit.shots),
        "seeds": list(spec.seeds),
        "parameters": {"method": fit.method, **spec.method.params},
        "control": fit.control,
        "metrics": scores["test"] | {f"{split}_macro_f1": scores[split]["macro_f1"] for split in scores},
        "keys": {"predictions": fit.predictions.key, "metrics": fit.metrics.key, **fit.predictions.inputs},
    }


def _best(fits: Sequence[PlannedFit], scores: dict[str, dict[str, Figures]]) -> list[PlannedFit]:
    """For each data set the fit, controls aside, with the highest macro-F1 on validation data."""
    candidates = [fit for fit in fits if fit.servable and not fit.control]

    def merit(fit: PlannedFit) -> float:
        return scores[fit.metrics.key]["validation"]["macro_f1"]["value"] or 0.0

    names = dict.fromkeys(fit.dataset.name for fit in candidates)
    return [max((fit for fit in candidates if fit.dataset.name == name), key=merit) for name in names]


def _datasets(home: Home, fits: Sequence[PlannedFit]) -> list[dict[str, Any]]:
    found = []
    for name, fit in {fit.dataset.name: fit for fit in fits}.items():
        manifest = fit.examples.partition(Lake(home)).manifest()
        assert manifest is not None
        source = ", ".join(fit.dataset.files.values())
        found.append({"name": name, "digest": fit.examples.key, "rows": manifest.rows, "source": source})
    return found


def _register(home: Home, run_id: str, card: dict[str, Any], fit: PlannedFit) -> ChampionFacts:
    """Log the classifier that takes text, and let it compete with the champion."""
    name = f"vocabsem-{fit.dataset.name.replace('@', '-')}"  # in MLflow an alias follows an @
    spec = fit.predictions.spec
    assert isinstance(spec, StatesFitSpec)
    place = {"model": spec.model, "dataset": spec.dataset, "split": "test"}
    manifest = Lake(home).partition("states", spec.state_keys()["test"], **place).manifest()
    assert manifest is not None
    states = spec_of(manifest)
    assert isinstance(states, StatesSpec)
    shaped_by = {"layers", "pooling", "dtype", "max_tokens", "prepend_bos"}
    settings = states.model_dump(mode="json", include=shaped_by) | {"shard_rows": card["shard_rows"]}
    with packaged_classifier(home, fit, settings, calibrator_file(home, fit.predictions)) as folder:
        found = register(home, run_id, name, folder, fit)
    model = f"{name}@{found['alias']}" if found["alias"] else f"{name}/{found['version']}"
    return ChampionFacts(model=model, key=fit.predictions.key, seed=spec.seeds[0], **found)


def _commit() -> dict[str, str]:
    """The checkout's commit, where there is one."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return {"git_commit": done.stdout.strip()} if done.returncode == 0 else {}
