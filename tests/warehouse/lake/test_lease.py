"""A lease: held by one, named to those who wait, taken over from the dead, handed on in turn."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from warehouse.errors import WriterBusy
from warehouse.lake.lease import lease, leases, sweep_leases

HOLDER = """
    import sys, time
    from pathlib import Path
    from warehouse.lake.lease import lease
    with lease(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
"""


def holder(path, seconds):
    words = [sys.executable, "-c", textwrap.dedent(HOLDER), str(path), str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_who_waits_knows_for_whom(tmp_path):
    first, owners = holder(tmp_path / "x" / "lease", 2), []
    with lease(tmp_path / "x" / "lease", waiting=owners.append):
        first.communicate(timeout=20)
        assert first.returncode == 0
    assert len(owners) == 1
    assert owners[0].startswith(f"pid {first.pid} on ")
    assert not list((tmp_path / "x").iterdir()), "nothing stays"


def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path):
    first = holder(tmp_path / "lease", 60)
    with (
        pytest.raises(WriterBusy, match=rf"is held by pid {first.pid} .*waited 0\.2 s"),
        lease(tmp_path / "lease", timeout=0.2),
    ):
        pass
    first.kill()
    first.communicate()
    began, owners = time.monotonic(), []
    with lease(tmp_path / "lease", waiting=owners.append):
        assert time.monotonic() - began < 10, "not the minute after which another machine's is stale"


def test_an_owner_that_comes_back_at_once_waits_behind_the_others(tmp_path):
    """Two loops share the turns; without a queue the one that holds it keeps it."""
    turns, stop = {"a": 0, "b": 0}, threading.Event()

    def loop(name):
        while not stop.is_set():
            with lease(tmp_path / "lease"):
                turns[name] += 1
                time.sleep(0.02)

    threads = [threading.Thread(target=loop, args=(name,)) for name in turns]
    for thread in threads:
        thread.start()
    time.sleep(3)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert max(turns.values()) <= 3 * min(turns.values()) + 3, turns


def test_the_shots_of_a_method_share_a_lease_and_no_order_of_folders_blocks(tmp_path):
    folders = [tmp_path / f"method={m}" / f"shots={s}" / "key=0" for m in "ba" for s in (0, 4)]
    with leases(folders, waiting=print):
        assert sorted(path.parent.name for path in tmp_path.rglob("lease")) == ["method=a", "method=b"]
    assert not list(tmp_path.rglob("lease*"))


def test_the_leases_of_the_dead_are_swept_and_those_of_the_living_stay(tmp_path):
    """Also a queue's, one whose owner had not written its name yet, and what a take-over that was cut off set aside."""
    living, dead = tmp_path / "living", tmp_path / "dead"
    first, second, next_in_turn = (holder(path, 60) for path in (living / "lease", dead / "lease", dead / "lease.next"))
    for process in (second, next_in_turn):
        process.kill()
        process.communicate()
    (dead / f"lease.break.{second.pid}.{'0' * 32}").write_bytes((dead / "lease").read_bytes())
    unnamed = tmp_path / "unnamed" / "lease"
    unnamed.parent.mkdir()
    unnamed.touch()
    os.utime(unnamed, (0, 0))
    try:
        assert sweep_leases(tmp_path) == [dead / "lease", dead / "lease.next", unnamed]
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [living / "lease"]
    finally:
        first.kill()
        first.communicate()


def test_a_lease_without_a_name_is_taken_over_once_its_owner_should_have_written_it(tmp_path):
    (tmp_path / "lease").touch()
    with pytest.raises(WriterBusy), lease(tmp_path / "lease", timeout=0.2):
        pass
    with lease(tmp_path / "lease", timeout=20):
        pass
    assert not list(tmp_path.iterdir())
