"""The command of an installed wheel, in an environment where other packages have the names flows, tasks, warehouse."""

import json

import pytest

from flows.services.servers import record
from tests.flows.services.test_up import Api
from tests.install.environments import OTHERS
from tests.tasks.worlds import dataset_card, experiment_card, model, sentences, write_card, write_rows
from vocabsem.cards.folders import list_cards
from warehouse.home import Home

pytestmark = pytest.mark.medium

MEDIAN = '''
"""A method of the user's own."""

import numpy as np

from vocabsem.methods.base import Method


class {name}(Method):
    name = "{method}"
    needs_space = False
    medians_: np.ndarray

    def __init__(self, space=None):
        self.space = space

    def _fit(self, states, labels, background):
        self.medians_ = np.stack([np.median(states[labels == c], axis=0) for c in range(len(self.classes_))])

    def _logits(self, states):
        return -np.abs(states[:, None] - self.medians_).sum(axis=2)
'''
METHODS = ["median", {"method": "beside:Beside"}]


@pytest.fixture(scope="module")
def project(installed):
    """A project with cards of its own, found by name, and methods of its own: of a package and beside the card."""
    assert installed.vocabsem("init", "mine").returncode == 0
    installed.here = folder = installed.here / "mine"
    for name in OTHERS:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("OWNER = 'the working directory'\n")
    rows = sentences()
    write_rows(folder / "train.jsonl", rows[:-24])
    write_rows(folder / "test.jsonl", rows[-24:])
    for kind in ("models", "datasets"):
        (folder / "cards" / kind).mkdir()
    write_card(folder / "cards" / "models" / "tiny-llama.yaml", model().model_dump(mode="json"))
    write_card(folder / "cards" / "datasets" / "made.yaml", dataset_card(folder))
    card = experiment_card(folder, models=["tiny-llama"], datasets=["made"], methods=METHODS, shots=[4], seeds=[0])
    write_card(folder / "cards" / "experiments" / "tiny.yaml", card)
    (folder / "cards" / "experiments" / "beside.py").write_text(MEDIAN.format(name="Beside", method="beside"))
    installed.add_package(
        "my_package",
        MEDIAN.format(name="Median", method="median"),
        "[vocabsem.methods]\nmedian = my_package:Median\n",
    )
    return installed


def test_the_modules_of_others_stay_theirs(installed):
    for name in OTHERS:
        assert installed.code(f"import {name}; print({name}.OWNER)") == "the working directory"
        assert installed.code(f"import {name}; print({name}.OWNER)", PYTHONSAFEPATH="1") == "another package"


def test_every_command_has_its_help(installed):
    done = installed.vocabsem("--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: vocabsem [OPTIONS] COMMAND")
    again = installed.run(installed.python, "-m", "vocabsem", "--help")
    assert again.stdout.replace("python -m vocabsem", "vocabsem") == done.stdout


def test_it_knows_the_shipped_cards_queries_and_deployments(installed):
    unknown = installed.vocabsem("plan", "nothing-like-it")
    assert unknown.returncode == 2
    assert all(name in unknown.stderr for name in list_cards("experiments"))
    assert "leaderboard" in installed.vocabsem("query").stdout
    done = installed.vocabsem("plan", "quickstart", "--json")
    assert json.loads(done.stdout), done.stderr


@pytest.mark.slow
def test_a_project_runs_with_its_own_cards_and_methods(project):
    done = project.vocabsem("run", "tiny")
    assert done.returncode == 0, done.stderr
    assert {"median", "beside"} <= set(done.stdout.split())
    assert (project.here / ".vocabsem" / "warehouse.duckdb").is_file()
    report = project.vocabsem("report", "tiny", "--output", "report.html")
    assert report.returncode == 0, report.stderr
    assert "median" in (project.here / "report.html").read_text()
    rows = project.vocabsem("sql", "select git_commit from runs", "--format", "json")
    assert json.loads(rows.stdout) == [{"git_commit": None}], "not that of a repository around the environment"


@pytest.mark.slow
def test_its_champion_is_loaded_by_mlflow_in_any_process(project):
    database = project.here / ".vocabsem" / "mlflow.db"
    code = (
        "import mlflow, pandas, sys\n"
        "model = mlflow.pyfunc.load_model('models:/vocabsem-made@champion')\n"
        "print(list(model.predict(pandas.DataFrame({'text': ['a good great film']}))['label']), 'flows' in sys.modules)"
    )
    printed = project.code(code, MLFLOW_TRACKING_URI=f"sqlite:///{database}", PYTHONWARNINGS="ignore")
    labels, pipeline = printed.splitlines()[-1].rsplit(" ", 1)
    assert labels in ("['neg']", "['pos']", "['tale']")
    assert pipeline == "False", "it needs the library alone"
    (code_folder,) = (project.here / ".vocabsem" / "mlartifacts").rglob("code/vocabsem")
    assert (code_folder / "extraction.py").is_file()
    assert not (code_folder / "_project").exists()


def test_a_flow_that_is_deployed_is_found_by_any_process_of_the_environment(project):
    code = (
        "from prefect.flows import load_flow_from_entrypoint\n"
        "import vocabsem.flows\n"
        "flow = load_flow_from_entrypoint('vocabsem.flows:maintenance')\n"
        "print(flow.name, vocabsem.flows.maintenance is flow)"
    )
    assert project.code(code, PREFECT_HOME=str(project.here / "prefect")).splitlines()[-1] == "maintenance True"
    with pytest.raises(AssertionError, match="has no flow 'evil': there are anchors, "):
        project.code("import vocabsem.flows; vocabsem.flows.evil")


@pytest.mark.slow
@pytest.mark.timeout(1800)  # of an environment, a run, servers and a scheduled run; five minutes beside other programs
def test_a_project_is_scheduled(project):
    """By its own prefect.yaml, in its own folder, whatever lies there; one signal stops all."""
    file = project.here / "prefect.yaml"
    file.write_text(file.read_text().replace("mine", "tiny"))
    up = project.start("up", "--schedule")
    try:
        home = Home(project.here / ".vocabsem")
        api = Api(record(home)["prefect"], home)
        ended = api.ended(api.run("pipeline/run-card-hourly", overrides={"name": "scheduled", "seeds": [1]}))
        assert ended["state_type"] == "COMPLETED", ended["state"]
    finally:
        project.stop(up)
    rows = project.vocabsem("sql", "select experiment from runs order by all", "--format", "json")
    assert json.loads(rows.stdout) == [{"experiment": "scheduled"}, {"experiment": "tiny"}]


@pytest.mark.slow
def test_cards_of_the_user_come_first(project, tmp_path):
    """Those of --cards, then the project's, then the shipped ones; a name of all three is that of the first."""
    for folder in ("a", "b"):
        (tmp_path / folder / "experiments").mkdir(parents=True)
        write_card(
            tmp_path / folder / "experiments" / "quickstart.yaml",
            experiment_card(tmp_path, name=f"of-{folder}", models=["tiny-llama"], datasets=["made"]),
        )

    def title(*words, **variables):
        return project.vocabsem("plan", *words, **variables).stdout.splitlines()[0].strip()

    assert title("quickstart") == "plan of quickstart"
    assert title("quickstart", "--cards", tmp_path / "a", "--cards", tmp_path / "b") == "plan of of-a"
    assert title("quickstart", VOCABSEM_CARDS=f"{tmp_path}/b:{tmp_path}/a") == "plan of of-b"
    assert title("tiny", "--cards", tmp_path / "a") == "plan of tiny"
    missing = project.vocabsem("plan", "tiny", "--cards", tmp_path / "none")
    assert missing.returncode == 2
    assert f"error: the folder of cards '{tmp_path}/none' does not exist: fix --cards or" in missing.stderr
