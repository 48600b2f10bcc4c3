"""What every method promises, held by each of them."""

import functools
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import accuracy_score

from tests.vocabsem.method_data import CLASSES, METHODS, D, make_space, make_states, make_whole_space
from vocabsem.errors import CardError, DataError
from vocabsem.label_space import Vocabulary
from vocabsem.methods import LabelSpace, build_method
from vocabsem.methods.persistence import from_arrays, to_arrays
from vocabsem.methods.registry import check_params

FAST = {"paper_calibrator": {"epochs": 3}}
LABELED = [name for name, method in METHODS.items() if method.needs_labels]
CLUSTERS = {"gaussian_em", "transclip", "unseen_classes"}  # find among texts a class that no label names
STAYS = {"head_tuning", "state_optimization", "linc", "transclip"}  # not far from the answer of a model, here noise
every_method = pytest.mark.parametrize("name", METHODS)
labeled_method = pytest.mark.parametrize("name", LABELED)


def build(name, seed=0, space=None, **params):
    return build_method(name, FAST.get(name, {}) | params, space or make_whole_space(), seed)


def fitted(name, seed=0, **params):
    states, labels = make_states()
    return build(name, seed, **params).fit(states, labels, unlabeled=states)


@functools.cache
def fitted_once(name):
    """For tests that only look at it."""
    return fitted(name)


def with_(attribute):
    return {name for name in METHODS if getattr(METHODS[name], attribute)}


def test_what_each_says_of_itself():
    calibrations = {"contextual_calibration", "domain_calibration", "batch_calibration", "pmi"}
    assert list(METHODS) == [
        "zero_shot",
        "anchor_similarity",
        "paper_calibrator",
        "vocabulary_calibrator",
        "centroid",
        "k_neighbors",
        "linear_probe",
        "ridge",
        "ordinal_ridge",
        "unseen_classes",
        "contextual_calibration",
        "domain_calibration",
        "batch_calibration",
        "knn_prompting",
        "head_tuning",
        "state_optimization",
        "gda_prior",
        "tip_adapter",
        "lp_plus_plus",
        "clap",
        "ridge_prior",
        "gaussian_em",
        "ridge_self_training",
        "probe_self_training",
        "em_dirichlet",
        "transclip",
        "prototypical_calibration",
        "label_spreading",
        "linc",
        "auto_verbalizer",
        "pmi",
        "kernel_svc",
        "whitened_centroid",
        "random_features",
    ]
    assert METHODS.keys() - with_("needs_labels") == {
        *("zero_shot", "anchor_similarity", "prototypical_calibration", "auto_verbalizer"),
        *calibrations,
    }
    # what draws more than random targets in fit, so that seeds differ also where all labels are seen
    assert with_("trains") == {
        *("paper_calibrator", "linear_probe", "knn_prompting", "head_tuning"),
        *("probe_self_training", "prototypical_calibration", "kernel_svc", "random_features"),
    }
    assert with_("trains") == {name for name in METHODS if METHODS[name].takes_random_state} - {
        "anchor_similarity",
        "vocabulary_calibrator",
        "ordinal_ridge",
    }
    assert with_("reads_vocabulary") == {"knn_prompting", "auto_verbalizer"}
    assert with_("reads_label_logits_alone") == {"zero_shot", "prototypical_calibration", "linc", *calibrations}
    backgrounds = {name: METHODS[name].background for name in METHODS if METHODS[name].background != "train"}
    assert backgrounds == {
        "zero_shot": "none",
        "contextual_calibration": "content_free",
        "domain_calibration": "domain_words",
        "pmi": "content_free",
    }


@every_method
@given(seed=st.integers(0, 1000), n=st.integers(1, 40))
@settings(max_examples=10, deadline=None)
def test_probabilities(name, seed, n):
    estimator = fitted_once(name)
    states, _ = make_states(seed, n)
    probabilities = estimator.predict_proba(states)
    assert probabilities.shape == (n, CLASSES)
    assert probabilities.dtype == np.float64
    assert np.allclose(probabilities.sum(1), 1, atol=1e-12)
    assert probabilities.min() >= 0
    assert np.array_equal(estimator.predict(states), probabilities.argmax(1))


@every_method
def test_no_states_no_predictions(name):
    assert fitted_once(name).predict_proba(np.empty((0, D))).shape == (0, CLASSES)


@every_method
def test_same_seed_same_bytes(name):
    states, _ = make_states(1)
    first, second = (fitted(name, seed=3).predict_proba(states).tobytes() for _ in range(2))
    assert first == second


@every_method
def test_the_global_generators_are_left_alone(name):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    fitted(name).predict_proba(make_states(1)[0])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


@every_method
def test_the_input_is_left_alone(name):
    states, labels = make_states()
    kept = states.copy(), labels.copy()
    states.flags.writeable = labels.flags.writeable = False
    build(name).fit(states, labels, unlabeled=states).predict_proba(states)
    assert np.array_equal(states, kept[0])
    assert np.array_equal(labels, kept[1])


@every_method
def test_scikit_learn_can_clone_it(name):
    estimator = fitted_once(name)
    copy = clone(estimator)
    params, again = estimator.get_params(), copy.get_params()
    assert {k: v for k, v in params.items() if k != "space"} == {k: v for k, v in again.items() if k != "space"}
    assert not hasattr(copy, "classes_")
    assert "LabelSpace(classes=3, d=16)" in repr(estimator)
    states, labels = make_states()
    assert copy.fit(states, labels).score(states, labels) == accuracy_score(labels, copy.predict(states))


@labeled_method
def test_a_class_without_examples_keeps_its_column(name):
    states, labels = make_states(absent=[1])
    longer = {"epochs": 30} if name == "paper_calibrator" else {}
    estimator = build(name, **longer).fit(states, labels)
    probabilities = estimator.predict_proba(states)
    assert np.array_equal(estimator.classes_, [0, 1, 2])
    assert probabilities.shape == (90, CLASSES)
    assert np.isfinite(probabilities).all()
    if name not in CLUSTERS:
        assert (estimator.predict(states) != 1).mean() > 0.9


@pytest.mark.parametrize("name", [name for name in LABELED if name not in STAYS])
def test_better_than_chance_on_separate_classes(name):
    states, labels = make_states(n=240, distance=8)
    estimator = build(name, **({"epochs": 30} if name == "paper_calibrator" else {})).fit(states[:120], labels[:120])
    assert estimator.score(states[120:], labels[120:]) > 0.6  # a third by chance


@labeled_method
def test_labels_in_another_order_give_the_same_classes(name):
    """Rows may come in any order; what is learned from them is the same up to rounding and shuffling."""
    states, labels = make_states(distance=8)
    order = np.random.default_rng(0).permutation(len(labels))
    first = build(name).fit(states, labels).predict(states)
    second = build(name).fit(states[order], labels[order]).predict(states)
    assert (first == second).mean() > 0.9


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "needs labels"),
        (np.zeros(90, int), "hold 1 class, expected two at least"),
        (np.arange(90) % 4, "labels run from 0 to 3, expected 0 to 2"),
        (np.arange(90) % 3 - 1, "labels run from -1"),
        (np.arange(90) % 3 + 0.5, "expected \\(90,\\) integers"),
        (np.arange(89) % 3, "labels \\(89,\\)"),
    ],
)
@labeled_method
def test_refuses_labels(name, labels, message):
    if labels is None and METHODS[name].works_without_labels:
        return
    with pytest.raises(DataError, match=f"^{name}.*{message}"):
        build(name).fit(make_states()[0], labels)


@every_method
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_states_that_are_not_finite(name, value):
    states, labels = make_states()
    estimator = fitted_once(name)
    states[4, 2] = value
    with pytest.raises(DataError, match=f"{name}: states hold NaN or infinite values, first in row 4"):
        build(name).fit(states, labels)
    with pytest.raises(DataError, match="row 4"):
        build(name).fit(make_states()[0], labels, unlabeled=states)
    with pytest.raises(DataError, match="row 4"):
        estimator.predict_proba(states)


@every_method
def test_refuses_other_widths(name):
    states, labels = make_states()
    estimator = fitted_once(name)
    with pytest.raises(DataError, match=r"shape \(90, 15\), expected \(N, 16\)"):
        estimator.predict_proba(states[:, 1:])
    with pytest.raises(DataError, match=r"shape \(90,\)"):
        estimator.predict_proba(states[:, 0])
    with pytest.raises(DataError, match="expected"):
        build(name).fit(states, labels, unlabeled=states[:, 1:])
    if METHODS[name].fixed_width:
        with pytest.raises(DataError, match=r"expected \(N, 16\)"):
            build(name).fit(states[:, 1:], labels)


@every_method
def test_stored_and_read_to_the_bit(name):
    states, _ = make_states(1)
    estimator = fitted(name, space=make_whole_space(softcap=None if name == "knn_prompting" else 5.0, scale=0.5))
    arrays, metadata = to_arrays(estimator)
    again = from_arrays(
        {key: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) for key, a in arrays.items()},
        json.loads(json.dumps(metadata, allow_nan=False)),
    )
    assert type(again) is type(estimator)
    assert again.predict_proba(states).tobytes() == estimator.predict_proba(states).tobytes()
    assert all(array.flags.c_contiguous for array in arrays.values())
    if hasattr(estimator, "transform"):
        assert again.transform(states).tobytes() == estimator.transform(states).tobytes()


@every_method
def test_persistence_refuses_a_method_that_lacks_what_fit_learns(name):
    arrays, metadata = to_arrays(fitted_once(name))
    assert not [key for key in arrays if "vocabulary" in key]
    learned = {key.removeprefix("learned.").partition("/")[0] for key in arrays if key.startswith("learned.")}
    for lost in learned | metadata["learned"].keys():
        kept = {key: array for key, array in arrays.items() if key.partition("/")[0] != f"learned.{lost}"}
        plain = {key: value for key, value in metadata["learned"].items() if key != lost}
        with pytest.raises(DataError, match=f"stored {name} lacks {lost}: fit it again"):
            from_arrays(kept, metadata | {"learned": plain})
    for part in [key for key in arrays if "/" in key]:
        with pytest.raises(DataError, match=f"stored {name} cannot predict"):
            from_arrays({key: array for key, array in arrays.items() if key != part}, metadata)


def test_persistence_refuses_what_it_did_not_write():
    with pytest.raises(DataError, match="zero_shot is not fitted"):
        to_arrays(build("zero_shot"))
    careless = fitted("centroid")
    careless.length_ = 1.0
    with pytest.raises(DataError, match="learns 'length_', not annotated in its class: add length_: TYPE"):
        to_arrays(careless)
    arrays, metadata = to_arrays(fitted("centroid"))
    for spoiled in (
        metadata | {"method": "svm"},
        metadata | {"params": {"metrik": "l2"}},
        {key: value for key, value in metadata.items() if key != "space"},
    ):
        with pytest.raises(DataError, match="cannot be read"):
            from_arrays(arrays, spoiled)
    for name in ("predict", "coef_", "_hidden_"):
        with pytest.raises(DataError, match=f"holds '{name}', which fit does not learn"):
            from_arrays(arrays | {f"learned.{name}": np.zeros(1)}, metadata)
    with pytest.raises(DataError, match="stored centroid cannot predict"):
        from_arrays(arrays | {"learned.mean_": np.zeros(D + 1, np.float32)}, metadata)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("centriod", {}, "unknown method 'centriod': did you mean 'centroid'?"),
        ("centroid", {"metrics": "l2"}, "unknown parameter 'metrics' of method centroid: did you mean 'metric'?"),
        ("zero_shot", {"x": 1}, "unknown parameter 'x' of method zero_shot"),
        ("centroid", {"metric": "dot"}, "parameter metric of method centroid is 'dot': choose cosine, l2"),
        ("anchor_similarity", {"targets": "rows"}, "choose anchors, head, random"),
        ("k_neighbors", {"n_neighbors": "many"}, "parameter n_neighbors of method k_neighbors is 'many': expected int"),
        ("k_neighbors", {"n_neighbors": True}, "expected int"),
        ("vocabulary_calibrator", {"random_state": 3}, "unknown parameter 'random_state'"),
        ("vocabulary_calibrator", {"space": 3}, "unknown parameter 'space'"),
    ],
)
def test_refuses_unknown_names(name, params, message):
    with pytest.raises(CardError, match=message.replace("?", r"\?")):
        check_params(name, params)
    with pytest.raises(CardError):
        build_method(name, params, make_space(), 0)


def test_whole_numbers_serve_as_floats():
    assert build("k_neighbors", smoothing=1).smoothing == 1


@pytest.mark.parametrize("name", sorted(with_("reads_vocabulary")))
def test_asks_for_the_vocabulary_where_it_is_needed(name):
    with pytest.raises(DataError, match=f"{name} compares with every token: give its label space a vocabulary"):
        build(name, space=make_space()).fit(*make_states())


def test_vocabulary_refuses():
    rows, bias = np.ones((5, 4), np.float32), np.zeros(5, np.float32)
    with pytest.raises(DataError, match=r"anchors \(4, 4\): expected \(V, d\), \(V,\) and \(V, d\)"):
        Vocabulary(rows, bias, rows[1:], [[0], [1]])
    for ids in ([[0], []], [[0], [5]], [[0], [1, -1]]):
        with pytest.raises(DataError, match="expected one at least per class, from 0 to 4"):
            Vocabulary(rows, bias, rows, ids)
    with pytest.raises(DataError, match="2 label words, in a label space of width 4 with 3"):
        LabelSpace(rows[:3], rows[:3], bias[:3], vocabulary=Vocabulary(rows, bias, rows, [[0], [1]]))


def test_label_space_refuses():
    a = np.ones((3, 4), np.float32)
    with pytest.raises(DataError, match=r"bias \(2,\): expected \(C, d\), \(C, d\) and \(C,\)"):
        LabelSpace(a, a, np.zeros(2, np.float32))
    with pytest.raises(DataError, match="one class"):
        LabelSpace(a[:1], a[:1], np.zeros(1, np.float32))
    with pytest.raises(DataError, match="infinite head"):
        LabelSpace(a, a * np.inf, np.zeros(3, np.float32))
