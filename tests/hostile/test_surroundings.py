"""What surrounds a command: foreign databases, dead servers, proxies, streams that are closed. One line and exit code 2
where it cannot work, and then nothing is done; the whole work where it can."""

import os
import sqlite3
import sys
from contextlib import closing
from functools import partial

import pytest

from tests.flows.command import command
from tests.hostile.test_commands import take_environment
from tests.tasks.worlds import World, replace_home, server, snapshot, with_store
from warehouse.catalog.catalog import rebuild

pytestmark = pytest.mark.medium

QUICK = {"methods": ["zero_shot", "centroid"], "shots": [0, 2], "seeds": [0], "description": "<b>[x](y)"}
DEAD = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A world in which an experiment ran; only to be read."""
    world = with_store(World(tmp_path_factory.mktemp("surroundings"), experiment=QUICK))
    (world.folder / "texts.csv").write_text("text\na good plot\n")
    done = command(world.home, "run", world.card, api=server())
    assert done.returncode == 0, done.stderr
    return world


@pytest.fixture
def world(ran, tmp_path):
    """The same with a home of the test's own."""
    world = replace_home(ran, tmp_path)
    rebuild(world.home)
    return world


def words_of(world, name):
    source, output = world.folder / "texts.csv", world.home.root.parent / "out.csv"
    predict = ("predict", "--model", "vocabsem-made")
    return {
        "run": ("run", world.card, "--set", "shots=[0,3]"),
        "run again": ("run", world.card),
        "predict": (*predict, "a good plot"),
        "predict a file": (*predict, "--input", source, "--output", output),
        "leaderboard": ("leaderboard",),
        "sql": ("sql", "select count(*) from predictions"),
        "report": ("report", "tiny"),
    }[name]


ALL = ("run", "run again", "predict", "predict a file", "leaderboard", "sql", "report")


def check(world, name, says="", **options):
    """Run a command: it ends well, or, where an error is expected, with that in one line and nothing done."""
    before = snapshot(world.home.root)
    done = command(world.home, *words_of(world, name), **options)
    assert "Traceback" not in done.stderr + done.stdout
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if not says:
        assert (done.returncode, errors) == (0, []), (name, done.stderr)
        return done
    assert (done.returncode, done.stdout, len(errors)) == (2, "", 1), (name, done.stdout, done.stderr)
    assert says in errors[0], name
    changed = {path for path, _ in snapshot(world.home.root).items() ^ before.items()}
    assert {path.name for path in changed} <= {"mlflow.lock", "mlflow.db", "mlflow.db-shm", "mlflow.db-wal"}, name
    assert {path.name for path in world.home.root.parent.iterdir()} == {"home"}
    return done


def damaged(path, _):
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 4096 + path.read_bytes()[8192:])
    for log in path.parent.glob(f"{path.name}-*"):
        log.unlink()


def no_database(path, _):
    path.write_bytes(b"no database" * 1000)
    for log in path.parent.glob(f"{path.name}-*"):
        log.unlink()


def newer(path, program):
    if program == "duckdb":
        content = bytearray(path.read_bytes())
        content[12:20] = (10_000).to_bytes(8, "little")  # the version of the storage, behind a checksum and DUCK
        path.write_bytes(content)
    else:
        with closing(sqlite3.connect(path)) as database:
            database.execute("update alembic_version set version_num = 'ffffffffffff'")
            database.commit()


HARMS = pytest.mark.parametrize("harm", [damaged, no_database, newer], ids=lambda harm: harm.__name__)
SLOW = (pytest.mark.slow, pytest.mark.timeout(1800))


@HARMS
def test_a_catalog_that_cannot_be_read_is_named_by_what_reads_it(world, harm):
    harm(world.home.catalog, "duckdb")
    for name in ("leaderboard", "sql", "report"):
        check(world, name, says=f"{world.home.catalog} cannot be opened")


@HARMS
def test_an_mlflow_database_that_cannot_be_read_is_refused_by_what_uses_it(world, harm):
    harm(world.home.mlflow, "mlflow")
    for name in ("run", "predict"):
        check(world, name, says=f"{world.home.mlflow} ", api=server())
    check(world, "report")


@HARMS
def test_a_prefect_database_that_cannot_be_read_is_refused_by_what_records_there(world, harm):
    path = world.home.prefect / "prefect.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table alembic_version as select 'a3b9c7d2e5f1' as version_num")
        database.executescript("create table t (a); insert into t values (hex(zeroblob(50000)));")
    harm(path, "prefect")
    for name in ("run", "predict a file"):
        check(world, name, says=f"{path} ")
    check(world, "leaderboard")


def test_a_prefect_server_that_does_not_answer_is_refused_by_what_records_there(world):
    for name in ("run", "predict a file"):
        check(world, name, says="PREFECT_API_URL", api=f"{DEAD}/api")
    check(world, "run again", api=f"{DEAD}/api")


PROXIES = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), DEAD)


ELSEWHERE = {"MLFLOW_TRACKING_URI": DEAD, "MLFLOW_REGISTRY_URI": DEAD}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (PROXIES, ["predict a file"]),
        (ELSEWHERE, ["predict"]),
        pytest.param(PROXIES, ALL, marks=SLOW),
        pytest.param(ELSEWHERE, ALL, marks=SLOW),
    ],
    ids=["proxies", "mlflow", "proxies, all", "mlflow, all"],
)
def test_neither_a_proxy_nor_another_mlflow_server_is_used(world, given, names):
    for name in names:
        check(world, name, api=server(), before=partial(take_environment, given))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_server_for_the_time_of_a_command_is_reached_past_a_proxy_and_the_catalog_is_rebuilt(world):
    no_database(world.home.catalog, "duckdb")
    for name in ("run", "predict a file", "sql"):
        check(world, name, before=partial(take_environment, PROXIES))


def close(*numbers):
    for number in numbers:
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)
        os.close(number)


def leave():
    """Let the reader of standard output leave, as `head -1` does."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)


@pytest.mark.parametrize(
    ("before", "names"),
    [
        (leave, ["leaderboard", "predict"]),
        pytest.param(leave, ALL, marks=SLOW),
        pytest.param(partial(close, 1), ALL, marks=SLOW),
        pytest.param(partial(close, 0, 1, 2), ALL, marks=SLOW),
    ],
    ids=["head", "head, all", "stdout, all", "three, all"],
)
def test_a_stream_that_is_closed_is_no_failure(world, before, names):
    for name in names:
        done = command(world.home, *words_of(world, name), api=server(), before=before)
        assert (done.returncode, done.stdout) == (0, ""), (name, done.stderr)
        assert not {"Traceback", "error"} & set(done.stderr.replace(":", " ").split()), done.stderr
