"""Submissions of other kinds of labels: several a text, ordered ones, the places of options, and numbers."""

import base64

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, brier_score_loss, cohen_kappa_score, f1_score, r2_score

from tasks.views.submission import make_submission
from tasks.views.submission_check import _compared
from tasks.views.submission_examples import check_examples
from tasks.views.submission_schema import Submission
from tests.tasks.views.recorded import CLASSES, record, rows, write_cards
from tests.tasks.views.test_submission import changed, checked, resealed
from vocabsem.datasets.example_hashes import example_hash
from warehouse.home import Home

EXACT = [{"method": "zero_shot", "scoring": "exact"}, {"method": "pmi", "scoring": "exact"}]


NANS = base64.b64encode(np.full(24, np.nan).tobytes()).decode()


def submitted(folder, kind, methods):
    plan, key = record(folder, ("given",), methods=methods, **{kind: ("given",)})
    return plan, make_submission(plan.home, key)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return submitted(tmp_path_factory.mktemp("several"), "several", ["multi_ridge"])


def decoded(unit):
    values = np.frombuffer(base64.b64decode(unit["probabilities"]), "<f4").reshape(24, 3)
    bits = np.unpackbits(np.frombuffer(base64.b64decode(unit["predicted"]), np.uint8))[:72].reshape(24, 3)
    return values, bits


def test_sets_of_labels_verify_and_are_those_of_the_source(several):
    _, content = several
    (dataset,) = content["datasets"]
    assert checked(content) == []
    assert dataset["labels"] == []
    assert [[CLASSES[i] for i in each] for each in dataset["label_sets"]] == [list(row["sets"]) for row in rows("test")]
    hashes = [example_hash({"text": row["text"]}, ", ".join(row["sets"])) for row in rows("test")]
    assert dataset["hashes"] == hashes


def test_the_metrics_of_sets_are_those_of_scikit_learn(several):
    _, content = several
    labels = np.array([[name in row["sets"] for name in CLASSES] for row in rows("test")])
    for fit in content["fits"]:
        for unit in fit["seeds"]:
            values, predicted = decoded(unit)
            np.testing.assert_array_equal(predicted, values >= np.float32(0.3))
            stated = unit["metrics"]
            assert set(stated) == {"accuracy", "macro_f1", "micro_f1", "nll", "brier"}
            assert stated["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
            for average in ("macro", "micro"):
                assert stated[f"{average}_f1"] == pytest.approx(f1_score(labels, predicted, average=average))
            each = [brier_score_loss(labels[:, c], values[:, c]) for c in range(3)]
            assert stated["brier"] == pytest.approx(np.mean(each), abs=1e-6)


@pytest.mark.parametrize("row", [0, 5, 23])
def test_a_set_predicted_against_its_probability_is_found_though_the_hash_was_made_anew(several, row):
    _, content = several
    values, predicted = decoded(content["fits"][0]["seeds"][0])
    forged = predicted.copy()
    forged[row, 1] ^= 1
    text = base64.b64encode(np.packbits(forged).tobytes()).decode()
    faults = checked(resealed(changed(content, ("fits", 0, "seeds", 0, "predicted"), text)))
    between = np.sort(values[:, 1])[::-1]
    crossing = values[row, 1] not in (between[predicted[:, 1].sum() - 1], between[predicted[:, 1].sum()])
    assert any("'pos' is predicted at a lower probability" in each for each in faults) == crossing
    assert faults


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("datasets", 0, "label_sets", 3), [0, 0], "example 3 has the labels [0, 0]: expected some of 0 to 2"),
        (("datasets", 0, "label_sets", 3), [3], "example 3 has the labels [3]"),
        (("datasets", 0, "label_sets", 1), [2], "stated 0."),
        (("datasets", 0, "label_sets"), None, "labels of given: stated 0, recomputed 24 examples"),
        (("fits", 0, "seeds", 0, "predicted"), None, "no Base64 of 24 × 3 bits (0 bytes, not 9)"),
        (("fits", 0, "seeds", 0, "predicted"), "AAA=", "no Base64 of 24 × 3 bits (2 bytes, not 9)"),
        (("fits", 0, "seeds", 0, "probabilities"), "?", "no Base64 of 24 × 3 numbers of 32 bits"),
    ],
)
def test_sets_that_are_none_are_named(several, path, value, fault):
    assert any(fault in each for each in checked(resealed(changed(several[1], path, value))))


def test_examples_of_sets_are_compared_with_the_home_and_with_the_card(several, tmp_path, monkeypatch):
    plan, content = several
    submission = Submission.model_validate(content)
    (here,) = check_examples(plan.home, submission, None)
    assert (here.note, here.faults) == ("24 test examples compared with this home's own", ())
    sets = content["datasets"][0]["label_sets"]
    other = changed(content, ("datasets", 0, "label_sets"), [*sets[:-1], [i for i in range(3) if i not in sets[-1]]])
    (forged,) = check_examples(plan.home, Submission.model_validate(other), None)
    assert forged.faults == ("1 of 24 test examples have other labels here, first in row 23",)
    (cards := tmp_path / "cards" / "datasets").mkdir(parents=True)
    write_cards(cards, ("given",), several=("given",), methods=["multi_ridge"])
    monkeypatch.setenv("VOCABSEM_CARDS", str(cards.parent))
    (there,) = check_examples(Home(tmp_path / "empty"), submission, None)
    assert (there.note, there.faults) == ("24 test examples compared with those of the card here", ())


def test_choices_verify_without_macro_f1_and_with_intervals_of_rows_at_large(tmp_path):
    _, content = submitted(tmp_path, "choices", EXACT)
    assert checked(content) == []
    labels = content["datasets"][0]["labels"]
    for fit in content["fits"]:
        assert "macro_f1" not in fit["metrics"]
        (unit,) = fit["seeds"]
        values = np.frombuffer(base64.b64decode(unit["probabilities"]), "<f4").reshape(24, 3)
        assert unit["metrics"]["accuracy"] == pytest.approx(accuracy_score(labels, values.argmax(1)))
    mean = content["fits"][0]["metrics"]["accuracy"]
    spread = (mean["value"] * (1 - mean["value"]) / 24) ** 0.5
    assert mean["high"] - mean["low"] == pytest.approx(2 * 1.96 * spread, abs=2 / 24), "steps of one row"


def test_ordered_labels_state_and_verify_kappa(tmp_path):
    _, content = submitted(tmp_path, "ordinal", ["zero_shot"])
    assert checked(content) == []
    (fit,) = content["fits"]
    values = np.frombuffer(base64.b64decode(fit["seeds"][0]["probabilities"]), "<f4").reshape(24, 3)
    kappa = cohen_kappa_score(content["datasets"][0]["labels"], values.argmax(1), weights="quadratic")
    assert fit["metrics"]["qwk"]["value"] == pytest.approx(kappa)
    forged = changed(content, ("fits", 0, "metrics", "qwk", "value"), kappa + 0.01)
    assert any("qwk" in each for each in checked(resealed(forged)))


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    return submitted(tmp_path_factory.mktemp("numbers"), "numbers", ["ridge_regression"])


def test_numbers_verify_and_their_metrics_are_those_of_the_libraries(numbers):
    _, content = numbers
    (dataset,) = content["datasets"]
    assert checked(content) == []
    assert dataset["labels"] == []
    truth = [row["worth"] for row in rows("test")]
    assert dataset["label_values"] == truth
    assert dataset["hashes"] == [example_hash({"text": row["text"]}, f"{row['worth']:g}") for row in rows("test")]
    for fit in content["fits"]:
        assert set(fit["metrics"]) == {"r2", "spearman", "rmse", "mae"}
        for unit in fit["seeds"]:
            values = np.frombuffer(base64.b64decode(unit["values"]), "<f8")
            assert unit["probabilities"] == ""
            assert unit["metrics"]["r2"] == pytest.approx(r2_score(truth, values))
            assert unit["metrics"]["spearman"] == pytest.approx(spearmanr(truth, values)[0])
            assert unit["metrics"]["mae"] == pytest.approx(np.abs(values - truth).mean())
        assert fit["metrics"]["r2"]["low"] < fit["metrics"]["r2"]["value"] < fit["metrics"]["r2"]["high"]


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("datasets", 0, "label_values", 1), 3.5, "r2: stated"),
        (("datasets", 0, "label_values"), None, "labels of given: stated 0, recomputed 24 examples"),
        (("fits", 0, "seeds", 0, "values"), None, "no Base64 of 24 numbers of 64 bits (0 bytes, not 192)"),
        (("fits", 0, "seeds", 0, "values"), NANS, "NaN or infinite"),
        (("fits", 0, "seeds", 0, "metrics", "rmse"), 0.0, "rmse: stated 0.0"),
    ],
)
def test_numbers_that_are_none_or_others_are_named(numbers, path, value, fault):
    faults = checked(resealed(changed(numbers[1], path, value)))
    assert any(fault in each for each in faults), faults


def test_metrics_in_a_large_unit_are_compared_relatively(numbers):
    _, content = numbers
    rmse = content["fits"][0]["seeds"][0]["metrics"]["rmse"]
    near = changed(content, ("fits", 0, "seeds", 0, "metrics", "rmse"), rmse * (1 + 1e-11))
    assert checked(resealed(near)) == []
    assert [str(e) for e in _compared("r", {"rmse": 1e9}, {"rmse": 1e9 + 0.1})] == []
    assert len(list(_compared("r", {"rmse": 1e9}, {"rmse": 1e9 + 10}))) == 1
    for none in (float("inf"), float("nan")):
        assert len(list(_compared("r", {"rmse": 0.01}, {"rmse": none}))) == 1, "nothing is verified by no number"


def test_examples_with_numbers_are_compared_with_the_home(numbers):
    plan, content = numbers
    (here,) = check_examples(plan.home, Submission.model_validate(content), None)
    assert (here.note, here.faults) == ("24 test examples compared with this home's own", ())
    values = content["datasets"][0]["label_values"]
    other = changed(content, ("datasets", 0, "label_values"), [values[0] + 1, *values[1:]])
    (forged,) = check_examples(plan.home, Submission.model_validate(other), None)
    assert forged.faults == ("1 of 24 test examples have other labels here, first in row 0",)
