"""The table of methods against their classes, and what a card may say of one."""

import numpy as np
import pytest

from tests.vocabsem.method_data import METHODS, make_space, make_states, make_whole_space
from vocabsem.errors import CardError
from vocabsem.methods import Method, TfidfProbe
from vocabsem.methods.adapters import AdapterTraining
from vocabsem.methods.info import info_of
from vocabsem.methods.registry import build_method, check_params, load_method, method_info, method_infos


@pytest.mark.parametrize("name", method_infos())
def test_each_entry_is_what_its_class_says(name):
    info, cls = method_info(name), load_method(name)
    result = info_of(cls, info.target)
    assert result == info
    assert [type(value) for value in result.params.values()] == [type(value) for value in info.params.values()]
    assert issubclass(cls, {"states": Method, "adapters": AdapterTraining, "texts": TfidfProbe}[info.family])
    assert {*info.choices, *info.positive} <= info.params.keys()
    assert all(info.params[key] in words for key, words in info.choices.items())
    assert info.takes_layers == ("layers" in info.params)


@pytest.mark.parametrize("name", method_infos())
def test_a_method_takes_its_defaults(name):
    check_params(name, method_info(name).params)


def test_what_a_class_inherits_is_its_own():
    assert method_info("batch_calibration").needs_labels is False
    assert method_info("batch_calibration").background == "train"
    assert method_info("domain_calibration").background == "domain_words"


LEARN_FROM_ANSWERS = {"em_dirichlet", "prototypical_calibration", "auto_verbalizer"}  # of the model to those texts
READ_TRAINING_TEXTS = [name for name in METHODS if method_info(name).background == "train"]


@pytest.mark.medium
@pytest.mark.parametrize("name", READ_TRAINING_TEXTS)
def test_methods_that_learn_from_unlabeled_texts_see_more_than_what_centers_and_scales(name):
    """Texts of the same answers, and the same mean and deviation in every column; columns vary together or apart."""
    X, y = make_states(n=30)
    few = {"epochs": 2} if name == "paper_calibrator" else {}
    space = make_whole_space() if method_info(name).reads_vocabulary else make_space()
    answering = 0 if name in LEARN_FROM_ANSWERS else 3  # columns that the vocabulary reads
    for words in (space, *([space.vocabulary] if space.vocabulary else [])):
        words.head[:, 3:] = words.anchors[:, 3:] = 0
    texts, _ = make_states(1, n=40)
    shuffled = np.random.default_rng(0).permuted(texts, axis=0)
    shuffled[:, :answering] = texts[:, :answering]
    one, other = (
        build_method(name, few, space, 0).fit(X, y, unlabeled=each).predict_proba(X) for each in (texts, shuffled)
    )
    assert bool(np.abs(one - other).max() > 1e-4) is method_info(name).learns_from_unlabeled


@pytest.mark.parametrize("name", ["zero_shot", "contextual_calibration", "domain_calibration", "pmi", "lora", "ia3"])
def test_methods_that_are_given_no_training_texts_learn_from_none(name):
    assert not method_info(name).learns_from_unlabeled


def test_refuses_with_the_nearest_name():
    with pytest.raises(CardError, match="did you mean 'linear_probe'") as raised:
        check_params("linear_prob", {})
    assert all(name in str(raised.value) for name in method_infos())
    with pytest.raises(CardError, match="known are none"):
        check_params("zero_shot", {"metric": "l2"})


@pytest.mark.parametrize("value", [-1, -0.5, float("inf"), float("nan")])
def test_numbers_that_no_parameter_can_be_are_refused(value):
    key = "epochs" if isinstance(value, int) else "learning_rate"
    with pytest.raises(CardError, match=f"parameter {key} of method paper_calibrator is {value}: give a finite number"):
        check_params("paper_calibrator", {key: value})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"step": 3}, "unknown parameter 'step' of method lora: did you mean 'steps'"),
        ({"steps": 0}, "parameter steps of method lora is 0: give a number above 0"),
        ({"steps": "60"}, "parameter steps of method lora is '60': expected int"),
        ({"learning_rates": [0.1, -1.0]}, "learning_rates .* give a finite number"),
        ({"learning_rates": [0.1, 0]}, "learning_rates .* give a number above 0"),
        ({"learning_rates": []}, "learning_rates .* expected a list of float, one at least"),
        ({"learning_rates": 0.1}, "expected a list of float"),
    ],
)
def test_adapters_are_checked_as_methods_over_states_are(params, message):
    with pytest.raises(CardError, match=message):
        check_params("lora", params)
    check_params("ia3", {"steps": 60, "learning_rates": [0.01, 1]})
