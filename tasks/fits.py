"""Stored states to fitted methods and their predictions: one task a method, over its shots and seeds."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from safetensors.numpy import save

from tasks.models.extensions import method_name
from tasks.models.label_space import label_space, word_space
from tasks.steps.decorator import step_task
from tasks.steps.facts import SeedFacts
from tasks.steps.lake_reads import (
    demonstration_ids,
    read_states,
    sample_states,
    state_blocks,
    states_width,
    training_weights,
)
from tasks.steps.predictions import answer_rows, publish_predictions
from tasks.steps.progress import ProgressFile
from tasks.steps.specs import StatesFitSpec, StoredFitSpec, WordScoresFitSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.datasets.shots import add_label_noise, choose_shots
from vocabsem.evaluation.temperature import cross_fitted_temperature
from vocabsem.label_space import LabelSpace
from vocabsem.methods.base import Method
from vocabsem.methods.persistence import to_arrays
from vocabsem.methods.registry import build_method, method_info
from vocabsem.vocabulary.geometry import adjusted_rand
from warehouse.home import Home

CLUSTERED = 100_000  # test rows whose clusters are compared with the labels, at most


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
    weights: np.ndarray | None = None
    """Of the labeled rows, where their card names a column of them."""


@lru_cache(maxsize=4)
def _clusters_before(home: Home, model: str, dataset: str, key: str, width: int, classes: int) -> float:
    _, labels, states = sample_states(home, model, dataset, "test", key, CLUSTERED)
    return adjusted_rand(states[:, -width:], labels, classes, random_state=0)


@step_task(task_run_name="{method} on {dataset.name}")
def fit_method(
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    method: str,
    steps: Sequence[Step[StoredFitSpec]],
    progress: ProgressFile | None = None,
) -> list[str]:
    """Fit, predict validation and test, and publish, at each number of shots. Returns the partitions' keys."""
    space = _space(home, model, dataset, steps[0].spec)
    for step in steps:
        _fit(home, model, dataset, step, space)
        if progress:
            progress.advance(1)
    return [step.key for step in steps]


def _space(home: Home, model: ModelCard, dataset: DatasetCard, spec: StoredFitSpec) -> LabelSpace:
    if isinstance(spec, WordScoresFitSpec):
        return word_space(home, spec)
    assert isinstance(spec, StatesFitSpec)
    space = label_space(home, model, dataset, spec.anchors)
    if build_method(method_name(home, spec.method), spec.method.params, space, random_state=0).needs_vocabulary:
        return label_space(home, model, dataset, spec.anchors, whole=True)
    return space


def _fit(home: Home, model: ModelCard, dataset: DatasetCard, step: Step[StoredFitSpec], space: LabelSpace) -> None:
    """All seeds are fitted together; the time is divided equally among them."""
    spec, seeds = step.spec, step.spec.seeds
    given = [_fit_inputs(home, model.name, dataset.name, spec, seed, space) for seed in seeds]
    began = time.perf_counter()
    estimators = [one.make() for one in given]
    kind = type(estimators[0])
    rows = ((one.states, one.labels, one.unlabeled, one.weights) for one in given)
    kind.fit_together(estimators, *zip(*rows, strict=True))
    if folds := int(spec.temperature):
        for estimator, one, seed in zip(estimators, given, seeds, strict=True):
            if one.labels is not None:
                estimator.temperature_ = cross_fitted_temperature(
                    one.make,
                    one.states,
                    one.labels,
                    one.unlabeled,
                    cv=folds,
                    random_state=seed,
                    sample_weight=one.weights,
                )
    seconds = (time.perf_counter() - began) / len(seeds)
    predictions = _predict(
        home, spec, {seed: (e, one.columns) for seed, e, one in zip(seeds, estimators, given, strict=True)}
    )
    facts: list[SeedFacts] = []
    for seed, one, estimator in zip(seeds, given, estimators, strict=True):
        clusters = _clusters(home, model, dataset, spec.state_keys(seed)["test"], estimator, one.columns)
        took = {"seed": seed, "fit_seconds": round(seconds, 4), "temperature": estimator.temperature_}
        facts.append(SeedFacts.model_validate(took | clusters))
    training = [(seed, example) for seed, one in zip(seeds, given, strict=True) for example in one.seen]
    publish_predictions(home, step, predictions, training, _serialize(estimators[0]), facts)


def _predict(home: Home, spec: StoredFitSpec, fitted: Mapping[int, tuple[Any, slice]]) -> list[pa.Table]:
    """Return the predictions for validation and test, seed by seed; states that seeds share are read once for all.

    fitted: by the seed, the estimator and the columns that it reads.
    """
    tables: dict[int, list[pa.Table]] = {seed: [] for seed in fitted}
    for split in ("validation", "test"):
        readers: dict[str, list[int]] = {}
        for seed in fitted:
            if key := spec.state_keys(seed).get(split):
                readers.setdefault(key, []).append(seed)
        for key, seeds in readers.items():
            for ids, labels, states in state_blocks(home, spec.model, spec.dataset, split, key, spec.reads):
                for seed in seeds:
                    estimator, columns = fitted[seed]
                    tables[seed].append(answer_rows(split, seed, ids, labels, estimator, states[:, columns]))
    return [table for of_seed in tables.values() for table in of_seed]


def _fit_inputs(home: Home, model: str, dataset: str, spec: StoredFitSpec, seed: int, space: LabelSpace) -> FitInputs:
    name, shots, keys = method_name(home, spec.method), spec.shots, spec.state_keys(seed)
    demonstrations = demonstration_ids(home, model, dataset, "test", keys["test"], spec.reads)
    stored = states_width(home, model, dataset, "test", keys["test"], spec.reads)
    columns, several = _columns(name, stored, space.width)
    make = partial(build_method, name, spec.method.params | several, space, seed)
    kind = method_info(name)
    unlabeled = None
    if kind.background in keys:
        key = keys[kind.background]
        unlabeled = read_states(home, model, dataset, kind.background, key, spec.reads)[2][:, columns]
    if shots == 0 or not kind.needs_labels:
        nothing = np.zeros((1, stored), np.float32)[:, columns]
        return FitInputs(make, columns, nothing if unlabeled is None else unlabeled, None, None, demonstrations)
    ids, labels, states = read_states(home, model, dataset, "train", keys["train"], spec.reads)
    chosen = choose_shots(labels, shots, seed, space.classes, on_insufficient=spec.on_insufficient)
    chosen = chosen[~np.isin(np.array(ids)[chosen], demonstrations)]
    weights = training_weights(home, model, dataset, keys["train"], spec.reads)
    if shots != "all" or demonstrations:
        states, labels = states[chosen], labels[chosen]
    if spec.method.label_noise:
        labels = add_label_noise(labels, spec.method.label_noise, seed, space.classes)
    seen = demonstrations + [ids[row] for row in chosen]
    return FitInputs(
        make, columns, states[:, columns], labels, unlabeled, seen, None if weights is None else weights[chosen]
    )


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
    _, labels, states = sample_states(home, model.name, dataset.name, "test", key, CLUSTERED)
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
