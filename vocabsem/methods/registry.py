"""The methods by name: where each one's class is, what it needs, and which parameters a card may set.

Cards are checked and plans are made with this table alone. It imports no method: that takes torch, scikit-learn and
SciPy, which are seconds that a run with nothing to do would only wait for. A test holds each entry to its class.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any

from vocabsem.errors import CardError
from vocabsem.methods.extensions import from_entry_point, from_file
from vocabsem.methods.info import MethodInfo

__all__ = ["build_adapter", "build_method", "check_params", "load_method", "method_info", "method_infos"]

TARGETS = ("anchors", "head", "random")
ADAPTER = {"batch_size": 16, "validation_fraction": 0.2, "max_validation_rows": 256}
BUILT_IN = (
    MethodInfo(
        name="zero_shot",
        target="vocabsem.methods.zero_shot:ZeroShot",
        needs_labels=False,
        background="none",
    ),
    MethodInfo(
        name="anchor_similarity",
        target="vocabsem.methods.anchor_similarity:AnchorSimilarity",
        needs_labels=False,
        takes_random_state=True,
        choices={"metric": ("cosine", "l2", "dot"), "targets": TARGETS},
        params={"metric": "cosine", "center": True, "targets": "anchors"},
    ),
    MethodInfo(
        name="paper_calibrator",
        target="vocabsem.methods.paper_calibrator:PaperCalibrator",
        trains=True,
        temperature_folds=2,
        takes_random_state=True,
        choices={
            "metric": ("cosine", "l2", "dot"),
            "targets": TARGETS,
            "trained_on": ("labels", "vocabulary", "truth", "matmul"),
            "inferred_by": ("similarity", "matmul"),
            "dtype": ("float32", "bfloat16", "float64"),
        },
        params={
            "metric": "cosine",
            "targets": "anchors",
            "trained_on": "labels",
            "inferred_by": "similarity",
            "epochs": 100,
            "batch": 256,
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "dtype": "float32",
            "device": "cpu",
        },
    ),
    MethodInfo(
        name="vocabulary_calibrator",
        target="vocabsem.methods.vocabulary_calibrator:VocabularyCalibrator",
        revision=2,
        works_without_labels=True,
        temperature_folds=0,
        takes_layers=True,
        takes_random_state=True,
        choices={"targets": ("both", *TARGETS)},
        params={"targets": "both", "layers": 1, "rounds": 5},
    ),
    MethodInfo(
        name="centroid",
        target="vocabsem.methods.centroid:Centroid",
        fixed_width=False,
        choices={"metric": ("cosine", "l2")},
        params={"metric": "cosine", "center": True},
    ),
    MethodInfo(
        name="nearest_neighbors",
        target="vocabsem.methods.nearest_neighbors:NearestNeighbors",
        fixed_width=False,
        positive=("k", "smoothing"),
        params={"k": 16, "center": True, "smoothing": 0.5},
    ),
    MethodInfo(
        name="linear_probe",
        target="vocabsem.methods.linear_probe:LinearProbe",
        trains=True,
        takes_layers=True,
        takes_random_state=True,
        params={"layers": 1, "cv": 5},
    ),
    MethodInfo(
        name="ridge",
        target="vocabsem.methods.ridge:Ridge",
        temperature_folds=0,
        takes_layers=True,
        params={"layers": 1},
    ),
    MethodInfo(
        name="contextual_calibration",
        target="vocabsem.methods.calibrations:ContextualCalibration",
        needs_labels=False,
        background="content_free",
    ),
    MethodInfo(
        name="domain_calibration",
        target="vocabsem.methods.calibrations:DomainCalibration",
        needs_labels=False,
        background="domain_words",
    ),
    MethodInfo(
        name="batch_calibration",
        target="vocabsem.methods.calibrations:BatchCalibration",
        needs_labels=False,
    ),
    MethodInfo(
        name="knn_prompting",
        target="vocabsem.methods.knn_prompting:KnnPrompting",
        trains=True,
        takes_random_state=True,
        reads_vocabulary=True,
        positive=("k", "per_class", "smoothing"),
        params={"k": 3, "per_class": 1024, "smoothing": 0.5},
    ),
    MethodInfo(
        name="head_tuning",
        target="vocabsem.methods.head_tuning:HeadTuning",
        trains=True,
        takes_random_state=True,
        params={"cv": 5},
    ),
    MethodInfo(
        name="state_optimization",
        target="vocabsem.methods.state_optimization:StateOptimization",
    ),
    MethodInfo(
        name="lora",
        target="vocabsem.adapters:LoRA",
        family="adapters",
        trains=True,
        positive=("steps", "stops", "learning_rates", *ADAPTER, "rank", "alpha"),
        params={"steps": 200, "stops": 5, "learning_rates": (3e-4, 1e-3, 3e-3), **ADAPTER, "rank": 8, "alpha": 16},
    ),
    MethodInfo(
        name="ia3",
        target="vocabsem.adapters:IA3",
        family="adapters",
        trains=True,
        positive=("steps", "stops", "learning_rates", *ADAPTER),
        params={"steps": 200, "stops": 5, "learning_rates": (3e-3, 1e-2, 3e-2), **ADAPTER},
    ),
)
_INFOS = MappingProxyType({info.name: info for info in BUILT_IN})


def method_infos() -> Mapping[str, MethodInfo]:
    """Return the methods of this package by name."""
    return _INFOS


def method_info(name: str) -> MethodInfo:
    """Return what is known of a method.

    name: one of this package's, one that an installed package offers (entry points `vocabsem.methods`), or
    `path.py:Class`. Raises CardError on an unknown name, with the nearest known one, and on a class that is no method.
    """
    return _find(name)[0]


def load_method(name: str) -> type[Any]:
    """Import the class of a method: a subclass of `Method` or of `AdapterTraining`. Raises as `method_info`."""
    info, cls = _find(name)
    if cls is None:
        module, _, attribute = info.target.partition(":")
        cls = getattr(import_module(module), attribute)
    return cls


def _find(name: str) -> tuple[MethodInfo, type[Any] | None]:
    """The class only of a method that is not ours: to know it, it was imported."""
    if name in _INFOS:
        return _INFOS[name], None
    result = from_file(name) if ":" in name else from_entry_point(name)
    if result is None:
        raise CardError(f"unknown method {name!r}{_nearest(name, _INFOS)}")
    if result[0].name in _INFOS:
        raise CardError(f"method {name}: its name is {result[0].name!r}, as that of a method here: give it another")
    return result


def build_method(name: str, params: Mapping[str, Any], space: Any, random_state: int) -> Any:
    """Return an unfitted estimator over states. Raises CardError on an unknown method, parameter or value."""
    check_params(name, params)
    info = method_info(name)
    seeded = {"random_state": random_state} if info.takes_random_state else {}
    return load_method(name)(space, **params, **seeded)


def build_adapter(name: str, params: Mapping[str, Any]) -> Any:
    """Return the `AdapterTraining` of a method. Raises CardError on an unknown method, parameter or value."""
    check_params(name, params)
    return load_method(name)(**params)


def check_params(name: str, params: Mapping[str, Any]) -> None:
    """Raise CardError on an unknown method, parameter or value, with the nearest known name."""
    info = method_info(name)
    for key, value in params.items():
        if key not in info.params:
            raise CardError(f"unknown parameter {key!r} of method {info.name}{_nearest(key, info.params)}")
        _check_value(f"parameter {key} of method {info.name} is {value!r}", info, key, value)


def _check_value(given: str, info: MethodInfo, key: str, value: Any) -> None:
    default = info.params[key]
    values, kind = [value], type(default)
    if isinstance(default, tuple):
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise CardError(f"{given}: expected a list of {type(default[0]).__name__}, one at least")
        values, kind = list(value), type(default[0])
    for each in values:
        if type(each) is not kind and not (kind is float and type(each) is int):
            raise CardError(f"{given}: expected {kind.__name__}")
        if kind in (int, float) and not 0 <= each < math.inf:
            raise CardError(f"{given}: give a finite number, 0 or more")
        if key in info.positive and each == 0:
            raise CardError(f"{given}: give a number above 0")
        if key in info.choices and each not in info.choices[key]:
            raise CardError(f"{given}: choose {', '.join(info.choices[key])}")


def _nearest(given: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f": did you mean {close[0]!r}?" if close else f": choose one of {', '.join(known) or 'none (it takes none)'}"
