"""Temporary files of a process that runs flows: in the home, removed with its block, or by the next start."""

import os
import platform
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from flows.services.ghosts import close_ghosts, ghosts, marked
from warehouse.home import Home
from warehouse.process import lock, this_process


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
    with marked(home):  # an interrupted one does not stand in the way of the next
        assert ghosts(home) == []


def test_processes_of_the_version_before_are_known_by_their_id(tmp_path):
    """Their names have no `@`, and their files no lock."""
    home, (_, pid, started) = Home(tmp_path), this_process().split()
    folder = home.prefect / "processes"
    folder.mkdir(parents=True)
    lives, gone = f"{platform.node()} {pid} {started}", f"{platform.node()} {2**22 + 1} {started}"
    for name in (lives, gone, this_process(), f"another-host {2**22 + 1} {started}"):
        (folder / name).touch()
    assert [file.name for file in ghosts(home)] == [gone]


def test_those_of_a_process_that_is_gone_are_removed_by_the_next_start_and_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("prefect.client.orchestration.get_client", MagicMock())  # a server without flow runs
    closed = []
    monkeypatch.setattr("flows.services.ghosts.close_abandoned", lambda home, gone: closed.extend(gone))
    home, host = Home(tmp_path), this_process().split()[0]
    gone = f"{host} {2**22 + 1} 1.00"  # above the largest process id
    there, elsewhere = f"{platform.node()}@0123456789ab 1 1.00", "another-host@0123456789ab 1 1.00"
    restarted = f"{platform.node()}@ba9876543210 1 1.00"  # a container that is gone: nobody has its file locked
    for process in (gone, restarted, there, elsewhere, this_process()):
        for folder in (home.prefect / "processes", home.temporary / process):
            folder.mkdir(parents=True, exist_ok=True)
        (home.prefect / "processes" / process).touch()
        (home.temporary / process / "weights.safetensors").touch()
    held = [lock(home.prefect / "processes" / process) for process in (there, this_process())]
    close_ghosts(home)
    assert sorted(closed) == sorted([gone, restarted])
    left = sorted([there, elsewhere, this_process()])
    assert sorted(path.name for path in home.temporary.iterdir()) == left
    assert sorted(path.name for path in (home.prefect / "processes").iterdir()) == left
    for descriptor in held:
        os.close(descriptor)
