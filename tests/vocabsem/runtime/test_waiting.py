"""A lock that another process has: who waits says for what, within three seconds."""

import subprocess
import sys

import pytest
from filelock import FileLock, Timeout

from vocabsem.runtime.waiting import held

HOLDER = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(3)
"""


def test_a_free_lock_is_silent(tmp_path, capsys):
    with held(tmp_path / "lock", "fetches it"):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_wait_is_reported_and_ends_with_the_lock(tmp_path, capsys):
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with held(tmp_path / "lock", "fetches it"):
            assert other.wait(20) == 0
    assert capsys.readouterr().err == "waiting for another process, which fetches it\n"


def test_a_limit_ends_the_wait(tmp_path):
    with FileLock(tmp_path / "lock"), pytest.raises(Timeout), held(tmp_path / "lock", "fetches it", timeout=0.1):
        pass
