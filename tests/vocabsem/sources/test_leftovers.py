"""A cache after kills: what nobody will finish goes, what another process is at stays."""

import os

import pytest
from filelock import FileLock

from vocabsem.sources.leftovers import sweep_leftovers


@pytest.fixture
def cache(tmp_path):
    for folder in ("receipts", "models/ab12.tmp-00ff", "models/ab12", "locks", "pypi/.partial-cd34"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("receipts/cd34.json", "receipts/cd34.json.tmp-00ff", "receipts/young.json.tmp-00ff"):
        (tmp_path / file).touch()
    (tmp_path / "models" / "ab12.tmp-00ff" / "model.safetensors").write_bytes(b"half")
    os.utime(tmp_path / "receipts" / "cd34.json.tmp-00ff", (0, 0))
    return tmp_path


def left(cache):
    return {path.relative_to(cache).as_posix() for path in cache.rglob("*") if not path.name.endswith(".lock")}


WHOLE = {"receipts", "receipts/cd34.json", "models", "models/ab12", "locks", "pypi"}
YOUNG = {"receipts/young.json.tmp-00ff"}


def test_parts_of_downloads_models_and_receipts_go(cache):
    sweep_leftovers(cache)
    assert left(cache) - {"locks/cd34"} == WHOLE | YOUNG


def test_what_another_process_is_at_stays(cache):
    with FileLock(cache / "models" / "ab12.lock"), FileLock(cache / "locks" / "cd34"):
        before = left(cache)
        sweep_leftovers(cache)
    assert before - left(cache) == {"receipts/cd34.json.tmp-00ff"}


def test_no_cache_is_no_error(tmp_path):
    sweep_leftovers(tmp_path / "none")
    assert not (tmp_path / "none").exists()
