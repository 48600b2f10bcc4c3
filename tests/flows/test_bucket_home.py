"""A whole run with its home in a bucket: the board of a local home, on any machine, also after kills and refusals."""

import csv
import io
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, vocabsem
from tests.s3 import BUCKET, credentials, s3_store
from tests.tasks.worlds import World

pytestmark = pytest.mark.slow

FEW = {"methods": ["zero_shot", "centroid", "vocabulary_calibrator"], "shots": [0, 4], "champion": True}
MEASURED = {"fit_seconds", "text_milliseconds"}


@pytest.fixture(scope="module")
def s3():
    with s3_store() as store, pytest.MonkeyPatch.context() as patch:
        for name, value in credentials(store).items():
            patch.setenv(name, value)
        yield store


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world in which the run has a local home."""
    world = World(tmp_path_factory.mktemp("local"), experiment=FEW)
    done = vocabsem(world.home.root, "run", world.card, timeout=900)
    assert done.returncode == 0, done.stderr
    return world


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Makes this machine another one."""
    return lambda name: monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))


def board(home):
    done = vocabsem(home, "leaderboard", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = csv.DictReader(io.StringIO(done.stdout))
    return [{name: value for name, value in row.items() if name not in MEASURED} for row in rows]


@pytest.mark.timeout(1500)
def test_every_command_works_as_with_a_local_home(world, s3, machine, tmp_path):
    home = f"s3://{BUCKET}/whole"
    machine("one")
    s3.reset()
    s3.refuse("PUT", "part-", 503, "SlowDown", times=3)
    s3.refuse("GET", "list-type", 503, "SlowDown", times=1)
    done = vocabsem(home, "run", world.card, timeout=900)
    assert done.returncode == 0, done.stderr
    assert board(home) == board(world.home.root)
    for name in ("one", "two"):
        machine(name)
        assert board(home) == board(world.home.root)
        sql = "select model, method, shots, split, seed, id, probabilities from predictions order by all"
        ours, theirs = (vocabsem(at, "sql", sql, "--format", "csv") for at in (home, world.home.root))
        assert ours.returncode == 0, ours.stderr
        assert ours.stdout == theirs.stdout
        again = vocabsem(home, "run", world.card, timeout=900)
        assert "to compute" not in again.stderr.replace("to compute: known after fetching", "")
        assert again.returncode == 0, again.stderr
        for words in (
            ["plan", world.card],
            ["warehouse", "verify"],
            ["warehouse", "rebuild"],
            ["gc", "--hours", "0"],
            ["report", "tiny", "--output", tmp_path / f"{name}.html"],
            ["export", "predictions", "--experiment", "tiny", "--output", tmp_path / f"{name}.parquet"],
            ["schema"],
            ["doctor"],
        ):
            done = vocabsem(home, *words)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            assert "our-secret" not in done.stdout + done.stderr
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert b"our-secret" not in file.read_bytes(), file


@pytest.mark.timeout(1500)
def test_a_run_that_is_killed_while_it_uploads_is_finished_by_the_same_command(world, s3, machine):
    home, waiting = f"s3://{BUCKET}/killed", []
    machine("one")
    s3.reset()

    def hold(method, path):
        if method == "PUT" and "/states/" in path and path.endswith(".parquet"):
            waiting.append(path)
            time.sleep(3)

    s3.before.append(hold)
    command = [sys.executable, "-m", "flows.cli.main", "--home", home, "run", world.card]
    started = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while not waiting:
        assert started.poll() is None
        time.sleep(0.1)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    s3.before.clear()
    done = vocabsem(home, "run", world.card, timeout=900)
    assert done.returncode == 0, done.stderr
    assert board(home) == board(world.home.root)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (("GET", "list-type", 403, "AccessDenied"), "access is denied (ListObjectsV2)"),
        (("PUT", "", 403, "AccessDenied"), "access is denied (PutObject)"),
        (("GET", "", 400, "ExpiredToken"), "credentials expired"),
        (("GET", "", 403, "RequestTimeTooSkewed"), "this machine's clock and the store's are apart"),
    ],
)
def test_a_bucket_that_cannot_be_used_ends_a_run_before_anything_is_computed(world, s3, machine, rule, message):
    machine("none")
    s3.reset()
    s3.refuse(*rule)
    done = vocabsem(f"s3://{BUCKET}/refused", "run", world.card)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message in line
    assert done.returncode == 2
    assert "states of" not in done.stderr


@pytest.mark.timeout(1500)
def test_credentials_that_only_read_answer_every_question_and_compute_nothing(world, s3, machine, tmp_path):
    home = f"s3://{BUCKET}/read"
    machine("writer")
    s3.reset()
    assert vocabsem(home, "run", world.card, timeout=900).returncode == 0
    machine("reader")
    for method in ("PUT", "POST", "DELETE"):
        s3.refuse(method, "", 403, "AccessDenied")
    assert board(home) == board(world.home.root)
    for words in (
        ["plan", world.card],
        ["warehouse", "verify"],
        ["report", "tiny", "--output", tmp_path / "report.html"],
        ["export", "predictions", "--experiment", "tiny", "--output", tmp_path / "predictions.parquet"],
        ["doctor"],
    ):
        done = vocabsem(home, *words, timeout=300)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    done = vocabsem(home, "run", world.card, "--set", "shots=[0,8]")
    assert done.returncode == 2
    assert "access is denied (PutObject)" in done.stderr
    assert "states of" not in done.stderr
