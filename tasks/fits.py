"""Stored states to fitted methods and their predictions: one task a method, over its shots and seeds."""

import json
import time
from functools import lru_cache
from inspect import signature
from typing import Any

import numpy as np
from safetensors.numpy import save

from tasks.anchors import label_space
from tasks.predictions import prediction_rows, publish_predictions
from tasks.reading import read_states
from tasks.step_task import step_task
from tasks.steps import Step
from vocabsem.cards import DatasetCard, ModelCard
from vocabsem.geometry import adjusted_rand
from vocabsem.methods import METHODS, LabelSpace, build_method
from vocabsem.methods.persistence import to_arrays
from vocabsem.shots import choose_shots
from warehouse.home import Home


@lru_cache(maxsize=4)
def _clusters_before(home: Home, model: str, dataset: str, key: str, width: int, classes: int) -> float:
    _, labels, states = read_states(home, model, dataset, "test", key)
    return adjusted_rand(states[:, -width:], labels, classes, seed=0)


@step_task(task_run_name="{method} on {dataset.name}")
def fit_method(home: Home, model: ModelCard, dataset: DatasetCard, method: str, steps: list[Step]) -> list[str]:
    """Fit, predict validation and test, and publish, at each number of shots. Returns the partitions' keys."""
    space = label_space(home, model, dataset, steps[0].inputs["anchors"])
    for step in steps:
        _fit(home, model, dataset, step, space)
    return [step.key for step in steps]


def _fit(home: Home, model: ModelCard, dataset: DatasetCard, step: Step, space: LabelSpace) -> None:
    splits = {role.partition(":")[2]: key for role, key in step.inputs.items() if role.startswith("states:")}
    read = {split: read_states(home, model.name, dataset.name, split, key) for split, key in splits.items()}
    train_ids, train_labels, train_states = read.pop("train")
    specification, shots = step.payload["method"], step.payload["shots"]
    columns, several = _columns(specification["method"], train_states.shape[1], space.width)
    params = specification["params"] | several
    train_states = train_states[:, columns]
    predictions, training, facts, calibrator = [], [], [], b""
    for seed in step.payload["seeds"]:
        estimator = build_method(specification["method"], params, space, seed)
        began = time.perf_counter()
        if shots == 0:
            estimator.fit(train_states)
        else:
            chosen = choose_shots(train_labels, shots, seed, dataset.classes)
            training += [(seed, train_ids[row]) for row in chosen]
            estimator.fit(train_states[chosen], train_labels[chosen], unlabelled=train_states)
        seconds = time.perf_counter() - began
        for split, (ids, labels, states) in read.items():
            predictions.append(prediction_rows(split, seed, ids, labels, estimator.predict_proba(states[:, columns])))
        facts.append(
            {"seed": seed, "fit_seconds": round(seconds, 4)} | _clusters(home, model, dataset, step, estimator, columns)
        )
        calibrator = calibrator or _serialise(estimator)
    publish_predictions(home, step, predictions, training, calibrator, facts)


def _columns(method: str, stored: int, width: int) -> tuple[slice, dict[str, int]]:
    """Which of the stored columns a method reads: all layers, or the last where it compares one with the vocabulary."""
    kind = METHODS[method]
    if stored == width or not kind.fixed_width:
        return slice(None), {}
    if "layers" in signature(kind).parameters:
        return slice(None), {"layers": stored // width}
    return slice(stored - width, None), {}


def _clusters(
    home: Home, model: ModelCard, dataset: DatasetCard, step: Step, estimator: Any, columns: slice
) -> dict[str, float]:
    """Agreement of k-means clusters with the labels, in the states as they are and as the calibrator moves them."""
    if not hasattr(estimator, "transform"):
        return {}
    key = step.inputs["states:test"]
    _, labels, states = read_states(home, model.name, dataset.name, "test", key)
    before = _clusters_before(home, model.name, dataset.name, key, estimator.space.width, dataset.classes)
    after = adjusted_rand(estimator.transform(states[:, columns]), labels, dataset.classes, seed=0)
    return {"ari_before": before, "ari_after": after}


def _serialise(estimator: Any) -> bytes:
    arrays, metadata = to_arrays(estimator)
    return save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"estimator": json.dumps(metadata)}
    )
