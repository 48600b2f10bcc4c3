import os
import time
from datetime import timedelta

import pytest

from warehouse.cache import sweep_cache
from warehouse.home import Home

DAYS = timedelta(days=30)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    for name in ("pypi/old-1.0/a/rows.csv", "models/new/model.safetensors", "hub/read/x.json", "receipts/old.json"):
        path = home.cache / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 1000)
        os.utime(path, (then := time.time() - 40 * 86400, then))
    os.utime(home.cache / "models/new/model.safetensors")
    os.utime(home.cache / "hub/read/x.json", (time.time(), then))
    return home


def test_what_nothing_read_for_a_month_is_removed_and_counted(home):
    assert sweep_cache(home, DAYS) == [(home.cache / "pypi/old-1.0", 1000)]
    left = sorted(str(path.relative_to(home.cache)) for path in home.cache.rglob("*") if path.is_file())
    assert left == ["hub/read/x.json", "models/new/model.safetensors", "receipts/old.json"]
    assert sweep_cache(home, DAYS) == []


def test_a_link_to_another_homes_cache_is_left_alone(home, tmp_path):
    other = Home(tmp_path / "other")
    other.root.mkdir()
    other.cache.symlink_to(home.cache)
    assert sweep_cache(other, DAYS) == []
    assert (home.cache / "pypi/old-1.0").exists()


def test_a_home_without_a_cache_has_nothing_to_remove(tmp_path):
    assert sweep_cache(Home(tmp_path), DAYS) == []
