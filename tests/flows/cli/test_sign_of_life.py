"""A terminal is never silent for long, and the line that shows it alive is gone when it speaks."""

import io
import os
import pty
import re
import sys
import time
from contextlib import contextmanager

import pytest

from flows.execution.activity import ERASE, QUIET, ActivityLine, activity
from tests.flows.terminal import run_in_terminal
from tests.tasks.worlds import World, server, with_store

# The promise is 1 s to the first sign and 3 s between two; the rest is for disks and caches that others use, where
# loading one library, which no thread can interrupt, takes as long. Waiting for a processor does not count.
FIRST_SECONDS, SILENCE_SECONDS = 5.0, 8.0


@contextmanager
def terminal():
    """A terminal as standard error during the block: yields its other end. pytest has its own at other times."""
    ours, its = pty.openpty()
    os.set_blocking(ours, False)
    keep = os.dup(2)
    os.dup2(its, 2)
    try:
        yield ours
    finally:
        os.dup2(keep, 2)
        for descriptor in (keep, ours, its):
            os.close(descriptor)


@contextmanager
def counting():
    """A line drawn on such a terminal."""
    with terminal() as other_end:
        line = ActivityLine()
        line.start("counting")
        try:
            yield line, other_end
        finally:
            line.stop()


def printed_to(terminal):
    try:
        return os.read(terminal, 1 << 16)
    except BlockingIOError:
        return b""


def until(terminal, what):
    seen, deadline = b"", time.monotonic() + 20
    while what not in seen:
        assert time.monotonic() < deadline, seen
        seen += printed_to(terminal)
        time.sleep(0.02)
    return seen


def test_the_line_is_drawn_after_silence_and_erased_before_output():
    with counting() as (line, end):
        assert ERASE in until(end, b"counting, 0 s")
        with line.erased(b"result\n"):
            assert printed_to(end).endswith(ERASE)
            time.sleep(0.7)
            assert printed_to(end) == b"", "nothing is drawn while something is printed"
        until(end, b"counting")
        line.stop()
        assert until(end, ERASE).endswith(ERASE)
        assert not line.shown


def test_a_line_that_another_has_begun_is_left_alone():
    with counting() as (line, end):
        with line.erased(b"no end of line"):
            pass
        printed_to(end)
        time.sleep(1)
        assert printed_to(end) == b""


def test_elsewhere_each_activity_is_a_line_unless_quiet(monkeypatch):
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", printed)
    with activity("loading a model"), activity("x" * 1000):
        pass
    assert printed.getvalue().splitlines()[0] == "loading a model …"
    assert len(printed.getvalue()) < 300
    monkeypatch.setenv(QUIET, "1")
    before = printed.getvalue()
    with activity("loading a model"):
        pass
    assert printed.getvalue() == before


def lives(watched):
    assert watched.first < FIRST_SECONDS
    assert watched.silence < SILENCE_SECONDS
    return watched


@pytest.mark.slow  # beside other programs an import may hold the interpreter for longer
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["report", "tiny", "--output", "REPORT"], "writing the report of tiny"),
        (["lens", "a good film", "--model", "MODEL"], "reading the states of"),
        (["predict", "--model", "vocabsem-made", "a good film"], "loading vocabsem-made/1"),
        (["predict", "--model", "vocabsem-made", "--input", "ROWS", "--output", "SCORED"], ""),
        (["init-dataset", "ROWS", "--text", "text", "--label", "label", "--model", "MODEL", "--output", "CARD"], ""),
        (["plan", "EXPERIMENT"], ""),
        (["leaderboard", "tiny"], ""),
        (["export", "states", "--dataset", "made", "--model", "tiny-llama", "--output", "STATES"], ""),
    ],
    ids=["report", "lens", "predict", "predict-file", "init-dataset", "plan", "leaderboard", "export"],
)
def test_commands_show_what_they_are_at(ran, tmp_path, words, shown):
    world, _ = ran
    made = {"REPORT": "report.html", "SCORED": "scored.parquet", "CARD": "card.yaml", "STATES": "states.parquet"}
    given = {"MODEL": "model.yaml", "ROWS": "train.jsonl", "EXPERIMENT": "experiment.yaml"}
    paths = {word: tmp_path / name for word, name in made.items()}
    paths |= {word: world.folder / name for word, name in given.items()}
    done = lives(run_in_terminal(*(paths.get(word, word) for word in words), VOCABSEM_HOME=str(world.home.root)))
    assert done.code == 0, done.text
    assert not shown or re.search(rf"{shown}[^,]*, \d+ s", done.text)
    assert done.text.endswith("\n") or done.text.endswith(ERASE.decode()), done.text[-200:]


@pytest.mark.slow
def test_a_run_shows_every_stage(tmp_path):
    world = with_store(World(tmp_path))
    environment = {"VOCABSEM_HOME": str(world.home.root), "PREFECT_API_URL": server()}
    done = lives(run_in_terminal("run", world.card, **environment))
    assert done.code == 0, done.text
    assert "logging the run to MLflow" in done.text
    quiet = run_in_terminal("run", world.card, "--quiet", **environment)
    assert quiet.code == 0
    assert ERASE.decode() not in quiet.text
