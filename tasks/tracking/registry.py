"""The registry: the best of a run becomes `challenger`, and `champion` only if it is better beyond chance."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tasks.steps.lake_reads import split_rows
from tasks.steps.samples import RESAMPLES, Samples, paired, split_answers
from tasks.steps.step import PlannedFit
from tasks.tracking.packaging import log_classifier
from tasks.tracking.store import store
from vocabsem.comparison import Difference, difference
from vocabsem.resampling import resample
from warehouse.home import Home
from warehouse.lake.partition import Lake, Partition

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
FIGURE = "macro_f1"
COMPARED = ["id", "label", "label_name", "text"]  # two validation sets are one if their rows agree in these


@dataclass(frozen=True)
class PromotionDecision:
    """What becomes of the best of a run: its alias, None if it gets none, and why."""

    alias: str | None
    why: str
    difference: Difference | None = None


def register(home: Home, run_id: str, name: str, folder: Path, fit: PlannedFit) -> dict[str, Any]:
    """Log the classifier in `folder` to the run, register it as `name`, give it the alias it earned.

    One with the same predictions is not logged again: it would be the same. Returns version, alias, why and difference;
    the run and the version are tagged with why.
    """
    key = fit.predictions.key
    with store(home) as client:
        known = {found.tags.get("predictions"): found for found in client.search_model_versions(f"name = '{name}'")}
        if key not in known:
            model = log_classifier(folder, run_id, fit.dataset)
            if not client.search_registered_models(f"name = '{name}'"):
                client.create_registered_model(name, description=f"Text to {' | '.join(fit.dataset.label_names)}.")
            tags = {"predictions": key, "examples": fit.examples.key, "model": fit.model.name}
            tags |= {"method": fit.name, "shots": str(fit.shots)}
            known[key] = client.create_model_version(name, model.model_uri, run_id, tags, model_id=model.model_id)
        version = str(known[key].version)
        holder = _holder(client, name)
        verdict = compare_with_champion(home, fit, holder)
        if verdict.alias:
            client.set_registered_model_alias(name, verdict.alias, version)
        if verdict.alias == CHAMPION and (holder is None or str(holder.version) != version):
            client.delete_registered_model_alias(name, CHALLENGER)  # whoever challenged, challenged another
        client.set_model_version_tag(name, version, "verdict", verdict.why)
        client.set_tag(run_id, name, f"version {version}, {verdict.alias or 'no alias'}: {verdict.why}")
    found = asdict(verdict.difference) if verdict.difference else None
    return {"version": version, "alias": verdict.alias, "why": verdict.why, "difference": found}


def compare_with_champion(home: Home, fit: PlannedFit, champion: "ModelVersion | None") -> PromotionDecision:
    """Compare macro-F1 on validation data, paired on examples and seeds, with the registered champion.

    It is replaced if the 95 % interval of the difference lies above zero. A better one within it is the challenger; so
    is one that cannot be compared, which is said. Where there is no champion the first comer is.
    """
    if champion is None:
        return PromotionDecision(CHAMPION, "there was no champion")
    if champion.tags.get("predictions") == fit.predictions.key:
        return PromotionDecision(CHAMPION, "these are the champion's own predictions")
    against = f"version {champion.version}"
    theirs = _stored(home, fit, champion.tags)
    if isinstance(theirs, str):
        return PromotionDecision(
            CHALLENGER, f"{against} stays champion, for it cannot be compared: {theirs}; move the alias by hand"
        )
    ours = _answers(fit.predictions.partition(Lake(home)))
    if not (pair := paired(ours, theirs, FIGURE, single=True)):
        return PromotionDecision(CHALLENGER, f"{against} stays champion, for it cannot be compared: no seed in common")
    found = difference(*pair)
    said = f"macro-F1 on validation data {found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}] against {against}"
    if found.low > 0:
        return PromotionDecision(CHAMPION, said, found)
    return PromotionDecision(CHALLENGER if found.value > 0 else None, f"{said}, which stays champion", found)


def _holder(client: "MlflowClient", name: str) -> "ModelVersion | None":
    version = client.get_registered_model(name).aliases.get(CHAMPION)
    return client.get_model_version(name, version) if version else None


def _stored(home: Home, fit: PlannedFit, tags: Mapping[str, str]) -> Samples | str:
    """The champion's answers on the validation rows of the fit, or why there are none."""
    if "examples" not in tags:
        return "it was registered without its examples' key"
    place = {"model": tags["model"], "dataset": fit.dataset.name, "method": tags["method"], "shots": tags["shots"]}
    predictions = Lake(home).partition("predictions", tags["predictions"], **place)
    examples = Lake(home).partition("examples", tags["examples"], dataset=fit.dataset.name)
    if not predictions.published or not examples.published:
        return "what it predicted is no longer in the lake"
    if not _rows(home, fit, tags["examples"]).equals(_rows(home, fit, fit.examples.key)):
        return "it was validated on other examples"
    return _answers(predictions)


def _rows(home: Home, fit: PlannedFit, key: str) -> pa.Table:
    return split_rows(home, fit.dataset.name, key, "validation").select(COMPARED)


def _answers(predictions: Partition) -> Samples:
    table = predictions.table(["split", "seed", "label", "probabilities"])
    seeds, labels, answers = split_answers(table, "validation")
    return seeds, resample(labels, answers, metrics=(FIGURE,), resamples=RESAMPLES)
