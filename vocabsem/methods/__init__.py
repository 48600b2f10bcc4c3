"""Classifiers over stored states, by name."""

import inspect
from collections.abc import Mapping
from typing import Any

from vocabsem.label_space import LabelSpace
from vocabsem.methods.anchor_similarity import AnchorSimilarity
from vocabsem.methods.base import Method
from vocabsem.methods.calibrations import BatchCalibration, ContextualCalibration, DomainCalibration
from vocabsem.methods.centroid import Centroid
from vocabsem.methods.head_tuning import HeadTuning
from vocabsem.methods.knn_prompting import KnnPrompting
from vocabsem.methods.linear_probe import LinearProbe
from vocabsem.methods.nearest_neighbors import NearestNeighbors
from vocabsem.methods.paper_calibrator import PaperCalibrator
from vocabsem.methods.registry import check_params
from vocabsem.methods.ridge import Ridge
from vocabsem.methods.state_optimization import StateOptimization
from vocabsem.methods.vocabulary_calibrator import VocabularyCalibrator
from vocabsem.methods.zero_shot import ZeroShot

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        ZeroShot,
        AnchorSimilarity,
        PaperCalibrator,
        VocabularyCalibrator,
        Centroid,
        NearestNeighbors,
        LinearProbe,
        Ridge,
        ContextualCalibration,
        DomainCalibration,
        BatchCalibration,
        KnnPrompting,
        HeadTuning,
        StateOptimization,
    )
}


def build_method(name: str, params: Mapping[str, Any], space: LabelSpace, seed: int) -> Method:
    """An unfitted estimator. Raises CardError on an unknown method, parameter or value."""
    check_params(name, params)
    method = METHODS[name]
    seeded = {"seed": seed} if "seed" in inspect.signature(method).parameters else {}
    return method(space, **params, **seeded)
