"""`vocabsem init`: the files of a project, which the other commands take, and what is there already."""

import pytest
from typer.testing import CliRunner

from flows.cli.command_line import app
from flows.planning.experiment import load_experiment
from flows.services.deployments import check_deployments
from flows.services.up import _of_project
from vocabsem.cards.folders import CARDS, card_folders, find_card, own_folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(folder, code=0):
    done = CliRunner().invoke(app, ["init", str(folder)])
    assert done.exit_code == code, done.output
    return done.stdout.splitlines()


def test_a_project_has_a_card_of_its_own_that_is_found_by_name(here, monkeypatch):
    lines = init("mine")
    assert [line.split()[1] for line in lines[:-1]] == [
        f"mine/{file}" for file in ("cards/experiments/mine.yaml", "prefect.yaml", ".gitignore", "README.md")
    ]
    assert lines[-1] == "next:    cd mine && vocabsem run mine"
    assert own_folder() == CARDS, "not in it: a checkout's own"
    monkeypatch.chdir(here / "mine")
    assert card_folders() == [here / "mine" / "cards", CARDS]
    assert own_folder() == here / "mine" / "cards"
    assert find_card("experiments", "mine") == here / "mine" / "cards" / "experiments" / "mine.yaml"
    mine, quickstart = load_experiment("mine"), load_experiment("quickstart")
    assert mine == quickstart.model_copy(update={"name": "mine"})


def test_its_deployments_run_its_card(here, monkeypatch):
    assert _of_project() is None
    (here / "prefect.yaml").write_text("deployments: []\n")
    assert _of_project() is None, "one of another program"
    init("mine")
    monkeypatch.chdir(here / "mine")
    lines = check_deployments(_of_project().absolute())
    assert lines[0].startswith("  run-card-hourly mine: next ")
    assert "quickstart" not in (here / "mine" / "prefect.yaml").read_text()


def test_what_is_there_is_kept(here):
    (here / ".gitignore").write_text("*.pyc\n")
    (here / "README.md").write_text("mine\n")
    lines = init(".")
    assert "kept:    .gitignore, add .vocabsem/ to it" in lines
    assert "kept:    README.md" in lines
    assert (here / "README.md").read_text() == "mine\n"
    again = init(".")
    assert all(line.startswith("kept:") for line in again[:-1])


@pytest.mark.parametrize(
    ("folder", "name"),
    [("2026", "project_2026"), ("null", "project_null"), ("Ärger & Co", "rger_co"), ("…", "mine"), ("a.b", "a_b")],
)
def test_a_name_is_one_that_cards_may_have(here, folder, name, monkeypatch):
    assert init(folder)[-1].endswith(f" && vocabsem run {name}")
    monkeypatch.chdir(here / folder)
    assert load_experiment(name).name == name


def test_a_folder_that_cannot_be_written(here):
    (here / "file").write_text("")
    done = CliRunner().invoke(app, ["init", "file/mine"], standalone_mode=False)
    assert str(done.exception).startswith("cannot write file/mine/cards/experiments/mine.yaml: Not a directory")
