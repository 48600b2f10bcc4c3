"""What is set against what: our calibrator against each rival, and each method's vectors against one another."""

import pytest

from flows.planning.contrasts import ORDER, contrasts
from flows.planning.experiment import MethodSpec
from tests.vocabsem.method_data import make_space
from vocabsem.methods import VocabularyCalibrator


def spec(method, control=False, label="", **params):
    return MethodSpec(method=method, params=params, control=control, label=label)


OURS = spec("vocabulary_calibrator")
DEFAULT = VocabularyCalibrator(make_space()).targets


def contrasts_of(specs, question):
    return [(method, reference) for kind, method, reference in contrasts(specs) if kind == question]


def test_every_other_method_is_a_rival_of_the_first_entry_with_default_targets():
    small = spec("vocabulary_calibrator", layers=2)
    specs = [spec("linear_probe", control=True), spec("vocabulary_calibrator", targets="random"), OURS, small]
    rivals = contrasts_of(specs, "rival")
    assert rivals == [(s.name, "vocabulary_calibrator") for s in specs if s is not OURS]
    assert {reference for _, reference in contrasts_of([small, OURS], "rival")} == {small.name}
    named = spec("vocabulary_calibrator", targets=DEFAULT, label="ours")
    assert contrasts_of([spec("centroid"), named], "rival") == [("centroid", "ours")]


@pytest.mark.parametrize("specs", [[], [OURS], [spec("centroid"), spec("linear_probe")]], ids=str)
def test_without_ours_or_without_a_rival_there_is_nothing_to_compare(specs):
    assert contrasts(specs) == []


def test_a_model_that_is_changed_is_a_rival_too_and_so_is_one_that_is_shown_examples():
    shown = MethodSpec(method="zero_shot", demonstrations=4)
    rivals = contrasts_of([spec("lora"), shown, OURS], "rival")
    assert rivals == [("lora", OURS.name), ("zero_shot+demos-4", OURS.name)]


def test_variants_are_shown_the_same_examples():
    shown = MethodSpec(method="anchor_similarity", demonstrations=4)
    other = MethodSpec(method="anchor_similarity", params={"targets": "random"}, demonstrations=2)
    assert contrasts([shown, other]) == []
    same = other.model_copy(update={"demonstrations": 4})
    assert contrasts([shown, same]) == [("anchors over random", shown.name, same.name)]


def test_a_control_alone_is_no_reference():
    assert contrasts_of([spec("vocabulary_calibrator", targets="random"), spec("centroid")], "rival") == []


def test_vectors_are_compared_where_nothing_else_differs():
    random, head = (spec("paper_calibrator", targets=kind) for kind in ("random", "head"))
    theirs = spec("paper_calibrator")
    specs = [random, head, theirs, spec("paper_calibrator", targets="random", epochs=9), spec("zero_shot")]
    assert contrasts(specs) == [
        ("anchors over head", theirs.name, head.name),
        ("anchors over random", theirs.name, random.name),
        ("head over random", head.name, random.name),
    ]


def test_our_default_comes_first():
    random, head = (spec("vocabulary_calibrator", targets=kind) for kind in ("random", "head"))
    assert contrasts_of([random, OURS], f"{DEFAULT} over random") == [(OURS.name, random.name)]
    assert contrasts_of([head, random], "head over random") == [(head.name, random.name)]
    assert set(VocabularyCalibrator.choices["targets"]) <= set(ORDER)


def test_any_method_with_a_choice_of_vectors_has_them_compared():
    for method in ("paper_calibrator", "anchor_similarity"):
        specs = [spec(method, label="named", control=True), spec(method, targets="random")]
        assert contrasts(specs) == [("anchors over random", "named", f"{method}+random")]


def test_of_choices_every_scoring_is_set_against_the_first_of_the_card():
    first, *others = specs = [
        MethodSpec(method=method, scoring=scoring)
        for method, scoring in (("zero_shot", "exact_mean"), ("zero_shot", "exact"), ("pmi", "exact"))
    ]
    assert contrasts(specs, choices=True) == [("rival", each.name, first.name) for each in others]
    assert contrasts([first], choices=True) == []
    assert contrasts(specs) == [], "of label words there is our calibrator, or nothing"
