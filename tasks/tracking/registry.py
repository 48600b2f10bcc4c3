"""The model registry: the best of a run is `champion` only where it is significantly better, else `challenger`."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from tasks.steps.lake_reads import split_rows
from tasks.steps.samples import RESAMPLES, Samples, paired, read_predictions_table, split_by_seed
from tasks.steps.step import PlannedFit
from tasks.tracking.markdown import escape
from tasks.tracking.outcome import CHALLENGER, CHAMPION, Registration
from tasks.tracking.packaging import log_classifier
from tasks.tracking.registered import find_classifier
from tasks.tracking.runs import ResultRow, logged_metrics
from tasks.tracking.store import store, store_lock
from vocabsem.errors import BadInput, DataError
from vocabsem.evaluation.comparison import Difference, difference
from vocabsem.evaluation.kind_metrics import metric_names
from vocabsem.evaluation.resampling import resample
from vocabsem.label_kinds import NAMES, headline
from vocabsem.text_models.text_classifier import read_classifier
from warehouse.catalog import reads
from warehouse.home import Home
from warehouse.lake.partition import Lake, Partition
from warehouse.lake.store import store_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

COMPARED = ["id", "label", "label_name", "text"]  # two validation sets are one if their rows agree in these


@dataclass(frozen=True)
class PromotionDecision:
    """The alias that the best of a run gets, None if it gets none, and why."""

    alias: str | None
    why: str
    difference: Difference | None = None


@dataclass(frozen=True)
class Scored:
    """The row of a fit, and the MLflow run that has its metrics."""

    run_id: str
    row: ResultRow


def register(
    home: Home, run_id: str, name: str, folder: Path, fit: PlannedFit, scored: Scored | None = None
) -> Registration:
    """Log the classifier in `folder` to the run, register it as `name`, give it the alias it earned.

    A version with the same predictions is not made twice, and what this run has decided before is not decided anew
    unless there is another champion since. The run and the version are tagged with the decision.
    """
    key = fit.predictions.key
    with store(home) as client:
        with store_lock(home):  # two processes make no version twice
            known = client.search_model_versions(f"name = '{name}' and tags.predictions = '{key}'")
            version = (
                str(known[0].version) if known else _create_version(client, home, run_id, name, folder, fit, scored)
            )
        champion = _champion(client, name)
        registration = _decided(client, run_id, name, version, champion)
        if registration is None:
            decision = compare_with_champion(home, fit, champion)
            before = champion.tags.get("predictions") if champion else None
            described = (fit.name, str(fit.shots), key)
            registration = Registration(name, version, decision.alias, *described, decision.why, before)
            client.set_tag(run_id, registration.tag, registration.to_json())
        if registration.alias:
            client.set_registered_model_alias(name, registration.alias, version)
        if registration.alias == CHAMPION and (champion is None or str(champion.version) != version):
            client.delete_registered_model_alias(name, CHALLENGER)  # it challenged the champion before
        client.set_model_version_tag(name, version, "decision", registration.why)
        client.set_tag(run_id, name, f"version {version}, {registration.alias or 'no alias'}: {registration.why}")
    return registration


def _create_version(
    client: "MlflowClient", home: Home, run_id: str, name: str, folder: Path, fit: PlannedFit, scored: Scored | None
) -> str:
    _remove_unregistered(client, run_id)
    has_catalog = store_of(home).has(home.catalog)
    example = next(iter(reads.training_fields(home, fit.dataset.name, 1)), None) if has_catalog else None
    model = log_classifier(folder, run_id, fit.dataset, example)
    description = f"`{fit.name}` at {fit.shots} labeled examples per class, on states of {escape(fit.model.name)}"
    if scored:
        client.log_batch(scored.run_id, metrics=logged_metrics(scored.row, model.model_id))
        metric = headline(scored.row.scores)
        description += f": {NAMES[metric]} {scored.row.scores[metric]:.3f} on test data of {escape(fit.dataset.name)}"
    if not client.search_registered_models(f"name = '{name}'"):
        names = ["a number"] if fit.dataset.label_kind == "continuous" else fit.dataset.label_names
        client.create_registered_model(name, description=f"Text to {', '.join(map(escape, names))}.")
    tags = {"predictions": fit.predictions.key, "examples": fit.examples.key, "model": fit.model.name}
    tags |= {"method": fit.name, "shots": str(fit.shots)}
    version = client.create_model_version(
        name, model.model_uri, run_id, tags, description=f"{description}.", model_id=model.model_id
    )
    return str(version.version)


def _remove_unregistered(client: "MlflowClient", run_id: str) -> None:
    """Remove the models that an earlier try of the run has logged and not registered."""
    experiment = client.get_run(run_id).info.experiment_id
    registered = {version.model_id for version in client.search_model_versions(f"run_id = '{run_id}'")}
    for model in client.search_logged_models([experiment], f"source_run_id = '{run_id}'"):
        if model.model_id not in registered:
            client.delete_logged_model(model.model_id)


def _decided(
    client: "MlflowClient", run_id: str, name: str, version: str, champion: "ModelVersion | None"
) -> Registration | None:
    """Return what this run has decided of the version in an earlier try, if it was about the same champion."""
    text = client.get_run(run_id).data.tags.get(Registration.tag_of(name))
    if text is None:
        return None
    earlier = Registration.from_json(text)
    now = champion.tags.get("predictions") if champion else None
    return earlier if earlier.version == version and now in (earlier.before, earlier.predictions) else None


def compare_with_champion(home: Home, fit: PlannedFit, champion: "ModelVersion | None") -> PromotionDecision:
    """Compare macro-F1, of numbers R², on validation data, paired on examples and seeds, with the registered champion.

    The champion is replaced if the 95 % interval of the difference lies above zero, or if this version cannot read what
    another has stored. A better fit within the interval becomes challenger, as does one that cannot be compared, with
    the reason. Without a champion, the first fit is champion.
    """
    if champion is None:
        return PromotionDecision(CHAMPION, "registered as champion (first model of this name)")
    if champion.tags.get("predictions") == fit.predictions.key:
        return PromotionDecision(CHAMPION, "these are the champion's own predictions")
    against = f"version {champion.version}"
    if not _readable(home, champion):
        return PromotionDecision(CHAMPION, f"{against}, of another version of vocabsem, can no longer be read")
    theirs = _champion_samples(home, fit, champion.tags)
    if isinstance(theirs, str):
        return PromotionDecision(
            CHALLENGER, f"{against} stays champion, for it cannot be compared: {theirs}; move the alias by hand"
        )
    metric = _metric(fit)
    ours = _samples(fit.predictions.partition(Lake(home)), metric)
    if not (pair := paired(ours, theirs, metric, single=True)):
        return PromotionDecision(CHALLENGER, f"{against} stays champion, for it cannot be compared: no seed in common")
    gain = difference(*pair)
    why = f"{NAMES[metric]} on validation data {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] against {against}"
    if gain.low > 0:
        return PromotionDecision(CHAMPION, why, gain)
    return PromotionDecision(CHALLENGER if gain.value > 0 else None, f"{why}, which stays champion", gain)


def _champion(client: "MlflowClient", name: str) -> "ModelVersion | None":
    version = client.get_registered_model(name).aliases.get(CHAMPION)
    return client.get_model_version(name, version) if version else None


def _readable(home: Home, champion: "ModelVersion") -> bool:
    """Return whether the classifier of a version can be read; one whose files are gone may come back."""
    with suppress(BadInput, OSError):
        files = find_classifier(home, f"{champion.name}/{champion.version}").classifier
        try:
            read_classifier(files)
        except DataError:
            return False
    return True


def _champion_samples(home: Home, fit: PlannedFit, tags: Mapping[str, str]) -> Samples | str:
    """Return the champion's predictions of the validation rows of the fit, or why there are none."""
    if "examples" not in tags:
        return "it was registered without its examples' key"
    coordinates = {
        "model": tags["model"],
        "dataset": fit.dataset.name,
        "method": tags["method"],
        "shots": tags["shots"],
    }
    predictions = Lake(home).partition("predictions", tags["predictions"], **coordinates)
    examples = Lake(home).partition("examples", tags["examples"], dataset=fit.dataset.name)
    if not predictions.published or not examples.published:
        return "what it predicted is no longer in the lake"
    if not _rows(home, fit, tags["examples"]).equals(_rows(home, fit, fit.examples.key)):
        return "it was validated on other examples"
    return _samples(predictions, _metric(fit))


def _rows(home: Home, fit: PlannedFit, key: str) -> pa.Table:
    return split_rows(home, fit.dataset.name, key, "validation", COMPARED)


def _metric(fit: PlannedFit) -> str:
    """Return what the data set of a fit is judged by."""
    return headline(dict.fromkeys(metric_names(fit.dataset.label_kind), True))


def _samples(predictions: Partition, metric: str) -> Samples:
    seeds, labels, answers = split_by_seed(read_predictions_table(predictions), "validation")
    return seeds, resample(labels, answers, metrics=(metric,), resamples=RESAMPLES)
