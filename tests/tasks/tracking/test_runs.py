"""What MLflow holds after an experiment, read back from a store on disk."""

import json
import math
import sqlite3
import subprocess
import sys
from contextlib import closing

import mlflow
import pytest

from tasks.tracking.runs import log_experiment
from tasks.tracking.store import store
from vocabsem.errors import ComputationFailed
from warehouse.home import Home

CARD = {
    "name": "two-methods",
    "description": "Two methods on one set.",
    "models": ["tiny"],
    "datasets": ["films"],
    "shots": [0, 4],
    "seeds": [0, 1],
    "limits": {"train": 8, "test": None},
    "champion": False,
}
FILMS = {"name": "films", "digest": "a" * 64, "rows": 20, "source": "pypi:films==1/train.csv"}


def row(method, shots, macro_f1, **changes):
    figures = {
        "macro_f1": {"value": macro_f1, "low": macro_f1 - 0.1, "high": macro_f1 + 0.1, "spread": 0.02},
        "accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "spread": 0.0},
        "fit_seconds": {"value": 0.1, "low": None, "high": None, "spread": None},
        "nll": {"value": math.inf, "low": math.nan, "high": None, "spread": None},
    }
    return {
        "model": "tiny",
        "dataset": "films",
        "method": method,
        "shots": shots,
        "seeds": [0, 1],
        "parameters": {"method": method.partition("+")[0], "metric": "cosine", "center": True},
        "control": False,
        "metrics": figures,
        "keys": {"predictions": "b" * 64, "metrics": "c" * 64, "states:test": "d" * 64},
    } | changes


ROWS = [row("zero_shot", "0", 0.3), row("centroid", "4", 0.7, control=True), row("linear_probe", "4", 0.5)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("home of 'quotes' and spaces"))


@pytest.fixture(scope="module")
def parent(home):
    return log_experiment(home, CARD, ROWS, [FILMS], {"vocabsem.key": "e" * 64})


@pytest.fixture
def client(home):
    with store(home) as client:
        yield client


def children(client, parent):
    experiment = client.get_run(parent).info.experiment_id
    return client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'", order_by=["start_time"])


def test_the_parent_carries_the_card_and_the_table(client, parent):
    run = client.get_run(parent)
    assert run.info.status == "FINISHED"
    assert run.info.run_name.startswith("two-methods 20")
    assert client.get_experiment(run.info.experiment_id).name == "two-methods"
    assert run.data.tags["vocabsem.key"] == "e" * 64
    assert json.loads(run.data.params["shots"]) == [0, 4]
    assert "description" not in run.data.params
    assert {file.path for file in client.list_artifacts(parent)} == {"experiment.yaml", "leaderboard.json"}
    table = client.load_table(run.info.experiment_id, "leaderboard.json", [parent])
    assert table["method"].tolist() == ["centroid", "linear_probe", "zero_shot"], "best first"
    assert table["macro_f1"].tolist() == pytest.approx([0.7, 0.5, 0.3])
    assert table["nll"].isna().all(), "an infinite loss is no JSON"


def test_the_parent_describes_the_best_on_validation_data(client, parent, home):
    assert client.get_run(parent).data.tags["mlflow.note.content"] == "", "there was no validation data"
    rows = [row("zero_shot", "0", 0.3), row("ridge", "4", 0.7), row("centroid", "4", 0.9, control=True)]
    for each, value in zip(rows, (0.5, 0.4, 0.9), strict=True):
        each["metrics"]["validation_macro_f1"] = {"value": value, "low": None, "high": None, "spread": 0.0}
    note = client.get_run(log_experiment(home, CARD, rows, [FILMS], {})).data.tags["mlflow.note.content"]
    assert note.splitlines()[2:] == ["| films | tiny | zero_shot | 0 | 0.300 | 0.200 to 0.400 |"], "no control"


def test_each_row_is_a_child_with_its_intervals_and_keys(client, parent):
    runs = {run.data.params["label"]: run for run in children(client, parent)}
    assert set(runs) == {"zero_shot", "centroid", "linear_probe"}
    run = runs["linear_probe"]
    assert run.info.run_name == "linear_probe 4, films"
    assert run.info.status == "FINISHED"
    assert run.data.metrics == pytest.approx(
        {
            "macro_f1": 0.5,
            "macro_f1_low": 0.4,
            "macro_f1_high": 0.6,
            "accuracy": 0.5,
            "fit_seconds": 0.1,
        }
    ), "few enough to survey; what is unknown or infinite is left out"
    assert run.data.params == {
        "model": "tiny",
        "dataset": "films",
        "shots": "4",
        "seeds": "[0, 1]",
        "label": "linear_probe",
        "method": "linear_probe",
        "metric": "cosine",
        "center": "true",
    }
    assert run.data.tags["key.predictions"] == "b" * 64
    assert run.data.tags["key.states:test"] == "d" * 64
    assert run.data.tags["control"] == "false"
    assert runs["centroid"].data.tags["control"] == "true"


def test_parent_and_children_name_the_data_by_its_key(client, parent):
    for run in [client.get_run(parent), *children(client, parent)]:
        (used,) = run.inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == ("films", "a" * 12)
        assert json.loads(used.dataset.source) == {"uri": FILMS["source"], "partition": "a" * 64}
        assert json.loads(used.dataset.profile) == {"rows": 20}


def test_a_second_run_joins_the_experiment_even_a_deleted_one(client, parent, home):
    experiment = client.get_run(parent).info.experiment_id
    again = log_experiment(home, CARD, ROWS[:1], [FILMS], {})
    assert again != parent
    client.delete_experiment(experiment)
    third = log_experiment(home, CARD, ROWS[:1], [FILMS], {})
    assert client.get_run(third).info.experiment_id == client.get_run(again).info.experiment_id == experiment


def test_a_failure_half_way_is_marked_and_passed_on(client, home, parent):
    with pytest.raises(KeyError, match="elsewhere"):
        log_experiment(home, CARD, [*ROWS, row("late", "4", 0.1, dataset="elsewhere")], [FILMS], {"try": "bad"})
    experiment = client.get_run(parent).info.experiment_id
    (failed,) = client.search_runs([experiment], "tags.try = 'bad'")
    assert failed.info.status == "FAILED"


def test_the_globals_of_mlflow_are_put_back(home):
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with store(home):
        assert mlflow.get_tracking_uri() == home.tracking_uri
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == before


def test_forty_rows_take_few_writes(home, parent):
    """Counted, not timed: a row is four calls, each of at most four transactions, whatever its number of metrics."""
    with closing(sqlite3.connect(home.root / "mlflow.db")) as database:
        assert database.execute("pragma journal_mode").fetchone() == ("wal",)

    import sqlalchemy

    commits = 0

    def count(_connection):
        nonlocal commits
        commits += 1

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "commit", count)
    try:
        log_experiment(home, CARD, [row("m", str(i), 0.5) for i in range(40)], [FILMS], {})
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "commit", count)
    assert 40 * 4 <= commits <= 40 * 10 + 40


MAKE = "import sys; from pathlib import Path; from tasks.tracking.store import store; from warehouse.home import Home\n"
MAKE += "with store(Home(Path(sys.argv[1]))) as client: client.create_experiment(sys.argv[2])"


def test_two_processes_may_make_the_store_at_once(tmp_path):
    workers = [
        subprocess.Popen([sys.executable, "-c", MAKE, str(tmp_path / "new"), name], stderr=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for worker in workers:
        _, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said
        assert "Running upgrade" not in said
    with store(Home(tmp_path / "new")) as client:
        assert {found.name for found in client.search_experiments()} == {"Default", "one", "two"}


def test_a_damaged_store_is_told_with_its_mend(tmp_path):
    home = Home(tmp_path)
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 500)
    with (
        pytest.raises(ComputationFailed, match=r"mlflow\.db cannot be opened \(file is not a database\): .*lake/runs"),
        store(home),
    ):
        pytest.fail("opened")
