"""Temporary files of a process that runs flows: in the home, removed with its block, or by the next start."""

import tempfile
from pathlib import Path

import pytest

from flows.services.ghosts import ghosts, marked
from warehouse.home import Home
from warehouse.process import this_process


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_temporary_files_are_in_the_home_and_leave_with_the_block_unless_it_is_interrupted(tmp_path, error):
    """An interruption does not wait for the threads that still write there."""
    home, before = Home(tmp_path), tempfile.gettempdir()
    try:
        with marked(home):
            made = Path(tempfile.mkdtemp())
            assert made.parent == home.temporary / this_process()
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert tempfile.gettempdir() == before
    left = [this_process()] if error is KeyboardInterrupt else []
    assert [path.name for path in home.temporary.iterdir()] == left
    assert [path.name for path in (home.prefect / "processes").iterdir()] == left
    assert ghosts(home) == [], "this process still runs"
