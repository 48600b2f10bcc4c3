"""The main job on the real model, from the command line, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tasks.tracking.outcome import registrations
from tests.conftest import ROOT, vocabsem
from warehouse.home import Home

pytestmark = pytest.mark.medium

SCORES = ("model", "dataset", "method", "shots", "accuracy", "macro_f1", "macro_f1_low", "macro_f1_high", "nll", "ece")


def snapshot(home):
    """Every file of the lake with its size and time of change."""
    files = (path for path in (home / "lake").rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def scores(home):
    rows = json.loads(vocabsem(home, "leaderboard", "--format", "json").stdout)
    return sorted(tuple(row[column] for column in SCORES) for row in rows)


@pytest.fixture(scope="module")
def finished(make_home, card):
    home = make_home()
    done = vocabsem(home, "run", card)
    assert done.returncode == 0, done.stderr
    return home, done


def test_run_prints_the_leaderboard_and_a_second_run_changes_nothing(finished, card):
    home, first = finished
    assert "rotten_tomatoes" in first.stdout
    assert "vocabulary_calibrator" in first.stdout
    assert f"-m vocabsem up --home {home}" in first.stdout
    before = snapshot(home)

    began = time.monotonic()
    second = vocabsem(home, "run", card)
    assert second.returncode == 0, second.stderr
    assert "nothing to do" in second.stderr
    assert snapshot(home) == before
    assert time.monotonic() - began < 15
    assert second.stdout == first.stdout

    more = vocabsem(home, "plan", card, "--set", "shots=[0,4,8,all]", "--json")
    steps = json.loads(more.stdout)["steps"]
    assert steps["states"]["missing"] == steps["anchors"]["missing"] == 0
    assert steps["predictions"]["missing"] == 3, "8 shots of the three methods that learn"

    champion_gives_the_stored_probabilities_in_a_fresh_process(home)
    the_warehouse_answers(home)


def champion_gives_the_stored_probabilities_in_a_fresh_process(home):
    (run,) = json.loads(vocabsem(home, "sql", "--format", "json", "select key from runs").stdout)
    (champion,) = registrations(Home(home), run["key"])
    query = (
        "select e.text, p.probabilities from predictions p join examples e on e.key = p.examples_key and e.id = p.id"
        f" where p.split = 'test' and p.key = '{champion.predictions}' and p.seed = 0 order by p.row"
    )
    stored = json.loads(vocabsem(home, "sql", "--format", "json", query).stdout)
    assert len(stored) == 48
    answer = vocabsem(home, "predict", "--model", champion.model, "--json", *(row["text"] for row in stored))
    assert answer.returncode == 0, answer.stderr
    for row, expected in zip(json.loads(answer.stdout), stored, strict=True):
        result = [row["negative"], row["positive"]]
        assert result == pytest.approx(expected["probabilities"], abs=1e-5)
        assert row["label"] == ["negative", "positive"][result.index(max(result))]


def the_warehouse_answers(home):
    near = json.loads(vocabsem(home, "neighbors", " good", "-k", "5", "--format", "json").stdout)
    assert len(near) == 5
    assert {" great", " bad"} & {row["token"] for row in near}
    refused = vocabsem(home, "sql", "drop table models")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def stopped(home, card, shards, number):
    """Run until so many shards are kept, send the signal; returns the exit code, what was printed, and the shards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli.main", "run", str(card), "--home", str(home)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 200
    while len(kept := sorted((home / "lake" / "states").rglob("part-*.parquet.json"))) < shards:
        assert process.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, number)
    _, output = process.communicate(timeout=30)
    return process.returncode, output, kept


def test_a_run_stopped_and_killed_during_extraction_goes_on_and_ends_the_same(make_home, card, finished):
    home, _ = finished
    killed = make_home("killed")
    code, output, _ = stopped(killed, card, 1, signal.SIGINT)
    assert code == 130
    assert output.splitlines()[-1] == "interrupted: run the same command to resume"
    assert "Traceback" not in output
    code, _, kept = stopped(killed, card, 3, signal.SIGKILL)
    assert code == -signal.SIGKILL
    kept = [path.with_suffix("") for path in kept]
    times = {path: path.stat().st_mtime_ns for path in kept}
    assert not list((killed / "lake" / "predictions").rglob("manifest.json"))

    again = vocabsem(killed, "run", card)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == times, "finished shards are kept"
    assert scores(killed) == scores(home)
