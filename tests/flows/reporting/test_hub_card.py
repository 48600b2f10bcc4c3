"""The card for the hub, read by huggingface_hub's own parser."""

import pytest
import yaml
from huggingface_hub import ModelCard

from flows.reporting.hub_card import _license, _on_hub, hub_card
from flows.reporting.report import latest_run
from tests.tasks.views.recorded import record
from vocabsem.errors import BadInput
from warehouse.catalog import reads


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return record(tmp_path_factory.mktemp("carded"), datasets=("made", "other"))[0].home


@pytest.fixture(scope="module")
def card(home):
    return ModelCard(hub_card(home, latest_run(home, "tiny")))


def test_its_results_are_those_of_the_champions(home, card):
    run = reads.latest_run(home, "tiny")["key"]
    best = {row["dataset"]: row for row in reads.best_by_validation(home, run) if row["champion_rank"] == 1}
    scores = {row["key"]: row for row in reads.run_scores(home, run)}
    results = {(each.dataset_name, each.metric_type): each for each in card.data.eval_results}
    assert len(card.data.eval_results) == len(results) == 4
    for dataset, row in best.items():
        f1, accuracy = results[dataset, "f1"], results[dataset, "accuracy"]
        assert f1.metric_value == row["macro_f1"]
        assert f1.metric_args == {"average": "macro"}
        assert accuracy.metric_value == scores[row["key"]]["accuracy"]
        assert (f1.task_type, f1.dataset_split, f1.dataset_type) == ("text-classification", "test", dataset)
        assert f1.dataset_args["method"] == row["method"] != "linear_probe", "no control"
        assert f1.dataset_args["shots"] == row["shots"]
        assert f1.dataset_args["run"] == run


def test_its_metadata_are_names_of_the_hub(card):
    assert card.data.base_model == ["made/model"]
    assert card.data.license == "mit"
    assert card.data.library_name == "vocabsem"
    assert card.data.get("datasets") is None, "local files are on no hub"
    assert yaml.safe_load(card.data.to_yaml())["model-index"][0]["name"] == "vocabsem-tiny"


def test_its_text_states_table_protocol_use_and_licenses(card):
    for part in ("# tiny", "| data set | model | method |", "protocol 1 but for datasets", "## Use", "- made: CC0-1.0"):
        assert part in card.text
    assert 'vocabsem predict --model vocabsem-made@champion "a text"' in card.text


def test_without_validation_data_there_is_no_champion_to_describe(tmp_path):
    plan, _ = record(tmp_path, methods=[{"method": "linear_probe", "control": True}], shots=[4])
    with pytest.raises(BadInput, match="has no fit that could be a champion"):
        hub_card(plan.home, latest_run(plan.home, "tiny"))


def test_names_on_the_hub_are_those_of_sources_that_are_there():
    assert _on_hub("hf:org/name@main") == "org/name"
    assert _on_hub("hf:datasets/org/name@refs%2Fconvert/default/") == "org/name"
    assert _on_hub("hf:datasets/SetFit/sst5@main") == "SetFit/sst5"
    assert _on_hub("pypi:package==1.0/file.csv") is None
    assert _on_hub("file:texts.csv") is None


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        (["Apache-2.0"], "apache-2.0"),
        (["MIT", "MIT"], "mit"),
        (["MIT", "Apache-2.0"], "other"),
        (["no formal license is known"], "other"),
        ([""], "other"),
    ],
)
def test_one_license_that_the_hub_can_name_is_named(licenses, expected):
    assert _license(licenses) == {"license": expected}


def test_a_text_of_a_card_is_no_markup(tmp_path):
    plan, _ = record(tmp_path, methods=["centroid"], shots=[4], description="# no heading\n<b>and no tag</b>")
    text = ModelCard(hub_card(plan.home, latest_run(plan.home, "tiny"))).text
    assert "\\# no heading &lt;b&gt;and no tag&lt;/b&gt;" in text


def test_the_champion_of_several_models_is_one_of_them(home, card):
    bests = [each for each in card.data.eval_results if each.metric_type == "f1"]
    assert sorted(each.dataset_name for each in bests) == ["made", "other"]
    assert all(0 <= each.metric_value <= 1 for each in card.data.eval_results)
    assert {each.dataset_args["seeds"] for each in bests} <= {1, 2}
