"""Stored states to fitted methods and their predictions: one task a method, over its shots and seeds."""

import json
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from safetensors.numpy import save

from tasks.models.extensions import method_name
from tasks.models.label_space import label_space
from tasks.steps.decorator import step_task
from tasks.steps.facts import SeedFacts
from tasks.steps.lake_reads import demonstration_ids, read_states
from tasks.steps.predictions import prediction_rows, publish_predictions
from tasks.steps.progress import ProgressFile
from tasks.steps.specs import StatesFitSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.geometry import adjusted_rand
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method
from vocabsem.methods.persistence import to_arrays
from vocabsem.methods.registry import build_method, method_info
from vocabsem.shots import add_label_noise, choose_shots
from vocabsem.temperature import cross_fitted_temperature
from warehouse.home import Home

Rows = tuple[list[str], np.ndarray, np.ndarray]  # ids, labels (N,), states (N, k·d)


class FitInputs(NamedTuple):
    """What one seed's estimator is fitted on."""

    make: Callable[[], Method]
    columns: slice
    """Of the stored states, those that the method reads."""
    states: np.ndarray
    labels: np.ndarray | None
    unlabeled: np.ndarray | None
    seen: list[str]
    """Ids of all labeled examples."""


@lru_cache(maxsize=4)
def _clusters_before(home: Home, model: str, dataset: str, key: str, width: int, classes: int) -> float:
    _, labels, states = read_states(home, model, dataset, "test", key)
    return adjusted_rand(states[:, -width:], labels, classes, random_state=0)


@step_task(task_run_name="{method} on {dataset.name}")
def fit_method(
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    method: str,
    steps: list[Step[StatesFitSpec]],
    progress: ProgressFile | None = None,
) -> list[str]:
    """Fit, predict validation and test, and publish, at each number of shots. Returns the partitions' keys."""
    settings, anchors = steps[0].spec.method, steps[0].spec.anchors
    space = label_space(home, model, dataset, anchors)
    if build_method(method_name(home, settings), settings.params, space, random_state=0).reads_vocabulary:
        space = label_space(home, model, dataset, anchors, whole=True)
    for step in steps:
        _fit(home, model, dataset, step, space)
        if progress:
            progress.advance(1)
    return [step.key for step in steps]


def _fit(home: Home, model: ModelCard, dataset: DatasetCard, step: Step[StatesFitSpec], space: LabelSpace) -> None:
    """All seeds are fitted together; the time is divided equally among them."""
    spec, seeds = step.spec, step.spec.seeds
    keys = [spec.state_keys(seed) for seed in seeds]
    reads = [
        {split: read_states(home, model.name, dataset.name, split, key) for split, key in of_seed.items()}
        for of_seed in keys
    ]
    given = [
        _fit_inputs(
            home, spec, seed, space, read, demonstration_ids(home, model.name, dataset.name, "test", of_seed["test"])
        )
        for seed, read, of_seed in zip(seeds, reads, keys, strict=True)
    ]
    began = time.perf_counter()
    estimators = [one.make() for one in given]
    kind = type(estimators[0])
    kind.fit_together(estimators, *zip(*((one.states, one.labels, one.unlabeled) for one in given), strict=True))
    if folds := int(spec.temperature):
        for estimator, one, seed in zip(estimators, given, seeds, strict=True):
            if one.labels is not None:
                estimator.temperature_ = cross_fitted_temperature(
                    one.make, one.states, one.labels, one.unlabeled, cv=folds, random_state=seed
                )
    seconds = (time.perf_counter() - began) / len(seeds)
    predictions: list[pa.Table] = []
    facts: list[SeedFacts] = []
    for seed, read, of_seed, one, estimator in zip(seeds, reads, keys, given, estimators, strict=True):
        for split in [split for split in ("validation", "test") if split in read]:
            ids, labels, states = read[split]
            probabilities = estimator.predict_proba(states[:, one.columns])
            predictions.append(prediction_rows(split, seed, ids, labels, probabilities))
        clusters = _clusters(home, model, dataset, of_seed["test"], estimator, one.columns)
        took = {"seed": seed, "fit_seconds": round(seconds, 4), "temperature": estimator.temperature_}
        facts.append(SeedFacts.model_validate(took | clusters))
    training = [(seed, example) for seed, one in zip(seeds, given, strict=True) for example in one.seen]
    publish_predictions(home, step, predictions, training, _serialize(estimators[0]), facts)


def _fit_inputs(
    home: Home,
    spec: StatesFitSpec,
    seed: int,
    space: LabelSpace,
    read: Mapping[str, Rows],
    demonstrations: list[str],
) -> FitInputs:
    name, shots = method_name(home, spec.method), spec.shots
    columns, several = _columns(name, read["test"][2].shape[1], space.width)
    make = partial(build_method, name, spec.method.params | several, space, seed)
    kind = method_info(name)
    unlabeled = read[kind.background][2][:, columns] if kind.background in read else None
    if shots == 0 or not kind.needs_labels:
        nothing = np.zeros((1, read["test"][2].shape[1]), np.float32)[:, columns]
        return FitInputs(make, columns, nothing if unlabeled is None else unlabeled, None, None, demonstrations)
    ids, labels, states = read["train"]
    chosen = choose_shots(labels, shots, seed, space.classes, on_insufficient=spec.on_insufficient)
    chosen = chosen[~np.isin(np.array(ids)[chosen], demonstrations)]
    if shots != "all" or demonstrations:
        states, labels = states[chosen], labels[chosen]
    labels = add_label_noise(labels, spec.method.label_noise, seed, space.classes)
    seen = demonstrations + [ids[row] for row in chosen]
    return FitInputs(make, columns, states[:, columns], labels, unlabeled, seen)


def _columns(method: str, stored: int, width: int) -> tuple[slice, dict[str, int]]:
    """Which of the stored columns a method reads: all layers, or the last where it compares one with the vocabulary."""
    kind = method_info(method)
    if stored == width or not kind.fixed_width:
        return slice(None), {}
    if kind.takes_layers:
        return slice(None), {"layers": stored // width}
    return slice(stored - width, None), {}


def _clusters(
    home: Home, model: ModelCard, dataset: DatasetCard, key: str, estimator: Any, columns: slice
) -> dict[str, float]:
    """Agreement of k-means clusters with the labels, in the states as they are and as the calibrator moves them.

    Nothing where the method moves no states, or where there are fewer of them than classes.
    """
    if not hasattr(estimator, "transform"):
        return {}
    _, labels, states = read_states(home, model.name, dataset.name, "test", key)
    if len(states) < dataset.classes:
        return {}
    before = _clusters_before(home, model.name, dataset.name, key, estimator.space.width, dataset.classes)
    after = adjusted_rand(estimator.transform(states[:, columns]), labels, dataset.classes, random_state=0)
    return {"ari_before": before, "ari_after": after}


def _serialize(estimator: Any) -> bytes:
    arrays, metadata = to_arrays(estimator)
    return save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"estimator": json.dumps(metadata)}
    )
