"""A disk with every amount of space left while the catalog is written: all of it is written, or the old one stays."""

import subprocess

import pytest

from tests.warehouse.disks import left, small_disk, stored
from tests.warehouse.lakes import fill, put_anchors
from warehouse.catalog.catalog import rebuild, update
from warehouse.errors import NoSpace
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # on a machine that others use


@pytest.mark.parametrize("write", [rebuild, update])
def test_with_any_space_left_a_catalog_is_whole(tmp_path, write, cases):
    try:
        with small_disk(tmp_path, "32m"):
            cases(write_with_any_space(Home(tmp_path / "home"), write))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no disk can be mounted here: {error.stderr.decode()}")


def write_with_any_space(home, write):
    fill(home)
    rebuild(home)
    before = home.catalog.read_bytes()
    put_anchors(Lake(home), "tiny", gauge="centered")
    rebuild(home)
    whole, written, refused = stored(home.catalog), 0, 0
    size = home.catalog.stat().st_size
    for space in range(size // 50, 3 * size // 2, size // 35):
        home.catalog.write_bytes(before)
        with left(home.root.parent, space):
            try:
                write(home)
            except NoSpace:
                refused += 1
                assert home.catalog.read_bytes() == before, f"{space} bytes left"
            else:
                written += 1
                assert stored(home.catalog) == whole, f"{space} bytes left"
        assert sorted(path.name for path in home.root.iterdir()) == ["lake", "warehouse.duckdb"]
    assert written > 10
    assert refused > 10
    return written + refused
