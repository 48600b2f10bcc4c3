import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from warehouse.errors import NoSpace
from warehouse.lake import atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_and_leaves_no_temporary(tmp_path):
    atomic.write(tmp_path / "a", b"one")
    atomic.write(tmp_path / "a", memoryview(b"two two"))
    atomic.write(tmp_path / "empty", b"")
    assert (tmp_path / "a").read_bytes() == b"two two"
    assert names(tmp_path) == ["a", "empty"]


def test_the_order_is_write_close_reopen_check_sync_rename_sync(tmp_path, monkeypatch):
    events = []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor):
        events.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name.split('.tmp-')[0]}")
        sync(descriptor)

    def replace(self, target):
        events.append("rename")
        return rename(self, target)

    def accept(file):
        assert file.read() == b"content"
        assert not (tmp_path / "a").exists()
        events.append("check")

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    atomic.write(tmp_path / "a", b"content", accept=accept)
    assert events == ["check", "sync a", "rename", f"sync {tmp_path.name}"]


def test_a_refused_file_changes_nothing(tmp_path):
    atomic.write(tmp_path / "a", b"old")

    def refuse(file):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.write(tmp_path / "a", b"new", accept=refuse)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_refusing_disk_is_explained_and_leaves_nothing(tmp_path, monkeypatch, step, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), refuse)
    with pytest.raises(NoSpace) as refused, atomic.translate_os_errors(tmp_path / "a", 12_345_678):
        atomic.write(tmp_path / "a", b"x")
    message = str(refused.value)
    assert "cannot write a (12 MB)" in message
    assert str(tmp_path) in message
    assert "free)" in message
    assert "VOCABSEM_HOME" in message
    assert names(tmp_path) == []


def test_other_errors_pass_unexplained(tmp_path):
    with pytest.raises(FileNotFoundError), atomic.translate_os_errors(tmp_path / "a", 1):
        atomic.write(tmp_path / "missing" / "a", b"x")


def test_a_file_larger_than_allowed_is_explained_and_leaves_nothing(tmp_path):
    script = f"""
        import resource
        from pathlib import Path
        from warehouse.lake import atomic
        from warehouse.errors import NoSpace
        path = Path({str(tmp_path)!r}) / "a"
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        atomic.write(path, b"x" * 100_000)
        try:
            with atomic.translate_os_errors(path, 100_001):
                atomic.write(path, b"y" * 100_001)
        except NoSpace as error:
            raise SystemExit(f"refused: {{error}}")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("refused: cannot write a (100 kB)")
    assert (tmp_path / "a").read_bytes() == b"x" * 100_000
    assert names(tmp_path) == ["a"]


def test_a_full_disk_is_explained_and_leaves_nothing(tmp_path):
    """On a file system of its own where we may mount one: the system's own ENOSPC, in the middle of a write."""
    script = f"""
        mount -t tmpfs -o size=256k none {tmp_path} || exit 77
        exec {sys.executable} - <<'END'
import os
from pathlib import Path
from warehouse.lake import atomic
from warehouse.errors import NoSpace
path = Path({str(tmp_path)!r}) / "a"
atomic.write(path, b"x" * 1000)
try:
    with atomic.translate_os_errors(path, 1_000_000):
        atomic.write(path, b"y" * 1_000_000)
except NoSpace as error:
    assert os.listdir(path.parent) == ["a"] and path.read_bytes() == b"x" * 1000
    raise SystemExit(f"refused: {{error}}")
END
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    if "refused" not in done.stderr and (done.returncode == 77 or "unshare" in done.stderr):
        pytest.skip("this process may not mount a file system")
    assert "No space left on device" in done.stderr
    assert "free some space" in done.stderr


def test_make_folder_syncs_every_new_parent(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(atomic, "sync_folder", synced.append)
    atomic.make_folder(tmp_path / "a" / "b")
    atomic.make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]


def test_the_lock_is_exclusive_and_freed_by_death(tmp_path):
    script = f"""
        import os, sys, time
        from pathlib import Path
        from warehouse.lake import atomic
        with atomic.locked(Path({str(tmp_path)!r})):
            print("held", flush=True)
            time.sleep(60)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    waiting = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script).replace("time.sleep(60)", "pass")], stdout=subprocess.PIPE
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1.5)
    child.kill()
    child.wait()
    assert waiting.wait(30) == 0
    child.stdout.close()
    waiting.stdout.close()


def test_a_folder_removed_while_we_wait_is_made_again(tmp_path, monkeypatch):
    folder = tmp_path / "key=1"
    folder.mkdir()
    real, calls = atomic.fcntl.flock, []

    def flock(descriptor, how):
        if not calls:
            folder.rmdir()  # as the sweeper does, which held the lock before us
        calls.append(how)
        real(descriptor, how)

    monkeypatch.setattr(atomic.fcntl, "flock", flock)
    with atomic.locked(folder):
        atomic.write(folder / "a", b"x")
    assert len(calls) == 2
    assert (folder / "a").exists()
