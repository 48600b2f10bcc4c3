"""Progress where there is no terminal: counted from any thread, reported at the end, shown to the server."""

import io
import multiprocessing
import re
import time
from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor

import httpx
import pytest
from prefect import flow
from rich.console import Console

from flows.execution import progress as module
from flows.execution.progress import progress
from tests.tasks.worlds import login, server


@pytest.fixture
def messages(world, recorded, monkeypatch):
    """Runs a function in a flow; returns what was printed, to no terminal or to one."""

    def run(work, terminal=False):
        out = io.StringIO()
        monkeypatch.setattr(module, "console", Console(file=out, force_terminal=terminal, width=120))
        with recorded(world.home):
            flow(work, name="working")()
        return out.getvalue()

    return run


def shown(title):
    """The percentage of the artifact with this description."""
    query = {"sort": "CREATED_DESC", "limit": 50}
    result = httpx.post(f"{server()}/artifacts/filter", json=query, auth=login(), trust_env=False).json()
    return next(one["data"] for one in result if one["description"] == title)


def test_work_of_many_threads_is_added_up(messages):
    def work():
        with progress("threads", 400) as file, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: file.advance(1, 10), range(400)))

    assert re.search(r"threads: 400 of 400, [\d,]+ tokens/s", messages(work))
    assert shown("threads") == 100.0


def _add(file):
    for _ in range(100):
        file.advance(1, 10)


@pytest.mark.slow
def test_work_of_many_processes_is_added_up(messages):
    def work():
        context = multiprocessing.get_context("spawn")
        with progress("processes", 400) as file, ProcessPoolExecutor(2, context) as pool:
            list(pool.map(_add, [file] * 4))

    assert re.search(r"processes: 400 of 400, [\d,]+ tokens/s", messages(work))


def test_an_end_before_the_total_is_shown_as_it_is(messages):
    def work():
        with progress("short", 8) as file:
            file.advance(2)

    messages(work)
    assert shown("short") == 25.0


def test_threads_end_when_the_run_is_stopped(messages):
    def work():
        with ThreadPoolExecutor(1) as pool, progress("stopped", 8) as file:

            def steps():
                while True:
                    file.advance(0)
                    time.sleep(0.001)

            ended.append(pool.submit(steps))
            raise KeyboardInterrupt

    ended = []
    with pytest.raises(KeyboardInterrupt):
        messages(work)
    with pytest.raises(CancelledError, match="the run was stopped"):
        ended[0].result(timeout=10)


def test_an_error_passes_through(messages):
    def work():
        with progress("failing", 8) as file:
            file.advance(2)
            raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        messages(work)
    assert shown("failing") < 100.0


def test_nothing_to_do_is_done(messages):
    def work():
        with progress("nothing", 0):
            pass

    messages(work)
    assert shown("nothing") == 100.0


def test_a_terminal_shows_a_bar(messages):
    def work():
        with progress("bar", 3) as file:
            file.advance(3, 50)

    out = messages(work, terminal=True)
    assert "3/3" in out
    assert "tokens/s" in out


def test_lines_are_few(messages):
    def work():
        with progress("quiet", 1000) as file:
            for _ in range(1000):
                file.advance(1)

    assert messages(work).count("\n") == 1
