"""A class added by its word: the chain rule over two fits, what is never read, and which methods can."""

import json

import numpy as np
import pytest

from tests.vocabsem.method_data import METHODS, make_states
from vocabsem.errors import CardError, DataError
from vocabsem.methods import LabelSpace, UnseenClasses, VocabularyCalibrator, check_params, method_info
from vocabsem.methods.persistence import from_arrays, to_arrays

CLASSES, D = 4, 16


def topics(seed=0, n=200, distance=6.0):
    """States around class means, labels, and a label space whose words lie at these means, but for some noise."""
    states, labels = make_states(seed, n=n, classes=CLASSES, d=D, distance=distance)
    far, of = make_states(99, n=4000, classes=CLASSES, d=D, distance=distance)
    means = np.stack([far[of == c].mean(axis=0) for c in range(CLASSES)])
    words = (means - means.mean(axis=0)) / far.std(axis=0)
    words += 0.5 * np.random.default_rng(1).standard_normal(words.shape)
    return states, labels, LabelSpace(words, words, np.zeros(CLASSES))


def shots(labels, each, classes):
    return np.concatenate([np.flatnonzero(labels == c)[:each] for c in classes])


@pytest.fixture(scope="module")
def data():
    states, labels, space = topics()
    tested, truth, _ = topics(1, n=400)
    rows = shots(labels, 8, range(CLASSES - 1))
    return states, labels, space, rows, tested, truth


def test_probabilities_follow_the_chain_rule(data):
    states, labels, space, rows, tested, _ = data
    result = UnseenClasses(space).fit(states[rows], labels[rows], unlabeled=states).predict_proba(tested)
    words = VocabularyCalibrator(space).fit(states)
    theirs = states[words.predict(states) != 3]
    seen = VocabularyCalibrator(LabelSpace(space.anchors[:3], space.head[:3], space.bias[:3]))
    of_seen = seen.fit(states[rows], labels[rows], unlabeled=theirs).predict_proba(tested)
    of_all = words.predict_proba(tested)
    np.testing.assert_allclose(result[:, 3], of_all[:, 3], atol=1e-12)
    np.testing.assert_allclose(result[:, :3], (1 - of_all[:, [3]]) * of_seen, atol=1e-12)


@pytest.mark.parametrize("estimator", method_info("unseen_classes").choices["estimator"])
def test_the_class_without_an_example_is_found_where_plain_fits_lose_it(data, estimator):
    states, labels, space, rows, tested, truth = data
    method = UnseenClasses(space, estimator=estimator)
    predicted = method.fit(states[rows], labels[rows], unlabeled=states).predict(tested)
    assert (predicted[truth == 3] == 3).mean() > 0.6
    assert (predicted == truth).mean() > 0.7
    ridge = METHODS["ridge"](space).fit(states[rows], labels[rows]).predict(tested)
    assert not (ridge == 3).any(), "a class that labels alone describe is never predicted without one"


def test_labels_of_the_others_are_of_use(data):
    states, labels, space, rows, tested, truth = data
    seen = truth != 3
    method = UnseenClasses(space).fit(states[rows], labels[rows], unlabeled=states)
    without = VocabularyCalibrator(space).fit(states)
    assert method.score(tested[seen], truth[seen]) >= without.score(tested[seen], truth[seen])


def test_rows_of_a_class_that_is_made_unseen_are_not_read(data):
    states, labels, space, *_, tested, _ = data
    rows = shots(labels, 8, range(CLASSES))
    method = UnseenClasses(space, unseen=1)
    first = method.fit(states[rows], labels[rows], unlabeled=states).predict_proba(tested)
    changed = states[rows] + 100 * (labels[rows] == 3)[:, None].astype(np.float32)
    second = method.fit(changed, labels[rows], unlabeled=states).predict_proba(tested)
    np.testing.assert_array_equal(first, second)
    assert method.seen_.tolist() == [0, 1, 2]


def test_any_class_may_be_without_an_example(data):
    states, labels, space, _, tested, truth = data
    rows = shots(labels, 8, [0, 2])
    method = UnseenClasses(space).fit(states[rows], labels[rows], unlabeled=states)
    assert method.seen_.tolist() == [0, 2]
    assert method.score(tested, truth) > 0.6


def test_where_every_class_has_examples_it_is_the_method_itself(data):
    states, labels, space, *_, tested, _ = data
    rows = shots(labels, 4, range(CLASSES))
    whole = UnseenClasses(space).fit(states[rows], labels[rows], unlabeled=states)
    plain = VocabularyCalibrator(space).fit(states[rows], labels[rows], unlabeled=states)
    np.testing.assert_allclose(whole.predict_proba(tested), plain.predict_proba(tested), atol=1e-12)


def test_layers_lie_side_by_side_and_a_stored_one_predicts_the_same(data):
    states, labels, space, rows, tested, _ = data
    both = np.hstack([states[:, ::-1], states])
    method = UnseenClasses(space, layers=2).fit(both[rows], labels[rows], unlabeled=both)
    arrays, metadata = to_arrays(method)
    again = from_arrays(arrays, json.loads(json.dumps(metadata)))
    wide = np.hstack([tested[:, ::-1], tested])
    np.testing.assert_array_equal(again.predict_proba(wide), method.predict_proba(wide))


def test_a_stored_one_cannot_name_a_file_whose_code_is_run(data, tmp_path):
    states, labels, space, rows, *_ = data
    arrays, metadata = to_arrays(UnseenClasses(space).fit(states[rows], labels[rows], unlabeled=states))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    evil = f"{tmp_path / 'evil.py'}:Evil"
    metadata["learned"]["described_"] = [
        json.dumps(json.loads(text) | {"method": evil}) for text in metadata["learned"]["described_"]
    ]
    from_arrays(arrays, metadata).predict(states)
    with pytest.raises(DataError):
        from_arrays(arrays, metadata | {"params": metadata["params"] | {"estimator": evil}})
    assert not (tmp_path / "ran").exists()


def test_the_methods_that_can_are_those_that_learn_from_labels_and_can_do_without():
    able = {name for name, method in METHODS.items() if method.needs_labels and method.works_without_labels}
    assert set(method_info("unseen_classes").choices["estimator"]) == able


def test_the_others_are_refused_by_name(data):
    states, labels, space, rows, *_ = data
    with pytest.raises(CardError, match="parameter estimator of method unseen_classes is 'ridge': choose vocabulary_"):
        check_params("unseen_classes", {"estimator": "ridge"})
    with pytest.raises(DataError, match="estimator 'ridge' knows no class by its word alone: choose vocabulary_calib"):
        UnseenClasses(space, estimator="ridge").fit(states[rows], labels[rows])


def test_two_classes_at_least_have_labels(data):
    states, labels, space, rows, *_ = data
    with pytest.raises(DataError, match=r"1 of 4 classes have labels \(unseen=3\): leave two at least"):
        UnseenClasses(space, unseen=3).fit(states[rows], labels[rows])


@pytest.mark.parametrize("estimator", method_info("unseen_classes").choices["estimator"])
def test_seen_classes_share_what_the_words_leave_to_them(data, estimator):
    states, labels, space, rows, tested, _ = data
    method = UnseenClasses(space, estimator=estimator).fit(states[rows], labels[rows], unlabeled=states)
    p = method.predict_proba(tested)
    of_words = METHODS[estimator](space).fit(states, unlabeled=states).predict_proba(tested)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(p[:, 3], of_words[:, 3], atol=1e-9)
    np.testing.assert_allclose(p[:, :3].sum(axis=1), of_words[:, :3].sum(axis=1), atol=1e-9)


def test_taking_labels_away_and_never_having_had_them_are_the_same(data):
    states, labels, space, _, tested, _ = data
    rows = shots(labels, 8, range(CLASSES))
    known = rows[labels[rows] < 2]
    taken = UnseenClasses(space, unseen=2).fit(states[rows], labels[rows], unlabeled=states)
    never = UnseenClasses(space).fit(states[known], labels[known], unlabeled=states)
    assert taken.seen_.tolist() == never.seen_.tolist() == [0, 1]
    np.testing.assert_array_equal(taken.predict_proba(tested), never.predict_proba(tested))
