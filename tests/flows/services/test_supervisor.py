"""A supervised command ends with its starter, whichever way the starter ends, and takes its children with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.services import supervisor

# a command with a child of its own; both write their ids, then sleep
FAMILY = (
    "import subprocess, sys, os, time, pathlib\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "path = pathlib.Path(sys.argv[1]); part = path.with_suffix('.part')\n"
    "part.write_text(f'{os.getpid()} {child.pid}'); part.replace(path)\n"
    "time.sleep(float(sys.argv[2]))\n"
)
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FAMILY
STARTER = (
    "import signal, subprocess, sys\n"
    "subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)\n"
    "signal.pause()\n"
)


def supervised(code, path, seconds=600.0):
    return [sys.executable, supervisor.__file__, sys.executable, "-c", code, str(path), str(seconds)]


def family(path):
    wait_for(path.exists)
    return [psutil.Process(int(number)) for number in path.read_text().split()]


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def gone(processes):
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes)


def test_closing_its_input_ends_the_whole_family(tmp_path):
    held = subprocess.Popen(supervised(FAMILY, tmp_path / "ids"), stdin=subprocess.PIPE, start_new_session=True)
    processes = family(tmp_path / "ids")
    assert all(process.is_running() for process in processes)
    held.stdin.close()
    held.wait(timeout=10)
    wait_for(lambda: gone(processes))


def test_killing_the_starter_ends_the_whole_family(tmp_path):
    starter = subprocess.Popen([sys.executable, "-c", STARTER, *supervised(FAMILY, tmp_path / "ids")])
    processes = family(tmp_path / "ids")
    starter.kill()
    starter.wait()
    wait_for(lambda: gone(processes))


def test_when_the_command_ends_its_children_do_and_so_does_the_supervisor(tmp_path):
    held = subprocess.Popen(supervised(FAMILY, tmp_path / "ids", 0.5), stdin=subprocess.PIPE, start_new_session=True)
    processes = family(tmp_path / "ids")
    held.wait(timeout=10)
    wait_for(lambda: gone(processes))
    held.stdin.close()


def test_one_that_will_not_end_is_killed(tmp_path):
    patient = "import sys; sys.path.insert(0, {!r}); import supervisor; "
    patient += "supervisor.GRACE_SECONDS = 0.5; supervisor.main(sys.argv[1:])"
    code = patient.format(str(Path(supervisor.__file__).parent))
    command = [sys.executable, "-c", code, *supervised(STUBBORN, tmp_path / "ids")[2:]]
    held = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    processes = family(tmp_path / "ids")
    began = time.monotonic()
    _, output = held.communicate(timeout=10)
    assert 0.5 <= time.monotonic() - began < 5
    assert b"did not end in 0.5 s and is killed" in output
    wait_for(lambda: gone(processes))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_for_the_starters_group_does_not_reach_it(tmp_path, number):
    command = [sys.executable, "-c", STARTER, *supervised(FAMILY, tmp_path / "ids")]
    starter = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    processes = family(tmp_path / "ids")
    assert all(os.getpgid(process.pid) != os.getpgid(starter.pid) for process in processes)
    os.killpg(starter.pid, number)
    starter.wait(timeout=10)
    wait_for(lambda: gone(processes))
