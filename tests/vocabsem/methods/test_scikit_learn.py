"""The estimators in scikit-learn: its own checks, pipelines, searches, clones."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from tests.vocabsem.method_data import METHODS
from vocabsem.errors import DataError
from vocabsem.methods import LabelSpace, RidgeProbe, VocabularyCalibrator
from vocabsem.methods.persistence import to_arrays

ALONE = [method for method in METHODS.values() if not method.needs_space]
BOUND = [method for method in METHODS.values() if method.needs_space]
# Of scikit-learn's checks, those that fit no data of their own. The others bring data of several widths and numbers of
# classes, and an estimator that compares states with label words has the width and the classes of its label space.
UNBOUND = {
    *("check_estimator_cloneable", "check_estimator_repr", "check_estimator_tags_renamed", "check_estimators_unfitted"),
    *("check_do_not_raise_errors_in_init_or_set_params", "check_parameters_default_constructible", "check_mixin_order"),
    *("check_get_params_invariance", "check_set_params", "check_valid_tag_types", "check_fit1d"),
    "check_supervised_y_no_nan",
}
# Two equal rows are not one of twice the weight where rows are left out: as in scikit-learn's RidgeCV.
UNEQUAL = "check_sample_weight_equivalence_on_dense_data"
REASON = "a label space fixes the number of columns and of classes; this check fits data of another"


def space(rng, classes=3, width=8):
    return LabelSpace(rng.normal(size=(classes, width)), rng.normal(size=(classes, width)), np.zeros(classes))


@pytest.fixture
def data():
    """States of three classes that lie apart, and the label space whose anchors are their centers."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 8)) * 2
    labels = np.arange(150) % 3
    return centers[labels] + rng.normal(size=(150, 8)), labels, LabelSpace(centers, centers, np.zeros(3))


@pytest.mark.medium
@pytest.mark.parametrize("method", ALONE)
def test_methods_without_a_vocabulary_pass_every_check(method):
    expected = {UNEQUAL: "penalties are chosen on rows left out"} if method.takes_sample_weight else {}
    results = check_estimator(method(), expected_failed_checks=expected, on_skip=None, on_fail=None)
    failed = {result["check_name"]: str(result["exception"]) for result in results if result["status"] == "failed"}
    assert not failed
    skipped = [result["check_name"] for result in results if result["status"] == "skipped"]
    assert skipped in ([], ["check_array_api_input"]), "which asks for a variable of scipy's"
    assert len(results) > 50


@pytest.mark.parametrize("method", BOUND)
def test_methods_with_a_vocabulary_pass_those_that_bring_no_data_of_their_own(method):
    estimator = method(space(np.random.default_rng(0)))
    names = {getattr(check, "func", check).__name__ for _, check in estimator_checks_generator(estimator, legacy=True)}
    assert names >= UNBOUND
    expected = dict.fromkeys(names - UNBOUND, REASON)
    results = check_estimator(estimator, expected_failed_checks=expected, on_skip=None, on_fail=None)
    status = {result["check_name"]: result["status"] for result in results}
    assert {name for name in UNBOUND if status[name] != "passed"} == set()


@pytest.mark.parametrize("method", BOUND)
def test_methods_with_a_vocabulary_say_that_they_need_one(method):
    with pytest.raises(DataError, match=f"{method.name} compares states with label words: give it a label space"):
        method(None).fit(np.zeros((4, 3)), [0, 1, 0, 1])


@pytest.mark.parametrize("method", [method for method in ALONE if "nominal" in method.label_kinds])
def test_without_a_label_space_the_classes_are_those_of_y(method, data):
    states, labels, label_space = data
    names = np.array(["world", "arts", "sport"])[labels]
    alone, bound = method().fit(states, names), method(label_space).fit(states, labels)
    assert alone.classes_.tolist() == ["arts", "sport", "world"]
    assert (alone.predict(states) == names).mean() > 0.9
    order = [1, 2, 0]  # of the label space's classes in that of their names
    np.testing.assert_allclose(alone.predict_proba(states), bound.predict_proba(states)[:, order], atol=2e-3)
    with pytest.raises(DataError, match="has no label space, which is stored with it"):
        to_arrays(alone)


def test_a_bad_state_is_a_value_error_and_our_own(data):
    states, labels, label_space = data
    for error in (ValueError, DataError):
        with pytest.raises(error, match=r"expected \(N, 8\)"):
            RidgeProbe(label_space).fit(states[:, :5], labels)
        with pytest.raises(error, match="hold 1 class"):
            RidgeProbe().fit(states, np.zeros(len(states), int))


@pytest.mark.parametrize("method", METHODS.values())
def test_a_clone_has_the_parameters_and_nothing_learned(method, data):
    estimator = method(data[2])
    copy = clone(estimator)
    assert copy.get_params(deep=False).keys() == estimator.get_params(deep=False).keys()
    assert copy.space.anchors.tolist() == estimator.space.anchors.tolist()
    assert not [name for name in vars(copy) if name.endswith("_")]
    assert f"{copy}".startswith(method.__name__)


def test_a_search_finds_the_parameter_that_a_loop_finds(data):
    states, labels, label_space = data
    grid = {"ridge__space": [None], "ridge__layers": [1], "scale__with_std": [True, False]}
    search = GridSearchCV(Pipeline([("scale", StandardScaler()), ("ridge", RidgeProbe())]), grid, cv=3).fit(
        states, labels
    )
    means = [
        cross_val_score(make_pipeline(StandardScaler(with_std=on), RidgeProbe()), states, labels, cv=3).mean()
        for on in (True, False)
    ]
    assert search.cv_results_["mean_test_score"].tolist() == pytest.approx(means)
    assert search.best_estimator_.predict_proba(states).shape == (150, 3)

    ours = GridSearchCV(VocabularyCalibrator(label_space), {"rounds": [0, 5], "targets": ["both", "random"]}, cv=3)
    ours.fit(states, labels)
    assert ours.best_score_ > 0.9
    assert set(ours.cv_results_["rank_test_score"]) <= {1, 2, 3, 4}
    assert ours.score(states, labels) == (ours.predict(states) == labels).mean()
