"""Classifiers over stored states, by name."""

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from vocabsem.errors import CardError
from vocabsem.methods.anchor_similarity import AnchorSimilarity
from vocabsem.methods.base import Method
from vocabsem.methods.calibrations import BatchCalibration, ContextualCalibration, DomainCalibration
from vocabsem.methods.centroid import Centroid
from vocabsem.methods.head_tuning import HeadTuning
from vocabsem.methods.knn_prompting import KnnPrompting
from vocabsem.methods.labels import LabelSpace, Vocabulary, in_place_of_anchors
from vocabsem.methods.linear_probe import LinearProbe
from vocabsem.methods.nearest_neighbours import NearestNeighbours
from vocabsem.methods.paper_calibrator import PaperCalibrator
from vocabsem.methods.persistence import from_arrays, to_arrays
from vocabsem.methods.ridge import Ridge
from vocabsem.methods.state_optimisation import StateOptimisation
from vocabsem.methods.vocabulary_calibrator import VocabularyCalibrator
from vocabsem.methods.zero_shot import ZeroShot

__all__ = [
    "METHODS",
    "AnchorSimilarity",
    "BatchCalibration",
    "Centroid",
    "ContextualCalibration",
    "DomainCalibration",
    "HeadTuning",
    "KnnPrompting",
    "LabelSpace",
    "LinearProbe",
    "Method",
    "NearestNeighbours",
    "PaperCalibrator",
    "Ridge",
    "StateOptimisation",
    "Vocabulary",
    "VocabularyCalibrator",
    "ZeroShot",
    "build_method",
    "check_params",
    "from_arrays",
    "in_place_of_anchors",
    "to_arrays",
]

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        ZeroShot,
        AnchorSimilarity,
        PaperCalibrator,
        VocabularyCalibrator,
        Centroid,
        NearestNeighbours,
        LinearProbe,
        Ridge,
        ContextualCalibration,
        DomainCalibration,
        BatchCalibration,
        KnnPrompting,
        HeadTuning,
        StateOptimisation,
    )
}


def check_params(name: str, params: Mapping[str, Any]) -> type[Method]:
    """The class of a method, its parameters checked against its signature. Raises CardError with the nearest name."""
    if name not in METHODS:
        raise CardError(f"unknown method {name!r}{_nearest(name, METHODS)}")
    method = METHODS[name]
    known = {
        parameter.name: parameter.default
        for parameter in inspect.signature(method).parameters.values()
        if parameter.name not in ("space", "seed")
    }
    for key, value in params.items():
        if key not in known:
            raise CardError(f"unknown parameter {key!r} of method {name}{_nearest(key, known)}")
        expected = type(known[key])
        if type(value) is not expected and not (expected is float and type(value) is int):
            raise CardError(f"parameter {key} of method {name} is {value!r}: expected {expected.__name__}")
        if key in method.choices and value not in method.choices[key]:
            raise CardError(f"parameter {key} of method {name} is {value!r}: choose {', '.join(method.choices[key])}")
    return method


def build_method(name: str, params: Mapping[str, Any], space: LabelSpace, seed: int) -> Method:
    """An unfitted estimator. Raises CardError on an unknown method, parameter or value."""
    method = check_params(name, params)
    seeded = {"seed": seed} if "seed" in inspect.signature(method).parameters else {}
    return method(space, **params, **seeded)


def _nearest(given: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f": did you mean {close[0]!r}?" if close else f": choose one of {', '.join(known) or 'none (it takes none)'}"
