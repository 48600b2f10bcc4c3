"""A disk that fills up while the catalog is written: the old catalog stays, and the same command heals."""

import pytest

from tests.warehouse.disks import largest_file, stored
from tests.warehouse.lakes import put_anchors
from warehouse.catalog.catalog import rebuild, update
from warehouse.errors import NoSpace
from warehouse.lake.partition import Lake


@pytest.mark.parametrize("write", [rebuild, update])
@pytest.mark.parametrize("share", [0.02, 0.4, 0.95])
def test_a_catalog_that_does_not_fit_never_replaces_a_good_one(with_catalog, write, share):
    home, content = with_catalog
    put_anchors(Lake(home), "tiny", gauge="centered")
    with largest_file(int(share * len(content))), pytest.raises(NoSpace, match=r"free some space.*what is finished"):
        write(home)
    assert home.catalog.read_bytes() == content
    assert not list(home.root.glob("*.tmp-*"))


def test_with_space_again_the_same_command_heals(with_catalog, tmp_path):
    home, content = with_catalog
    put_anchors(Lake(home), "tiny", gauge="centered")
    for write in (rebuild, update):
        with largest_file(len(content) // 3), pytest.raises(NoSpace):
            write(home)
        assert write(home).partitions == 78
        assert len(stored(home.catalog)["main.partitions"]) == 78


def test_a_catalog_without_all_its_rows_never_replaces_a_good_one(with_catalog, monkeypatch):
    home, content = with_catalog
    counts = iter([{"main.partitions": 78}, {"main.partitions": 77}])
    monkeypatch.setattr("warehouse.catalog.build._row_counts", lambda _: next(counts))
    with pytest.raises(NoSpace, match="does not read back"):
        rebuild(home)
    assert home.catalog.read_bytes() == content


@pytest.fixture
def with_catalog(full, filled):
    """A home of one's own with the filled lake and its catalog, and the content of that."""
    content = filled.catalog.read_bytes()
    full.catalog.write_bytes(content)
    return full, content
