"""Arrays behind the charts of a report: errors of a fit, states before and after it, scores by layer.

Read from the lake when a report is written. None where the partitions they need were removed.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from safetensors import safe_open

from tasks.models.extensions import method_source
from tasks.steps.facts import StatesFacts, facts_of
from tasks.steps.kinds import spec_of
from tasks.steps.label_columns import has_classes
from tasks.steps.lake_reads import StateRows, sample_states, state_blocks
from tasks.steps.specs import FitSpec, StatesFitSpec
from vocabsem.errors import DataError
from vocabsem.evaluation.metrics import Reliability, confusion, reliability
from vocabsem.label_space import LabelSpace
from vocabsem.methods.persistence import from_arrays
from vocabsem.methods.registry import load_method
from vocabsem.states.layers import layer_and_pooling
from vocabsem.vocabulary.geometry import Projection, project_2d
from warehouse.home import Home
from warehouse.lake.manifest import Manifest
from warehouse.lake.partition import Lake, Partition

POINTS = 300  # of a picture of states
PROFILED = 100_000  # rows of which single layers are read
READERS = ("centroid", "linear_probe")  # of single layers
LOCATION = ("model", "dataset", "method", "shots")

Fit = Mapping[str, Any]  # the coordinates and the key of a partition of predictions


def errors(home: Home, fit: Fit, classes: int) -> tuple[Reliability, np.ndarray] | None:
    """The reliability of the test predictions of all seeds in bins of equal mass, and their confusion (C, C).

    None too where texts do not have one class each.
    """
    partition = _partition(home, "predictions", fit)
    if not partition.published or not has_classes(partition):
        return None
    table = partition.table(columns=["split", "label", "predicted", "probabilities"])
    table = table.filter(pc.equal(table["split"], "test"))
    labels = table["label"].to_numpy()
    probabilities = pc.list_flatten(table["probabilities"]).to_numpy().reshape(len(labels), -1)
    bins = reliability(labels, probabilities, "quantile")
    return bins, confusion(labels, table["predicted"].to_numpy(), classes)


def moved(home: Home, fit: Fit, projection: Projection = "pca") -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Labels (N,) of test examples, and their last states in two dimensions before and after a calibrator, (N, 2) each.

    None too for a method that moves no states, and, with a warning, for one that another version stored.
    """
    calibrators = _partition(home, "predictions", fit)
    if not _weights(calibrators):  # of a version whose weights lie apart
        calibrators = _partition(home, "calibrators", fit)
    states = _states_of(home, _partition(home, "predictions", fit))
    if not calibrators.published or "test" not in states:
        return None
    (weights,) = _weights(calibrators)
    with safe_open(calibrators.file(weights), "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        described = json.loads(file.metadata()["estimator"])
    try:
        estimator: Any = from_arrays(arrays, described, _source(home, _partition(home, "predictions", fit)))
    except DataError as error:
        logging.getLogger(__name__).warning("no picture of states before and after %s: %s", fit["method"], error)
        return None
    if not hasattr(estimator, "transform"):
        return None
    _, labels, vectors = next(state_blocks(home, **states["test"].coordinates, key=states["test"].key))
    given = vectors[:POINTS, -estimator.n_features_in_ :]
    before, after = given[:, -estimator.space.width :], estimator.transform(given)
    return labels[:POINTS], project_2d(before, projection), project_2d(after, projection)


def layer_profile(home: Home, fit: Fit, classes: int) -> dict[str, dict[int, float]]:
    """{method: {layer: accuracy on test data}}, each fitted to the training states of that layer alone.

    Of at most PROFILED rows of each, evenly spaced. Empty where a single layer is stored, or texts do not have one
    class each. Layers of means over the tokens are under "centroid, mean".
    """
    read = _states_of(home, _partition(home, "predictions", fit))
    if not {"train", "test"} <= read.keys() or not has_classes(Lake(home).of(read["train"])):
        return {}
    facts = facts_of(read["train"], StatesFacts)
    layers = [layer_and_pooling(layer, facts.pooling) for layer in facts.layers]
    if len(layers) < 2:
        return {}
    (_, labels, train), (_, truth, test) = (_read(home, read[split]) for split in ("train", "test"))
    profile: dict[str, dict[int, float]] = {}
    each = zip(layers, *(np.split(states, len(layers), axis=1) for states in (train, test)), strict=True)
    for (layer, pooling), of_train, of_test in each:
        nothing = np.zeros((classes, of_train.shape[1]), np.float32)
        space = LabelSpace(anchors=nothing, head=nothing, bias=nothing[:, 0])  # these read no vocabulary
        for name in READERS:
            predicted = load_method(name)(space).fit(of_train, labels).predict(of_test)
            named = name if pooling == "last" else f"{name}, {pooling}"
            profile.setdefault(named, {})[layer] = float((predicted == truth).mean())
    return profile


def _source(home: Home, predictions: Partition) -> Path | None:
    """The file of a method from beside a card."""
    manifest = predictions.manifest()
    spec = spec_of(manifest) if manifest else None
    return method_source(home, spec.method) if isinstance(spec, FitSpec) else None


def _weights(partition: Partition) -> list[str]:
    """Return the names of the files of weights in a partition."""
    return [name for name in partition.store.names(partition.path) if name.endswith(".safetensors")]


def _partition(home: Home, kind: str, fit: Fit) -> Partition:
    return Lake(home).partition(kind, fit["key"], **{name: fit[name] for name in LOCATION})


def _states_of(home: Home, predictions: Partition) -> dict[str, Manifest]:
    """Return the published states of prompts without demonstrations that a fit read, by split."""
    manifest = predictions.manifest() if predictions.published else None
    states: dict[str, Manifest] = {}
    spec = spec_of(manifest) if manifest else None
    for split, key in spec.state_keys().items() if isinstance(spec, StatesFitSpec) else ():
        pair = {name: predictions.coordinates[name] for name in ("model", "dataset")}
        partition = Lake(home).partition("states", key, **pair, split=split)
        if partition.published and (published := partition.manifest()):
            states[split] = published
    return states


def _read(home: Home, states: Manifest) -> StateRows:
    return sample_states(home, **states.coordinates, key=states.key, most=PROFILED)
