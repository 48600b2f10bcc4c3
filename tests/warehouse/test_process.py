"""Names of processes: containers of one host name differ, and a process is known to have ended only where it ran."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse import process
from warehouse.process import has_ended, is_locked, lock, this_process

NAME = "import json; from warehouse.process import this_process; print(json.dumps(this_process()))"
ENDED = "import json, sys; from warehouse.process import has_ended; print(json.dumps(has_ended(sys.argv[1])))"
CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc"]  # a namespace of process ids, as a container has one


def ran(code, *words, within=()):
    done = subprocess.run([*within, sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_process_that_runs_has_not_ended_and_its_number_alone_is_no_proof():
    host, pid, started = this_process().split()
    assert int(pid) == os.getpid()
    assert host.partition("@")[0] == platform.node()
    assert not has_ended(this_process())
    assert has_ended(f"{host} {pid} {float(started) - 3600:.2f}"), "the number was given again"
    assert has_ended(f"{host} {2**22 + 1} {started}"), "above the largest process id"
    assert not has_ended(f"{platform.node()} {2**22 + 1} {started}"), "of a host of this name, perhaps another"
    assert not has_ended(None)


def test_machines_and_containers_of_one_name_differ_and_a_machine_stays_itself_when_it_starts_again(
    tmp_path, monkeypatch
):
    machine, boot = tmp_path / "machine-id", tmp_path / "boot_id"
    monkeypatch.setattr(process, "_MACHINE", machine)
    monkeypatch.setattr(process, "_BOOT", boot)

    def host(machine_id, boot_id, inner):
        machine.write_text(machine_id)
        boot.write_text(boot_id)
        number = Path("/proc/self/ns/pid").stat().st_ino
        monkeypatch.setattr(process, "_INITIAL_NAMESPACE", 0 if inner else number)
        return this_process().split()[0]

    assert host("a", "1", inner=False) == host("a", "2", inner=False)
    assert len({host("a", "1", False), host("b", "1", False), host("a", "1", True), host("a", "2", True)}) == 4


@pytest.mark.medium
@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*CONTAINER, "true"], check=False, capture_output=True).returncode,
    reason="this machine does not let its user make a namespace of process ids",
)
def test_what_ended_is_known_where_it_ran_and_unknown_in_a_container_of_the_same_host_name():
    gone = ran(NAME)
    assert ran(ENDED, gone) is True
    assert ran(ENDED, gone, within=CONTAINER) is False
    inside = ran(NAME, within=CONTAINER)
    assert inside.split()[0] != gone.split()[0]
    assert ran(ENDED, inside) is False
    assert ran(ENDED, this_process(), within=CONTAINER) is False, "this one runs, and its number is free in there"


def test_a_lock_is_seen_by_all_and_leaves_with_its_process(tmp_path):
    assert not is_locked(tmp_path / "none")
    descriptor = lock(tmp_path / "file")
    assert is_locked(tmp_path / "file")
    os.close(descriptor)
    assert not is_locked(tmp_path / "file")
