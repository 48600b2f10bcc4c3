"""Temporary files of a process that runs flows: in the home, removed with its block, or by the next start."""

import platform
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from flows.services.ghosts import close_ghosts, ghosts, marked
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


def test_those_of_a_process_that_is_gone_are_removed_by_the_next_start_and_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("prefect.client.orchestration.get_client", MagicMock())  # a server without flow runs
    monkeypatch.setattr("flows.services.ghosts.close_abandoned", lambda home: None)
    home, gone = Home(tmp_path), f"{platform.node()} {2**22 + 1} 1.00"  # above the largest process id
    for process in (gone, this_process()):
        for folder in (home.prefect / "processes", home.temporary / process):
            folder.mkdir(parents=True, exist_ok=True)
        (home.prefect / "processes" / process).touch()
        (home.temporary / process / "weights.safetensors").touch()
    close_ghosts(home)
    assert [path.name for path in home.temporary.iterdir()] == [this_process()]
    assert [path.name for path in (home.prefect / "processes").iterdir()] == [this_process()]
