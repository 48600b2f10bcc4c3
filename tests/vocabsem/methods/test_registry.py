"""What is read from the sources against what the classes say when they are imported."""

from dataclasses import fields
from inspect import signature

import pytest

from vocabsem.errors import CardError
from vocabsem.methods import METHODS
from vocabsem.methods.registry import Declared, check_params, declared


def test_the_methods_are_those_of_the_package():
    assert declared().keys() == METHODS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_each_is_read_as_it_is(name):
    for attribute in (field.name for field in fields(Declared) if field.name != "params"):
        assert getattr(declared()[name], attribute) == getattr(METHODS[name], attribute), attribute
    constructor = signature(METHODS[name]).parameters.values()
    params = {p.name: p.default for p in constructor if p.name not in ("space", "seed")}
    assert dict(declared()[name].params) == params
    assert [type(value) for value in declared()[name].params.values()] == [type(value) for value in params.values()]


def test_what_a_class_inherits_is_its_own():
    assert declared()["batch_calibration"].needs_labels is False
    assert declared()["batch_calibration"].background == "train"
    assert declared()["domain_calibration"].background == "domain_words"


def test_refuses_with_the_nearest_name():
    with pytest.raises(CardError, match="did you mean 'linear_probe'"):
        check_params("linear_prob", {})
    with pytest.raises(CardError, match="choose one of none"):
        check_params("zero_shot", {"metric": "l2"})


@pytest.mark.parametrize("value", [-1, -0.5, float("inf"), float("nan")])
def test_numbers_that_no_parameter_can_be_are_refused(value):
    key = "epochs" if isinstance(value, int) else "learning_rate"
    with pytest.raises(CardError, match=f"parameter {key} of method paper_calibrator is {value}: give a finite number"):
        check_params("paper_calibrator", {key: value})
