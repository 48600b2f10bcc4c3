"""The MLflow run of a pipeline through success, failure, interruption and the death of its process."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psutil
import pytest

from tasks.tracking import active_run as module
from tasks.tracking.active_run import PROCESS, active_run, open_run
from tasks.tracking.outcome import finished_run, followed_up
from tasks.tracking.runs import KEY, experiment_id
from tasks.tracking.store import store
from tests.conftest import ROOT
from tests.tasks.worlds import World, with_store
from warehouse.home import Home

pytestmark = pytest.mark.medium

CARD = {"name": "watched", "description": "", "models": ["tiny"], "shots": [0, 4], "limits": {"test": None}}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return with_store(World(tmp_path_factory.mktemp("active"))).home


def run_of(home, run_id):
    with store(home) as client:
        return client.get_run(run_id)


def test_a_run_is_running_with_its_card_and_then_finished(home):
    with active_run(home, CARD, "a" * 64, None, "a-flow-run") as run_id:
        run = run_of(home, run_id)
        assert run.info.status == "RUNNING"
        assert not followed_up(home, "a" * 64)
    ended = run_of(home, run_id)
    assert ended.info.status == "FINISHED"
    assert finished_run(home, "a" * 64) == run_id
    assert run.data.tags[KEY] == "a" * 64
    assert run.data.tags["prefect.flow_run_id"] == "a-flow-run"
    assert json.loads(run.data.params["shots"]) == [0, 4]
    assert "description" not in run.data.params
    assert run.info.run_name.startswith("watched 20")
    with store(home) as client:
        assert client.get_experiment(run.info.experiment_id).name == "watched"
        assert [file.path for file in client.list_artifacts(run_id)] == ["experiment.yaml"]


@pytest.mark.parametrize(
    ("error", "status", "note"),
    [(ValueError("no such layer"), "FAILED", "no such layer"), (KeyboardInterrupt(), "KILLED", None)],
)
def test_what_ends_the_block_early_is_passed_on_and_shown(home, error, status, note):
    with pytest.raises(type(error)), active_run(home, CARD, "b" * 64, None, "") as run_id:
        raise error
    run = run_of(home, run_id)
    assert run.info.status == status
    assert run.data.tags.get("mlflow.note.content") == note
    assert not followed_up(home, "b" * 64)


OPEN = f"""
import os, sys
from pathlib import Path
from tasks.tracking.active_run import open_run
from warehouse.home import Home
print(open_run(Home(Path(sys.argv[1])), {CARD!r}, {{"{KEY}": sys.argv[2]}}), flush=True)
sys.stdin.read()
os._exit(9)
"""


@pytest.fixture
def other(home):
    """A process that has opened a run, and the run's id; when its standard input ends, it dies."""
    words = [sys.executable, "-c", OPEN, str(home.root), "c" * 64]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield process, process.stdout.readline().strip()
        process.stdin.close()


def test_the_run_of_a_dead_process_is_killed_at_the_next_start_and_that_of_a_live_one_is_not(home, other):
    process, theirs = other
    with store(home) as client:
        child = client.create_run(run_of(home, theirs).info.experiment_id, tags={"mlflow.parentRunId": theirs})
    open_run(home, CARD, {})
    assert run_of(home, theirs).info.status == "RUNNING"
    process.communicate()
    ours = open_run(home, CARD, {})
    assert {run_of(home, run).info.status for run in (theirs, child.info.run_id)} == {"KILLED"}
    open_run(home, CARD, {})
    assert run_of(home, ours).info.status == "RUNNING", "this very process is alive"


def test_runs_that_open_at_once_make_one_experiment(home):
    barrier = Barrier(4)

    with store(home) as client, ThreadPoolExecutor(4) as pool:

        def open_run(_):
            barrier.wait()
            return experiment_id(client, home, CARD | {"name": "contended"})

        assert len(set(pool.map(open_run, range(4)))) == 1


def test_a_run_of_another_machine_or_of_nobody_is_left_alone(home):
    runs = [open_run(home, CARD, {}) for _ in range(2)]
    with store(home) as client:
        client.set_tag(runs[0], PROCESS, "elsewhere 1 0.00")
        client.delete_tag(runs[1], PROCESS)
    open_run(home, CARD, {})
    assert {run_of(home, run).info.status for run in runs} == {"RUNNING"}


def test_a_process_number_that_was_given_again_is_another_process(home):
    run = open_run(home, CARD, {})
    with store(home) as client:
        host, pid, started = run_of(home, run).data.tags[PROCESS].split()
        assert float(started) == pytest.approx(psutil.Process().create_time(), abs=0.01)
        client.set_tag(run, PROCESS, f"{host} {pid} {float(started) - 3600:.2f}")
    open_run(home, CARD, {})
    assert run_of(home, run).info.status == "KILLED"


def test_a_recorded_run_goes_on_in_its_own_mlflow_run(home, other):
    process, theirs = other
    with active_run(home, CARD, "c" * 64, theirs, "") as run_id:
        assert run_id != theirs, "its process is at work"
    process.communicate()
    with active_run(home, CARD, "d" * 64, theirs, "again") as run_id:
        assert run_id == theirs
        assert run_of(home, run_id).info.status == "RUNNING"
        open_run(home, CARD, {})
    run = run_of(home, theirs)
    assert (run.info.status, run.data.tags["prefect.flow_run_id"]) == ("FINISHED", "again")
    with active_run(home, CARD, "e" * 64, "0" * 32, "") as run_id:
        assert run_id != "0" * 32, "it is in no store"


def test_the_same_key_takes_up_the_run_of_a_killed_process_before_there_is_a_record(home):
    words = [sys.executable, "-c", OPEN, str(home.root), "1" * 64]
    done = subprocess.run(words, input="", stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    killed = done.stdout.strip()
    with active_run(home, CARD, "2" * 64, None, "") as other:
        assert other != killed
    assert run_of(home, killed).info.status == "KILLED"
    with active_run(home, CARD, "1" * 64, None, "") as run_id:
        assert run_id == killed
    run = run_of(home, killed)
    assert run.info.status == "FINISHED"
    assert json.loads(run.data.params["shots"]) == [0, 4]


def test_system_metrics_are_those_of_mlflow(home, monkeypatch):
    monkeypatch.setattr(module, "SAMPLING_SECONDS", 0.2)
    with active_run(home, CARD, "f" * 64, None, "") as run_id:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(history(home, run_id)) < 3:
            time.sleep(0.2)
    names = {name for name in run_of(home, run_id).data.metrics if name.startswith("system/")}
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= names
    samples = history(home, run_id)
    assert [sample.step for sample in samples] == list(range(len(samples)))
    assert all(0 < sample.value < psutil.virtual_memory().total / 1e6 for sample in samples)
    time.sleep(0.5)
    assert len(history(home, run_id)) == len(samples), "nothing goes on after the block"


def history(home, run_id):
    with store(home) as client:
        result = client.get_metric_history(run_id, "system/system_memory_usage_megabytes")
    return sorted(result, key=lambda sample: sample.step)


def test_no_database_and_a_damaged_one_hold_no_finished_run(tmp_path):
    assert not followed_up(Home(tmp_path), "a" * 64)
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 500)
    assert not followed_up(Home(tmp_path), "a" * 64)
    (tmp_path / "mlflow.db").write_bytes(b"")
    assert not followed_up(Home(tmp_path), "a" * 64)
