"""What a fit, and a prediction, holds at most, counted allocation by allocation, against what its method states."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from flows.planning.memory import BLOCKS
from tests.vocabsem.method_data import make_states, make_whole_space
from vocabsem.methods.registry import build_method, method_info, method_infos

pytestmark = pytest.mark.medium

ROWS, FEW = 4000, 60
METHODS = [name for name, info in method_infos().items() if info.family == "states" and not info.package]
FOLDS = {"max_cv_rows": 300, "max_iter": 20}  # what these hold besides does not grow with the rows
QUICK = {
    "paper_calibrator": {"epochs": 1, "batch_size": 1000},
    **dict.fromkeys(("linear_probe", "head_tuning", "probe_self_training"), FOLDS),
    "kernel_svc": {"max_rows": 300, "costs": (1.0,)},
    "random_features": {"n_features": 128},
    "prototypical_calibration": {"n_init": 1, "max_iter": 3},
    "linc": {"alphas": (1.0,)},
    "state_optimization": {"steps": (0, 1, 2, 3, 4, 5, 6)},  # as many candidates as by default
    **{name: {"max_iter": 3} for name in ("em_dirichlet", "transclip", "lp_plus_plus", "clap")},
}

PREDICTED = {"random_features": {"n_features": 2048}}


def labeled_states(name, rows, classes, width):
    """States, and labels of the shape that the method learns from."""
    states, labels = make_states(0, rows, classes, width)
    if method_info(name).label_kinds == ("continuous",):
        return states, labels.astype(float)
    return states, np.eye(classes, dtype=int)[labels] if method_info(name).label_kinds == ("multi",) else labels


def space_of(name, classes, width):
    """A label space with a vocabulary: of classes, or of two words for numbers."""
    if method_info(name).label_kinds == ("continuous",):
        return replace(make_whole_space(0, 2, width, tokens=100), values=np.array([0.0, 1.0]))
    return make_whole_space(0, classes, width, tokens=100)


def peak(name, labeled, unlabeled, width, classes):
    """The most bytes that a fit holds beside its states, the largest solver of its matrices (width²) aside."""
    states, labels = labeled_states(name, labeled, classes, width)
    others = states if unlabeled == 0 else make_states(1, unlabeled, classes, width)[0]
    method = build_method(name, QUICK.get(name, {}), space_of(name, classes, width), 0)
    given = (states, labels, others) if method.needs_labels else (others, None, others)
    method.fit(*(given[0][:FEW], given[1] if given[1] is None else labels[:FEW]), given[2][:FEW])  # what is imported
    tracemalloc.start()
    try:
        method.fit(*given)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("width", "classes"), [(64, 3), (64, 40)])
@pytest.mark.parametrize("name", METHODS)
def test_a_fit_holds_no_more_than_its_method_states(name, width, classes, monkeypatch):
    monkeypatch.setattr("vocabsem.methods.knn_prompting.ENTRIES", 10_000)  # blocks of constant size
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 100_000)
    monkeypatch.setattr("vocabsem.methods.tip_adapter.ENTRIES", 10_000)
    monkeypatch.setattr("vocabsem.methods._solvers.nearest.ENTRIES", 10_000)
    info, aside = method_info(name), 12 * width**2 * 8 + 1_000_000

    def stated(info, labeled, unlabeled):
        return info.fit_bytes(labeled if info.needs_labels else 0, unlabeled, width, classes)

    assert peak(name, ROWS, 0, width, classes) <= stated(info, ROWS, ROWS) + aside
    assert peak(name, FEW, ROWS, width, classes) <= stated(info, FEW, ROWS) + aside


@pytest.mark.parametrize("name", [name for name in METHODS if method_info(name).block_columns is not None])
def test_texts_without_labels_are_read_in_blocks(name, monkeypatch):
    monkeypatch.setattr("vocabsem.blocks.BLOCK", 500_000)
    monkeypatch.setattr("vocabsem.methods._solvers.nearest.ENTRIES", 50_000)
    for module in ("vocabsem.blocks", "vocabsem.methods.info"):
        monkeypatch.setattr(f"{module}.HELD", 500_000)
    rows, width, classes, info = 8_000, 256, 3, method_info(name)
    held, copy = peak(name, FEW, rows, width, classes), 4 * rows * width
    assert held <= info.fit_bytes(FEW, rows, width, classes) + 12 * width**2 * 8 + 8_000_000  # matrices, blocks
    assert held < (0.5 if info.block_columns == 0 else 1.2) * copy


@pytest.mark.parametrize("name", METHODS)
def test_a_prediction_holds_no_more_than_a_plan_counts_on(name, monkeypatch):
    monkeypatch.setattr("vocabsem.methods.random_features.BLOCK", 200)
    monkeypatch.setattr("vocabsem.methods.tip_adapter.ENTRIES", 10_000)
    monkeypatch.setattr("vocabsem.methods._solvers.nearest.ENTRIES", 10_000)
    info, width, classes = method_info(name), 64, 3
    states, labels = labeled_states(name, FEW, classes, width)
    others = make_states(1, 4 * ROWS, classes, width)[0]
    settings = QUICK.get(name, {}) | PREDICTED.get(name, {})
    method = build_method(name, settings, space_of(name, classes, width), 0)
    method.fit(*((states, labels, states) if method.needs_labels else (states, None, states)))
    predict = method.predict if info.label_kinds == ("continuous",) else method.predict_proba
    predict(others[:FEW])
    tracemalloc.start()
    try:
        predict(others)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held <= BLOCKS * others.nbytes + 8_000_000
