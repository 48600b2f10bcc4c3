"""What an experiment needs, and what of it is there already: keys against manifests, for run, plan and status alike."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from flows.planning.contrasts import contrasts
from flows.planning.experiment import Experiment, MethodSpec
from flows.planning.method_rules import seeds_of, shots_of, splits_of
from tasks.steps.step import (
    Entry,
    Step,
    anchors_step,
    comparisons_step,
    examples_step,
    metrics_step,
    predictions_step,
    run_step,
    states_step,
)
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.devices import resolve_dtype
from vocabsem.errors import CardError, SourceError
from vocabsem.language_model import model_digest
from vocabsem.methods.registry import method_info
from vocabsem.sources import fetching
from warehouse.home import Home
from warehouse.lake.manifest import REJECTED
from warehouse.lake.partition import Lake


@dataclass(frozen=True)
class Fit:
    """One method at one number of shots: the step that fits and predicts, and the step that scores."""

    spec: MethodSpec
    shots: int | str
    predictions: Step
    metrics: Step


@dataclass(frozen=True)
class ModelDatasetPlan:
    """All that is done with one model on one data set."""

    model: ModelCard
    dataset: DatasetCard
    examples: Step
    anchors: Step
    states: dict[str, Step]
    fits: list[Fit]

    @property
    def compared(self) -> list[Step]:
        """The step of each number of shots at which there is something to compare."""
        steps = []
        for shots in dict.fromkeys(fit.shots for fit in self.fits):
            fits = {fit.spec.name: fit for fit in self.fits if fit.shots == shots}
            found = contrasts([fit.spec for fit in fits.values()])
            named = {name for _, *names in found for name in names}
            predictions = {name: fit.predictions for name, fit in fits.items() if name in named}
            if found:
                steps.append(comparisons_step(self.model.name, self.dataset.name, shots, predictions, found))
        return steps


@dataclass(frozen=True)
class Plan:
    """The steps of an experiment. `unfetched` names hub sources whose bytes, and so whose keys, are not known yet."""

    experiment: Experiment
    home: Home
    data_dir: Path | None
    comparisons: list[ModelDatasetPlan]
    unfetched: list[str]

    @property
    def lake(self) -> Lake:
        return Lake(self.home)

    @property
    def run(self) -> Step:
        metrics = [fit.metrics for comparison in self.comparisons for fit in comparison.fits]
        compared = [step for comparison in self.comparisons for step in comparison.compared]
        controls = [spec.name for spec in self.experiment.methods if spec.is_control]
        return run_step(self.experiment.name, metrics, compared, self.experiment.champion, controls)

    def steps(self) -> Iterator[Step]:
        """Every step once, in the order in which they can be done."""
        seen: set[str] = set()
        for comparison in self.comparisons:
            ordered = [comparison.examples, comparison.anchors, *comparison.states.values()]
            ordered += [step for fit in comparison.fits for step in (fit.predictions, fit.metrics)]
            for step in ordered + comparison.compared:
                if step.key not in seen:
                    seen.add(step.key)
                    yield step
        yield self.run

    def entries(self) -> list[Entry]:
        """What the run's record needs to know of every fit."""
        return [
            Entry(
                c.model,
                c.dataset,
                fit.spec.method,
                fit.spec.name,
                fit.spec.is_control,
                c.examples,
                fit.predictions,
                fit.metrics,
                servable=method_info(fit.spec.method).family == "states" and not fit.spec.demonstrations,
            )
            for c in self.comparisons
            for fit in c.fits
        ]

    def published(self, step: Step) -> bool:
        """A fit is done when its predictions and its calibrator are both there, a run when it is its experiment's last:
        after one with other settings it is recorded anew, for reports show the last."""
        kinds = ("predictions", "calibrators") if step.kind == "predictions" else (step.kind,)
        there = all(step.partition(self.lake, kind).published for kind in kinds)
        return there and not (step.kind == "runs" and self._superseded(step))

    def _superseded(self, run: Step) -> bool:
        """Whether a published run of the experiment has a newer one after it."""
        runs = (m for m in self.lake.manifests("runs") if m.coordinates == run.coordinates)
        return max(runs, key=lambda m: datetime.fromisoformat(m.created)).key != run.key

    def refusals(self, *kinds: str) -> list[Step]:
        """The steps (of these kinds) whose data failed a check the last time they were done."""
        steps = (step for step in self.steps() if not kinds or step.kind in kinds)
        return [step for step in steps if step.partition(self.lake).manifest(REJECTED) and not self.published(step)]

    def readable(self, step: Step) -> bool:
        """Whether all that the step reads is published."""
        return all(self.published(self._by_key[key]) for key in step.inputs.values())

    @cached_property
    def _by_key(self) -> dict[str, Step]:
        return {step.key: step for step in self.steps()}

    @property
    def done(self) -> bool:
        return not self.unfetched and not self.missing() and self.home.catalog.exists()

    def missing(self) -> list[Step]:
        return [step for step in self.steps() if not self.published(step)]


def make_plan(experiment: Experiment, home: Home, data_dir: Path | None = None) -> Plan:
    """Keys of all steps, from cards and hashes alone: no model, no text and no network is touched."""
    comparisons, unfetched = [], []
    for model in experiment.model_cards():
        digest = model_digest(model, home.cache)
        for dataset in (card.located(data_dir) for card in experiment.dataset_cards()):
            hashes = source_hashes(dataset, home)
            unknown = [dataset.files[split] for split, value in hashes.items() if value is None]
            unknown += [] if digest else [model.source]
            if unknown or digest is None:
                unfetched += unknown
            else:
                known = {name: value for name, value in hashes.items() if value is not None}
                comparisons.append(_compare(experiment, model, digest, dataset, known))
    return Plan(experiment, home, data_dir, comparisons, sorted(set(unfetched)))


def find_data_dir(data_dir: str | None) -> Path | None:
    """`data_dir`, else `VOCABSEM_DATA_DIR`; raises SourceError if it is no folder."""
    named = data_dir or os.environ.get("VOCABSEM_DATA_DIR")
    if named and not Path(named).is_dir():
        raise SourceError(f"data folder {named!r} does not exist: mend --data-dir or VOCABSEM_DATA_DIR")
    return Path(named) if named else None


def source_hashes(card: DatasetCard, home: Home) -> dict[str, str | None]:
    """SHA-256 of every source by split; None for one that was never fetched and has no hash in its card."""
    hashes: dict[str, str | None] = {}
    for split, source in card.files.items():
        fetched = None if split in card.sha256 else fetching.cached(source, home.cache)
        hashes[split] = card.sha256.get(split) or (fetched.sha256 if fetched else None)
    return hashes


def _settings(experiment: Experiment, model: ModelCard) -> dict[str, Any]:
    depth = model.layers
    layers = sorted(
        {depth if layer == "last" else layer + depth + 1 if layer < 0 else layer for layer in experiment.layers}
    )
    if layers[0] < 0 or layers[-1] > depth:
        raise CardError(
            f"layers {experiment.layers} of experiment {experiment.name!r}: {model.name!r} has layers 0 to {depth}"
        )
    return {
        "layers": layers,
        "pooling": experiment.pooling,
        "dtype": resolve_dtype(experiment.dtype),
        "max_tokens": min(experiment.max_tokens or model.max_tokens, model.max_tokens),
        "prepend_bos": model.prepend_bos,
    }


def _compare(
    experiment: Experiment, model: ModelCard, digest: str, dataset: DatasetCard, hashes: dict[str, str]
) -> ModelDatasetPlan:
    examples = examples_step(dataset, hashes, experiment.limits.model_dump())
    anchors = anchors_step(model.name, digest, experiment.gauge)
    settings = _settings(experiment, model)
    validated = bool(dataset.split.validation) or "validation" in {*dataset.files, *dataset.splits}
    if experiment.champion and not validated:
        raise CardError(
            f"experiment {experiment.name!r} asks for a champion, which is chosen on validation data, and dataset"
            f" {dataset.name!r} has none: set split.validation in its card, or champion: false"
        )
    evaluated = ["validation", "test"] if validated else ["test"]
    states: dict[str, Step] = {}

    def stored(split: str, spec: MethodSpec, seed: int) -> tuple[str, str]:
        """Role and key of the states of a split, which are extracted once for all methods that read them."""
        shown = {"per_class": spec.demonstrations, "seed": seed, "context": model.context, "words": dataset.label_words}
        order = {"order": spec.order} if spec.order else {}
        demonstrations = {"demonstrations": shown | order} if spec.demonstrations else {}
        step = states_step(model.name, digest, dataset, examples, split, settings | demonstrations)
        name = f"demos-{spec.demonstrations}" + (f"-order-{spec.order}" if spec.order else "")
        states[f"{split}+{name}@{seed}" if demonstrations else split] = step
        return f"states:{split}@{seed}" if demonstrations else f"states:{split}", step.key

    fits = []
    for spec in (spec for spec in experiment.methods if spec.variants or "@" not in dataset.name):
        for shots in shots_of(experiment, spec):
            seeds = seeds_of(experiment, spec, shots)
            info = method_info(spec.method)
            if info.family == "adapters":
                inputs = {"examples": examples.key}
                prompts = {key: settings[key] for key in ("dtype", "max_tokens", "prepend_bos")}
                more = prompts | {"digest": digest, "template": dataset.template}
            else:
                wanted = splits_of(spec, evaluated)
                inputs = dict(stored(split, spec, seed) for split in wanted for seed in seeds)
                inputs["anchors"] = anchors.key
                more = {}
            folds = info.family == "adapters" or info.temperature_folds
            if experiment.temperature and folds:
                more |= {"temperature": folds}
            if experiment.on_insufficient == "use_all":
                more |= {"scarce": "take_all"}
            specification: dict[str, Any] = {"method": spec.method, "params": spec.params}
            specification |= {"label_noise": spec.label_noise} if spec.label_noise else {}
            specification |= {"revision": info.revision} if info.revision > 1 else {}
            predictions = predictions_step(model.name, dataset, spec.name, specification, shots, seeds, inputs, **more)
            fits.append(Fit(spec, shots, predictions, metrics_step(predictions)))
    return ModelDatasetPlan(model, dataset, examples, anchors, states, fits)
