"""Rows that are mapped from a file of the cache: written once, whole or not at all, never written to."""

import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import pytest

from tests.conftest import ROOT
from warehouse.cache import sweep_cache
from warehouse.home import Home
from warehouse.lake.atomic import TEMPORARY
from warehouse.lake.mapped import mapped_rows

KEY = "ab" * 32


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)


def unread():
    raise AssertionError("the blocks are read again")


def file_of(home):
    return home.cache / "states" / f"{KEY}.npy"


def test_blocks_are_written_once_and_mapped_by_all_that_follow(home, rows):
    first = mapped_rows(home, KEY, rows.shape, lambda: iter((rows[:7], rows[7:])))
    again = mapped_rows(home, KEY, rows.shape, unread)
    for mapped in (first, again):
        np.testing.assert_array_equal(mapped, rows)
        assert type(mapped) is np.ndarray
        with pytest.raises(ValueError, match="read-only"):
            mapped[0] = 0
    assert [path.name for path in file_of(home).parent.iterdir()] == [f"{KEY}.npy"]
    np.testing.assert_array_equal(np.load(file_of(home)), rows)


def test_columns_of_wider_blocks_are_written_row_by_row(home, rows):
    wide = np.hstack([rows, rows])
    np.testing.assert_array_equal(mapped_rows(home, KEY, rows.shape, lambda: [wide[:, 4:]]), rows)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"no array"])
def test_a_file_that_is_damaged_is_written_anew(home, rows, damage):
    file_of(home).parent.mkdir(parents=True)
    file_of(home).write_bytes(damage)
    np.testing.assert_array_equal(mapped_rows(home, KEY, rows.shape, lambda: [rows]), rows)


def test_a_file_that_is_cut_or_of_another_shape_is_written_anew(home, rows):
    mapped_rows(home, KEY, rows.shape, lambda: [rows])
    os.truncate(file_of(home), file_of(home).stat().st_size - 1)
    np.testing.assert_array_equal(mapped_rows(home, KEY, rows.shape, lambda: [rows]), rows)
    np.testing.assert_array_equal(mapped_rows(home, KEY, (5, 8), lambda: [rows.reshape(5, 8)]), rows.reshape(5, 8))


@pytest.mark.parametrize("offset", [20, -100, -1])
def test_a_file_with_a_flipped_bit_is_written_anew(home, rows, offset):
    mapped_rows(home, KEY, rows.shape, lambda: [rows])
    content = bytearray(file_of(home).read_bytes())
    content[offset] ^= 1
    file_of(home).write_bytes(content)
    np.testing.assert_array_equal(mapped_rows(home, KEY, rows.shape, lambda: [rows]), rows)
    np.testing.assert_array_equal(mapped_rows(home, KEY, rows.shape, unread), rows)


def test_what_fails_on_the_way_leaves_no_file(home, rows):
    def broken():
        yield rows[:7]
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        mapped_rows(home, KEY, rows.shape, broken)
    assert list(file_of(home).parent.iterdir()) == []


def test_one_of_several_writes_and_the_others_wait_for_its_file(home, rows):
    written, barrier = [], threading.Barrier(4)

    def blocks():
        written.append(threading.get_ident())
        yield rows[:5]
        time.sleep(0.2)
        yield rows[5:]

    def mapped(_):
        barrier.wait()
        return mapped_rows(home, KEY, rows.shape, blocks)

    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(mapped, range(4)):
            np.testing.assert_array_equal(each, rows)
    assert len(written) == 1


def test_what_a_killed_writer_left_is_removed_by_the_next(home, rows):
    file_of(home).parent.mkdir(parents=True)
    (file_of(home).parent / f"{'cd' * 32}.npy{TEMPORARY}1").write_bytes(b"half")
    mapped_rows(home, KEY, rows.shape, lambda: [rows])
    assert list(file_of(home).parent.iterdir()) == [file_of(home)]


def test_rows_stay_mapped_when_the_sweep_removes_their_file(home, rows):
    mapped = mapped_rows(home, KEY, rows.shape, lambda: [rows])
    os.utime(file_of(home), (then := time.time() - 40 * 86400, then))
    size = file_of(home).stat().st_size
    assert sweep_cache(home, timedelta(days=30)) == [(file_of(home), size)]
    np.testing.assert_array_equal(mapped, rows)


READER = """
import sys
import numpy as np
from pathlib import Path
from warehouse.home import Home
from warehouse.lake.mapped import mapped_rows
rows = np.arange(40, dtype=np.float32).reshape(10, 4)
mapped = mapped_rows(Home(Path(sys.argv[1])), "ab" * 32, rows.shape, lambda: iter((rows[:7], rows[7:])))
assert not mapped.flags.writeable and (mapped == rows).all()
print(any(sys.argv[2] in line for line in open("/proc/self/maps")))
"""
UNPRIVILEGED = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override"]


@pytest.mark.medium
@pytest.mark.skipif(not os.geteuid() and not shutil.which("setpriv"), reason="root writes everywhere")
@pytest.mark.parametrize("made", ["", "cache", "cache/states"])
def test_a_home_that_may_only_be_read_has_its_rows_in_a_file_without_a_name(tmp_path, made):
    home, aside = tmp_path / "home", tmp_path / "aside"
    aside.mkdir()
    (home / made).mkdir(parents=True)
    for folder in (home / made, home):
        folder.chmod(0o555)
    done = subprocess.run(
        [*UNPRIVILEGED, sys.executable, "-c", READER, home, aside],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(aside)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert not list(aside.iterdir())
    assert sorted(path.name for path in home.rglob("*")) == made.split("/") * bool(made)


def test_a_cache_that_has_the_rows_is_read_where_it_is(home, rows):
    mapped_rows(home, KEY, rows.shape, lambda: [rows])
    file_of(home).parent.chmod(0o555)
    np.testing.assert_array_equal(mapped_rows(home, KEY, rows.shape, unread), rows)
