"""Stored states to fitted methods and their predictions: one task a method, over its shots and seeds."""

import json
import time
from collections.abc import Mapping
from functools import lru_cache
from inspect import signature
from typing import Any

import numpy as np
from safetensors.numpy import save

from tasks.anchors import label_space
from tasks.predictions import prediction_rows, publish_predictions
from tasks.reading import read_states, shown
from tasks.step_task import step_task
from tasks.steps import Step
from vocabsem.cards import DatasetCard, ModelCard
from vocabsem.geometry import adjusted_rand
from vocabsem.methods import METHODS, LabelSpace, Method, build_method
from vocabsem.methods.persistence import to_arrays
from vocabsem.shots import choose_shots, with_noise
from vocabsem.temperature import cross_fitted_temperature
from warehouse.home import Home

Rows = tuple[list[str], np.ndarray, np.ndarray]  # ids, labels (N,), states (N, k·d)


@lru_cache(maxsize=4)
def _clusters_before(home: Home, model: str, dataset: str, key: str, width: int, classes: int) -> float:
    _, labels, states = read_states(home, model, dataset, "test", key)
    return adjusted_rand(states[:, -width:], labels, classes, seed=0)


@step_task(task_run_name="{method} on {dataset.name}")
def fit_method(home: Home, model: ModelCard, dataset: DatasetCard, method: str, steps: list[Step]) -> list[str]:
    """Fit, predict validation and test, and publish, at each number of shots. Returns the partitions' keys."""
    specification, anchors = steps[0].payload["method"], steps[0].inputs["anchors"]
    space = label_space(home, model, dataset, anchors)
    if build_method(specification["method"], specification["params"], space, seed=0).reads_vocabulary:
        space = label_space(home, model, dataset, anchors, whole=True)
    for step in steps:
        _fit(home, model, dataset, step, space)
    return [step.key for step in steps]


def _fit(home: Home, model: ModelCard, dataset: DatasetCard, step: Step, space: LabelSpace) -> None:
    predictions, training, facts, calibrator = [], [], [], b""
    for seed in step.payload["seeds"]:
        keys = _states_of(step, seed)
        read = {split: read_states(home, model.name, dataset.name, split, key) for split, key in keys.items()}
        began = time.perf_counter()
        estimator, columns, labelled = _fitted(
            step, seed, space, read, shown(home, model.name, dataset.name, "test", keys["test"])
        )
        seconds = time.perf_counter() - began
        training += [(seed, example) for example in labelled]
        for split in [split for split in ("validation", "test") if split in read]:
            ids, labels, states = read[split]
            predictions.append(prediction_rows(split, seed, ids, labels, estimator.predict_proba(states[:, columns])))
        clusters = _clusters(home, model, dataset, keys["test"], estimator, columns)
        facts.append({"seed": seed, "fit_seconds": round(seconds, 4), "temperature": estimator.temperature_} | clusters)
        calibrator = calibrator or _serialise(estimator)
    publish_predictions(home, step, predictions, training, calibrator, facts)


def _states_of(step: Step, seed: int) -> dict[str, str]:
    """Key of the states of each split; where demonstrations precede the prompts, each seed has its own."""
    keys = {}
    for role, key in step.inputs.items():
        kind, _, split = role.partition(":")
        split, _, of = split.partition("@")
        if kind == "states" and of in ("", str(seed)):
            keys[split] = key
    return keys


def _fitted(
    step: Step, seed: int, space: LabelSpace, read: Mapping[str, Rows], demonstrations: list[str]
) -> tuple[Method, slice, list[str]]:
    """The fitted estimator, the columns of the states that it reads, and the ids of all labelled examples it saw."""
    name, shots = step.payload["method"]["method"], step.payload["shots"]
    stored = read["test"][2].shape[1]
    columns, several = _columns(name, stored, space.width)

    def make() -> Method:
        return build_method(name, step.payload["method"]["params"] | several, space, seed)

    estimator = make()
    unlabelled = read[estimator.background][2][:, columns] if estimator.background in read else None
    if shots == 0 or not estimator.needs_labels:
        nothing = np.zeros((1, stored), np.float32)[:, columns]
        estimator.fit(nothing if unlabelled is None else unlabelled)
        return estimator, columns, demonstrations
    ids, labels, states = read["train"]
    chosen = choose_shots(labels, shots, seed, space.classes, scarce=step.payload.get("scarce", "refuse"))
    chosen = chosen[~np.isin(np.array(ids)[chosen], demonstrations)]
    noise = step.payload["method"].get("label_noise", 0)
    x, y = states[chosen][:, columns], with_noise(labels[chosen], noise, seed, space.classes)
    estimator.fit(x, y, unlabelled)
    if step.payload.get("temperature"):
        estimator.temperature_ = cross_fitted_temperature(make, x, y, unlabelled, seed=seed)
    return estimator, columns, demonstrations + [ids[row] for row in chosen]


def _columns(method: str, stored: int, width: int) -> tuple[slice, dict[str, int]]:
    """Which of the stored columns a method reads: all layers, or the last where it compares one with the vocabulary."""
    kind = METHODS[method]
    if stored == width or not kind.fixed_width:
        return slice(None), {}
    if "layers" in signature(kind).parameters:
        return slice(None), {"layers": stored // width}
    return slice(stored - width, None), {}


def _clusters(
    home: Home, model: ModelCard, dataset: DatasetCard, key: str, estimator: Any, columns: slice
) -> dict[str, float]:
    """Agreement of k-means clusters with the labels, in the states as they are and as the calibrator moves them."""
    if not hasattr(estimator, "transform"):
        return {}
    _, labels, states = read_states(home, model.name, dataset.name, "test", key)
    before = _clusters_before(home, model.name, dataset.name, key, estimator.space.width, dataset.classes)
    after = adjusted_rand(estimator.transform(states[:, columns]), labels, dataset.classes, seed=0)
    return {"ari_before": before, "ari_after": after}


def _serialise(estimator: Any) -> bytes:
    arrays, metadata = to_arrays(estimator)
    return save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"estimator": json.dumps(metadata)}
    )
