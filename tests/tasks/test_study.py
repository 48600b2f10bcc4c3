"""What a study publishes: items, then figures, with intervals and nulls apart; nothing that is not finite."""

from types import SimpleNamespace

import pytest

from tasks import study
from tasks.steps.step import Step
from tasks.steps.study_specs import StudyItemsSpec, StudyValuesSpec
from vocabsem.instruments.base import Item, StudyResult, Value
from warehouse.errors import CheckFailed
from warehouse.home import Home
from warehouse.lake.partition import Lake

WHERE = {"study": "lexicon", "card": "mine", "model": "tiny"}
VALUE = Value("simlex", 3, "state", "spearman", 0.5, (0.25, 0.75), (-0.125, 0.125), 9)
ITEM = Item("pairs", None, 1, -0.5, "a, b")


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Publishes what an instrument is made to find, with the seed 7; returns the lake and the steps."""

    def run(*values, items=(ITEM,), files=None, notes=()):
        measured = SimpleNamespace(measure=lambda inputs: StudyResult(values, items, files or {}, notes))
        monkeypatch.setattr(study, "import_module", {"tasks.studies.lexicon": measured}.__getitem__)
        fixed = {"states": {}, "words": {}, "word_tokens": {}, "hashes": {}, "templates": {}, "params": {}}
        numbers = {"layers": (3,), "max_tokens": 8, "seed": 7, "resamples": 100, "null_draws": 20, "revision": 1}
        spec = StudyItemsSpec(
            **WHERE, digest="a" * 64, anchors="b" * 64, pooling="last", dtype="float32", **fixed, **numbers
        )
        listed = Step(spec)
        step = Step(StudyValuesSpec(**WHERE, study_items=listed.key))
        home = Home(tmp_path / "home")
        assert study.run_study.fn(home, SimpleNamespace(), [], {}, listed, step, "cpu") == step.key
        return Lake(home), listed, step

    return run


def test_a_row_has_the_ends_of_interval_and_null_and_the_seed(publish):
    lake, _, step = publish(VALUE)
    (row,) = step.partition(lake).table().to_pylist()
    names = {"unit": "simlex", "layer": 3, "variant": "state", "metric": "spearman"}
    numbers = {"value": 0.5, "low": 0.25, "high": 0.75, "null_low": -0.125, "null_high": 0.125, "n": 9, "seed": 7}
    assert row == names | numbers
    (manifest,) = lake.manifests("study_values")
    assert manifest.facts["seconds"] >= 0


def test_what_was_left_out_is_a_fact_of_the_values(publish):
    lake, _, _ = publish(VALUE, notes=(("days", "left out: few"),))
    (manifest,) = lake.manifests("study_values")
    assert manifest.facts["notes"] == [["days", "left out: few"]]


def test_items_are_stored_with_them_and_may_be_none(publish):
    lake, listed, step = publish(VALUE)
    assert listed.partition(lake).table().to_pylist() == [
        {"item": "pairs", "layer": None, "rank": 1, "score": -0.5, "text": "a, b"}
    ]
    assert step.inputs == {"study_items": listed.key}


def test_a_study_without_items_publishes_an_empty_table(publish):
    lake, listed, _ = publish(VALUE, items=())
    assert listed.partition(lake).table().schema.names == ["item", "layer", "rank", "score", "text"]


@pytest.mark.parametrize("changed", [{"value": float("nan")}, {"interval": (0.1, float("inf"))}])
def test_figures_that_are_not_finite_are_not_published(publish, tmp_path, changed):
    with pytest.raises(CheckFailed, match="1 of 10 values, ends of intervals and of nulls are not"):
        publish(VALUE, Value(**{**vars(VALUE), **changed}))
    assert not list(Lake(Home(tmp_path / "home")).manifests("study_values"))


def test_files_lie_with_the_items_and_are_no_rows_of_them(publish):
    lake, listed, _ = publish(VALUE, files={"topk-layer-3.safetensors": b"weights"})
    partition = listed.partition(lake)
    assert partition.file("topk-layer-3.safetensors").read_bytes() == b"weights"
    assert [entry.name for entry in partition.manifest().files] == ["part-0.parquet", "topk-layer-3.safetensors"]
    assert partition.manifest().rows == len(partition.table()) == 1
    partition.verify()
