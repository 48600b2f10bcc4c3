"""What MLflow holds after an experiment, read back from a store on disk."""

import json
import math
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from threading import Event

import mlflow
import pytest

from tasks.tracking.active_run import active_run, open_run
from tasks.tracking.runs import DatasetInput, ResultRow, log_headline, log_results
from tasks.tracking.store import store
from vocabsem.errors import BadInput
from warehouse.home import Home

pytestmark = pytest.mark.medium

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
ENDED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FILMS = DatasetInput("films", "a" * 64, 20, "pypi:films==1/train.csv")


def row(method, shots, macro_f1, *, dataset="films", control=False, key=None):
    scores = {
        "macro_f1": macro_f1,
        "macro_f1_low": macro_f1 - 0.1,
        "macro_f1_high": macro_f1 + 0.1,
        "accuracy": 0.5,
        "fit_seconds": 0.1,
        "nll": math.inf,
        "ece": math.nan,
        "validation_macro_f1": None,
    }
    parameters = {"method": method.partition("+")[0], "metric": "cosine", "center": True}
    keys = {"predictions": key or f"{method}-{shots}", "metrics": "c" * 64, "states:test": "d" * 64}
    step = 20 if shots == "all" else int(shots)
    return ResultRow("tiny", dataset, method, shots, step, [0, 1], parameters, control, scores, keys, ENDED, 0.2)


def log(home, rows, best=()):
    """Log rows as a run of their own. Returns the parent's run id."""
    with active_run(home, CARD, "e" * 64, None, "") as run_id:
        log_results(home, run_id, rows, [FILMS], best)
    return run_id


ROWS = [row("zero_shot", "0", 0.3), row("centroid", "4", 0.7, control=True), row("linear_probe", "4", 0.5)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("home of 'quotes' and spaces"))


@pytest.fixture(scope="module")
def parent(home):
    return log(home, ROWS)


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
    assert {file.path for file in client.list_artifacts(parent)} == {"experiment.yaml", "leaderboard.json"}
    table = client.load_table(run.info.experiment_id, "leaderboard.json", [parent])
    assert table["method"].tolist() == ["centroid", "linear_probe", "zero_shot"], "best first"
    assert table["macro_f1"].tolist() == pytest.approx([0.7, 0.5, 0.3])
    assert table["nll"].isna().all(), "an infinite loss is no JSON"


def test_the_parent_describes_the_best_on_validation_data(client, parent, home):
    assert client.get_run(parent).data.tags["mlflow.note.content"] == "", "there was no validation data"
    figures = {"macro_f1": 0.3, "macro_f1_low": 0.2, "macro_f1_high": 0.4}
    fit = {"dataset": "films", "model": "tiny", "method": "zero_shot", "shots": "0", "validation_macro_f1": 0.5}
    fit["key"] = "c" * 64
    best = [fit | figures | {"rank": 1}, fit | figures | {"rank": 2, "method": "ridge"}]
    best.append(fit | figures | {"rank": 1, "dataset": "books", "validation_macro_f1": None})
    note = client.get_run(log(home, ROWS, best)).data.tags["mlflow.note.content"]
    assert note.splitlines()[2:] == ["| films | tiny | zero_shot | 0 | 0.300 | 0.200 to 0.400 |"]


def test_each_method_is_a_child_with_its_intervals_and_keys(client, parent):
    runs = {run.data.params["label"]: run for run in children(client, parent)}
    assert set(runs) == {"zero_shot", "centroid", "linear_probe"}
    run = runs["linear_probe"]
    assert run.info.run_name == "linear_probe, films"
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
        "shots": '["4"]',
        "seeds": "[0, 1]",
        "label": "linear_probe",
        "method": "linear_probe",
        "metric": "cosine",
        "center": "true",
    }
    assert run.data.tags["key.predictions.4"] == "linear_probe-4"
    assert run.data.tags["key.states:test.4"] == "d" * 64
    assert run.data.tags["control"] == "false"
    assert runs["centroid"].data.tags["control"] == "true"


def test_a_method_has_a_step_for_each_number_of_shots_and_takes_as_long_as_its_fits(client, home):
    rows = [row("ridge", "4", 0.5), row("ridge", "16", 0.6), row("ridge", "all", 0.7)]
    run_id = log(home, rows)
    (child,) = children(client, run_id)
    curve = client.get_metric_history(child.info.run_id, "macro_f1")
    assert {point.step: point.value for point in curve} == pytest.approx({4: 0.5, 16: 0.6, 20: 0.7})
    assert child.data.metrics["macro_f1"] == pytest.approx(0.7), "the most labels"
    assert child.data.tags["key.states:test"] == "d" * 64
    assert child.data.tags["key.predictions.16"] == "ridge-16"
    assert child.info.end_time - child.info.start_time == 600
    assert child.info.start_time == 1000 * ENDED.timestamp() - 200


def test_the_parent_has_the_figures_of_the_best_its_user_and_its_source(client, home):
    rows = [row("ridge", "4", 0.5, key="one"), row("ridge", "4", 0.7, dataset="books@line", key="two")]
    for each, key in zip(rows, ("m1", "m2"), strict=True):
        each.keys["metrics"] = key
    best = [
        {
            "dataset": each.dataset,
            "model": "tiny",
            "method": "ridge",
            "shots": "4",
            "rank": 1,
            "key": each.keys["metrics"],
        }
        | each.scores
        | {"validation_macro_f1": 0.5}
        for each in rows
    ]
    books = DatasetInput("books@line", "b" * 64, 20, "file:books.csv")
    with active_run(home, CARD, "e" * 64, None, "") as run_id:
        log_results(home, run_id, rows, [FILMS, books], best)
        log_headline(home, run_id, rows, best)
    parent = client.get_run(run_id)
    figures = {name: value for name, value in parent.data.metrics.items() if name.startswith("best_")}
    means = {"best_macro_f1": 0.6, "best_accuracy": 0.5}
    assert figures == pytest.approx(means | {"best_macro_f1.films.tiny": 0.5, "best_macro_f1.books-line.tiny": 0.7}), (
        "no mean of a figure that is infinite"
    )
    for run in [parent, *children(client, run_id)]:
        assert run.data.tags["mlflow.source.name"] == "vocabsem run two-methods"
        assert run.data.tags["mlflow.user"] == run.info.user_id
        assert run.data.tags["mlflow.user"] not in ("", "unknown")


def test_parent_and_children_name_the_data_by_its_key(client, parent):
    for run in [client.get_run(parent), *children(client, parent)]:
        (used,) = run.inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == ("films", "a" * 12)
        assert json.loads(used.dataset.source) == {"uri": FILMS.source, "partition": "a" * 64}
        assert json.loads(used.dataset.profile) == {"rows": 20}


def test_a_second_run_joins_the_experiment_even_a_deleted_one(client, parent, home):
    experiment = client.get_run(parent).info.experiment_id
    again = log(home, ROWS[:1])
    assert again != parent
    client.delete_experiment(experiment)
    third = log(home, ROWS[:1])
    assert client.get_run(third).info.experiment_id == client.get_run(again).info.experiment_id == experiment


def test_what_was_logged_before_a_failure_is_completed_and_not_logged_twice(client, home, parent):
    """A child half written, one not begun, the parent without its table: as a kill leaves them, and then once more."""
    run_id = open_run(home, CARD, {})
    with pytest.raises(KeyError, match="elsewhere"):
        log_results(home, run_id, [*ROWS, row("late", "4", 0.1, dataset="elsewhere")], [FILMS], [])
    half = next(run for run in children(client, run_id) if run.data.params.get("label") == "centroid")
    client.update_run(half.info.run_id, status="RUNNING")
    late = row("late", "4", 0.1)
    for _ in range(2):
        log_results(home, run_id, [*ROWS, late], [FILMS], [])
        runs = children(client, run_id)
        assert sorted(run.data.params["label"] for run in runs) == ["centroid", "late", "linear_probe", "zero_shot"]
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert all(len(client.get_metric_history(run.info.run_id, "macro_f1")) == 1 for run in runs)
        assert len(client.get_run(run_id).inputs.dataset_inputs) == 1
        table = client.load_table(runs[0].info.experiment_id, "leaderboard.json", [run_id])
        assert table["method"].tolist() == ["centroid", "linear_probe", "zero_shot", "late"]
    assert client.get_run(run_id).info.status == "RUNNING", "to be finished by whoever opened it"


def test_the_globals_of_mlflow_are_put_back(home):
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with store(home):
        assert mlflow.get_tracking_uri() == home.tracking_uri
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == before


def test_a_store_whose_block_outlasts_an_earlier_one_of_another_thread_is_still_the_global_one(home):
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    started, ended = Event(), Event()

    def earlier():
        with store(home):
            started.set()
            ended.wait(60)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(earlier)
        assert started.wait(60)
        with store(home):
            ended.set()
            pool.shutdown()
            assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == (home.tracking_uri, home.tracking_uri)
            assert mlflow.MlflowClient().get_experiment_by_name("Default")
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == before


def test_forty_rows_take_few_writes(home, parent):
    """Counted, not timed: a row is four calls, each of at most four transactions, whatever its number of metrics."""
    with closing(sqlite3.connect(home.root / "mlflow.db")) as database:
        assert database.execute("pragma journal_mode").fetchone() == ("wal",)

    import sqlalchemy

    run_id, commits = open_run(home, CARD, {}), 0

    def count(_connection):
        nonlocal commits
        commits += 1

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "commit", count)
    try:
        log_results(home, run_id, [row(f"m{i}", "4", 0.5) for i in range(40)], [FILMS], [])
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "commit", count)
    assert 40 * 4 <= commits <= 40 * 10 + 40


MAKE = "import sys; from pathlib import Path; from tasks.tracking.store import store; from warehouse.home import Home\n"
MAKE += "with store(Home(Path(sys.argv[1]))) as client: client.create_experiment(sys.argv[2])"


@pytest.mark.slow
def test_two_processes_may_make_the_store_at_once(tmp_path):
    workers = [
        subprocess.Popen([sys.executable, "-c", MAKE, str(tmp_path / "new"), name], stderr=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
        assert "Running upgrade" not in errors
    with store(Home(tmp_path / "new")) as client:
        assert {experiment.name for experiment in client.search_experiments()} == {"Default", "one", "two"}


def test_a_damaged_store_is_named_with_what_to_do(tmp_path):
    home = Home(tmp_path)
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 500)
    with (
        pytest.raises(BadInput, match=r"mlflow\.db cannot be opened \(file is not a database\): .*lake/runs"),
        store(home),
    ):
        pytest.fail("opened")
