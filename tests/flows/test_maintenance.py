"""The lake verified, swept and cataloged; and what is stated when it is damaged."""

import shutil

import pytest

from flows.maintenance import maintenance
from tests.flows.command import command
from tests.flows.test_pipeline import ask
from warehouse.catalog import catalog
from warehouse.errors import CorruptPartition
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium


@pytest.fixture
def home(ran, tmp_path):
    """A copy of the home in which the pipeline ran, without its cache."""
    world, _ = ran
    shutil.copytree(world.home.root, tmp_path / "home", ignore=shutil.ignore_patterns("cache", "mlartifacts"))
    return Home(tmp_path / "home")


def maintain(home, recorded, **parameters):
    with recorded(home):
        return maintenance(home=str(home.root), **parameters)


def page(home):
    pages = ask("artifacts", artifacts={"key": {"any_": ["maintenance"]}}, sort="CREATED_DESC")
    return next(one["data"] for one in pages if str(home.lake) in one["data"])


def damage(home):
    """Flip a byte of a published file; returns the file."""
    lake = Lake(home)
    path = next(lake.of(next(lake.manifests("states"))).path.glob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    return path


def test_a_sound_lake_is_swept_and_cataloged(home, recorded):
    home.catalog.unlink()
    leftover = home.lake / "states" / "model=x" / "dataset=y" / "split=test" / "key=00aa00aa00aa"
    leftover.mkdir(parents=True)
    (leftover / "part-0.parquet.tmp-1").write_bytes(b"half")
    output = maintain(home, recorded)
    assert output.endswith(": all as published")
    assert leftover.exists(), "it is young: a run may be writing it"
    assert maintain(home, recorded, hours=0.0) == output
    assert not leftover.exists()
    count = catalog.query(home, "select count(*) as n from partitions")["n"][0].as_py()
    assert output.startswith(f"{count} partitions, ")
    assert f"{output}\n- catalog: rebuilt\n- leftovers removed: 1\n" in page(home)
    assert str(leftover) in page(home)


def test_damage_fails_the_run_after_the_page_that_lists_it(home, recorded):
    path, before = damage(home), home.catalog.read_bytes()
    with pytest.raises(CorruptPartition, match=rf"1 damaged or missing in .*{path.name} is damaged \(its sha256"):
        maintain(home, recorded)
    assert home.catalog.read_bytes() == before
    assert "not rebuilt" in page(home)
    assert f"## Damaged or missing\n\n- {path} is damaged" in page(home)


def test_the_command_lists_what_is_damaged_and_the_fix_fixes(home):
    done = command(home, "warehouse", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(": all as published\n")
    path = damage(home)
    done = command(home, "warehouse", "verify")
    assert (done.returncode, done.stderr) == (1, "")
    fault, summary = done.stdout.splitlines()
    assert fault.startswith(f"{path} is damaged (its sha256 is ")
    assert summary.endswith(": 1 damaged or missing")
    shutil.rmtree(path.parent)  # as the fault says
    assert command(home, "warehouse", "verify").returncode == 0
