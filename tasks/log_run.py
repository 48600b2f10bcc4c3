"""A recorded run to MLflow: its leaderboard as child runs, the best of each data set to the model registry."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tasks.steps.decorator import step_task
from tasks.steps.facts import ExamplesFacts, WordScoresFacts, facts_of
from tasks.steps.kinds import spec_of
from tasks.steps.predictions import calibrator_file
from tasks.steps.specs import StoredFitSpec, WordScoresSpec
from tasks.steps.step import PlannedFit
from tasks.tracking.outcome import Registration, registered_name
from tasks.tracking.packaging import packaged_classifier
from tasks.tracking.registry import Scored, register
from tasks.tracking.runs import DatasetInput, ResultRow, log_headline, log_results
from warehouse.catalog import reads
from warehouse.home import Home
from warehouse.lake.partition import Lake


@step_task(task_run_name="log the run")
def log_run(
    home: Home, fits: Sequence[PlannedFit], run: str, run_id: str, shard_rows: int, champion: bool
) -> list[Registration]:
    """Log the run of this key, as the catalog has it, to a running MLflow run. Returns what was registered.

    shard_rows: of the experiment's states. champion: whether the best of each data set is registered.
    What an earlier try has logged or registered is not logged or registered twice.
    """
    scores = {row["key"]: row for row in reads.run_scores(home, run)}
    best = reads.best_by_validation(home, run)
    rows = [_row(home, fit, scores[fit.metrics.key]) for fit in fits]
    children = log_results(home, run_id, rows, _datasets(home, fits), best)
    chosen = {row["key"] for row in best if champion and row["champion_rank"] == 1}
    registered = [
        _register(home, run_id, shard_rows, fit, Scored(children[row.keys["predictions"]], row))
        for fit, row in zip(fits, rows, strict=True)
        if fit.metrics.key in chosen
    ]
    log_headline(home, run_id, rows, best)
    return registered


def _row(home: Home, fit: PlannedFit, scores: dict[str, Any]) -> ResultRow:
    spec, manifest = fit.predictions.spec, fit.predictions.partition(Lake(home)).manifest()
    assert manifest is not None
    return ResultRow(
        model=fit.model.name,
        dataset=fit.dataset.name,
        method=fit.name,
        shots=str(fit.shots),
        step=fit.shots if isinstance(fit.shots, int) else _examples_per_class(home, fit),
        seeds=spec.seeds,
        parameters={"method": fit.method, **spec.method.params},
        control=fit.control,
        scores=scores,
        keys={"predictions": fit.predictions.key, "metrics": fit.metrics.key, **fit.predictions.inputs},
        ended=datetime.fromisoformat(manifest.created),
        seconds=(scores["fit_seconds"] or 0.0) * len(spec.seeds),
    )


def _examples_per_class(home: Home, fit: PlannedFit) -> int:
    manifest = fit.examples.partition(Lake(home)).manifest()
    assert manifest is not None
    counts = facts_of(manifest, ExamplesFacts).rows_by_class("train")
    return round(sum(counts.values()) / len(counts))


def _datasets(home: Home, fits: Sequence[PlannedFit]) -> list[DatasetInput]:
    inputs = []
    for name, fit in {fit.dataset.name: fit for fit in fits}.items():
        manifest = fit.examples.partition(Lake(home)).manifest()
        assert manifest is not None
        source = ", ".join(fit.dataset.files.values())
        inputs.append(DatasetInput(name, fit.examples.key, manifest.rows, source))
    return inputs


def _register(home: Home, run_id: str, shard_rows: int, fit: PlannedFit, scored: Scored | None = None) -> Registration:
    """Log the classifier that takes text, and let it compete with the champion."""
    spec = fit.predictions.spec
    assert isinstance(spec, StoredFitSpec)
    coordinates = {"model": spec.model, "dataset": spec.dataset, "split": "test"}
    manifest = Lake(home).partition(spec.reads, spec.state_keys()["test"], **coordinates).manifest()
    assert manifest is not None
    read = spec_of(manifest)
    shaped_by = {"layers", "pooling", "dtype", "max_tokens", "max_chunks", "prepend_bos"}
    settings = read.model_dump(mode="json", include=shaped_by) | {"shard_rows": shard_rows}
    if isinstance(read, WordScoresSpec):
        settings["words"] = facts_of(manifest, WordScoresFacts).words
    with packaged_classifier(home, fit, settings, calibrator_file(home, fit.predictions)) as folder:
        return register(home, run_id, registered_name(fit.dataset.name), folder, fit, scored)
