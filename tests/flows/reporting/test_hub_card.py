"""The card for the hub, read by huggingface_hub's own parser."""

import pytest
import yaml
from huggingface_hub import ModelCard

from flows.reporting.hub_card import hub_card
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
