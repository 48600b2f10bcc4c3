"""Five flow runs at once, recorded by Prefect and MLflow in databases of PostgreSQL."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.cli.doctor import _databases
from tasks.tracking.postgres import connected
from tasks.tracking.registered import find_classifier
from tests.conftest import vocabsem
from tests.postgres import make_database, postgres_server
from tests.tasks.worlds import World
from warehouse.catalog import catalog
from warehouse.home import BACKEND_STORE

pytestmark = pytest.mark.medium

PREFECT = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
FEW = {"methods": ["zero_shot", "centroid"], "shots": [0, 4], "champion": True}
RUNS = 5


def count(uri, statement):
    with connected("a test", uri) as connection:
        return sorted(tuple(row) for row in connection.exec_driver_sql(statement))


@pytest.fixture
def databases(monkeypatch):
    with postgres_server() as address:
        uris = [make_database(address, name) for name in ("prefect", "mlflow")]
        monkeypatch.setenv(PREFECT, uris[0].replace("postgresql", "postgresql+asyncpg"))
        monkeypatch.setenv(BACKEND_STORE, uris[1])
        yield uris


def test_doctor_names_what_it_finds(databases, monkeypatch):
    for finding in _databases():
        assert finding.ok
        assert finding.value.endswith(": empty, made at the first run")
        assert "secret-word" not in finding.value
    with connected("a test", databases[1]) as connection:
        connection.exec_driver_sql("create table alembic_version (version_num varchar)")
        connection.exec_driver_sql("insert into alembic_version values ('451aebb31d03')")  # MLflow's first
        connection.commit()
    _, behind = _databases()
    assert not behind.ok
    assert behind.fix == 'mlflow db upgrade "$MLFLOW_BACKEND_STORE_URI"'
    monkeypatch.setenv(BACKEND_STORE, "postgresql://u@127.0.0.1:9/none")
    _, down = _databases()
    assert (down.ok, down.value) == (False, "cannot be used")
    assert "does not answer" in down.fix


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_five_runs_at_once(tmp_path, databases):
    prefect, mlflow = databases
    world = World(tmp_path, experiment=FEW)
    first = vocabsem(world.home.root, "run", world.card, timeout=900)  # makes both databases
    assert first.returncode == 0, first.stderr

    def run(number):
        settings = ["--set", f"seeds=[{number}]", "--name", f"run-{number}"]
        return vocabsem(world.home.root, "run", world.card, *settings, timeout=900, env=os.environ.copy())

    with ThreadPoolExecutor(RUNS) as pool:
        for done in pool.map(run, range(RUNS)):
            assert done.returncode == 0, done.stderr
    states = count(prefect, "select state_type::text, count(*) from flow_run group by 1")
    assert states == [("COMPLETED", RUNS + 1)]
    finished = count(mlflow, "select status, count(*) from runs group by 1")
    assert [status for status, _ in finished] == ["FINISHED"]
    board = catalog.query(world.home, "select distinct experiment from leaderboard order by all").to_pylist()
    assert {row["experiment"] for row in board} >= {f"run-{number}" for number in range(RUNS)}
    assert not world.home.mlflow.exists()
    assert not (world.home.prefect / "prefect.db").exists()
    again = vocabsem(world.home.root, "run", world.card, timeout=900)
    assert "everything is published, nothing to do" in again.stderr
    champion = find_classifier(world.home, "vocabsem-made@champion")
    assert champion.classifier.is_relative_to(world.home.artifacts)
