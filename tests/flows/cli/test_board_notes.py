"""What leaderboards say of methods that were left out, and of the layers that layers: auto took."""

import json
import shutil

import pytest

from flows.cli.board_notes import board_notes
from flows.cli.command_line import app
from flows.reporting.data_notes import chosen_notes, left_out_notes
from tasks.record import record_run
from tasks.steps.facts import ChosenLayer
from tests.tasks.views.recorded import record
from vocabsem.errors import BadInput
from warehouse.catalog.catalog import rebuild
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

WHY = "not fitted at shots 0, 4"
LAYER = ChosenLayer(model="made-model", dataset="made", layer=1, study="0123456789abcdef", texts=48)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two runs: of one a method was left out of all, two of one data set, and a layer was chosen. Only to be read."""
    folder = tmp_path_factory.mktemp("notes")
    plan, _ = record(folder, datasets=("made", "second"), methods=["zero_shot", "centroid"], shots=[0, 4])
    left_out = [("tiny", "linear_probe", WHY), *(("second", name, "no words") for name in ("pmi", "linc"))]
    card = plan.experiment.model_dump(mode="json")
    shutil.rmtree(plan.run.partition(Lake(plan.home)).path)
    record_run.fn(plan.home, card, plan.run, 0.0, "", "a-run", [], left_out, [LAYER])
    rebuild(plan.home)
    return plan.home


@pytest.fixture
def shown(capfd, monkeypatch):
    def run(home, *options):
        monkeypatch.setenv("VOCABSEM_HOME", str(home.root))
        app(["leaderboard", *options], standalone_mode=False)
        return capfd.readouterr().out

    return run


def test_the_terminal_names_methods_reasons_layer_and_study(home, shown):
    text = shown(home, "tiny")
    assert f"tiny: linear_probe left out: {WHY}\n" in text
    assert "second: pmi, linc left out: no words\n" in text
    assert "made, made-model: layers: auto takes layer 1, the first within" in text
    assert "48 labeled training texts" in text
    assert "key 0123456789ab" in text
    assert text.index("left out") < text.index("* best of its column")


def test_a_data_set_has_its_own_notes_and_those_of_all(home):
    notes = board_notes(home, "made")["tiny"]
    assert notes.left_out == [("tiny", "linear_probe", WHY)]
    assert notes.chosen == [LAYER]
    other = board_notes(home, "second")["tiny"]
    assert [method for _, method, _ in other.left_out] == ["linear_probe", "pmi", "linc"]
    assert not other.chosen
    assert other.sentences() == left_out_notes(other.left_out)
    assert notes.sentences() == left_out_notes(notes.left_out) + chosen_notes([LAYER])


def test_json_has_the_scores_what_was_left_out_and_the_layers(home, shown):
    page = json.loads(shown(home, "tiny", "--json"))
    assert page["scores"] == json.loads(shown(home, "tiny", "--format", "json"))
    assert {"experiment": "tiny", "what": "second", "method": "pmi", "reason": "no words"} in page["left_out"]
    assert len(page["left_out"]) == 3
    assert page["layers"] == [{"experiment": "tiny"} | LAYER.model_dump()]
    cut = json.loads(shown(home, "--dataset", "second", "--method", "centroid", "--top", "1", "--json"))
    assert {row["method"] for row in cut["scores"]} == {"centroid"}
    assert cut["layers"] == []


def test_a_board_without_notes_stays_as_it_was_and_csv_has_scores_alone(home, shown, tmp_path):
    plan, _ = record(tmp_path / "plain")
    text = shown(plan.home)
    assert "left out" not in text
    assert "layers: auto" not in text
    assert json.loads(shown(plan.home, "--json"))["left_out"] == []
    assert "left out" not in shown(home, "--format", "csv")


def test_json_and_another_format_exclude_each_other(home, shown):
    with pytest.raises(BadInput, match="--json and --format 'csv' exclude each other"):
        shown(home, "--json", "--format", "csv")
