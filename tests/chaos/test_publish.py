"""SIGKILL at every step of the publish protocol and of the catalog's rebuilding, and at random moments."""

import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from warehouse.catalog.catalog import query, rebuild
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

ROOT = Path(__file__).parent.parent.parent


def kill_everywhere(scenario, folder):
    """The names of the steps at which a process was killed; fails if one of them did not recover."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.publisher", scenario, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_killed_at_any_step_of_publishing_nothing_is_lost_or_half_seen(tmp_path, cases):
    steps = kill_everywhere("fresh", tmp_path)
    assert {
        "before making folder",
        "before writing part temporary",
        "in the middle of writing part temporary",
        "before closing part temporary",
        "before syncing part temporary",
        "before renaming part temporary",
        "before syncing folder",
        "before renaming sidecar temporary",
        "in the middle of writing manifest.json temporary",
        "before syncing manifest.json temporary",
        "before renaming manifest.json temporary",
        "before removing sidecar",
    } <= set(steps)
    assert len(steps) > 30
    cases(len(steps))


def test_killed_at_any_step_of_a_repair_nothing_is_lost_or_half_seen(tmp_path, cases):
    steps = kill_everywhere("repair", tmp_path)
    assert {
        "before removing manifest.json",
        "before renaming part temporary",
        "before renaming sidecar temporary",
    } <= set(steps)
    cases(len(steps))


@pytest.mark.slow
def test_killed_at_any_step_of_rebuilding_the_catalog_the_old_one_stays(tmp_path, cases):
    steps = kill_everywhere("rebuild", tmp_path)
    assert {"before running tables.sql", "before running results.sql"} <= set(steps)
    assert {"before syncing warehouse.duckdb temporary", "before renaming warehouse.duckdb temporary"} <= set(steps)
    cases(len(steps))


WRITER = """
    import sys
    from pathlib import Path
    import pyarrow as pa
    from warehouse.home import Home
    from warehouse.lake.keys import partition_key
    from warehouse.lake.partition import Lake

    lake = Lake(Home(Path(sys.argv[1])))
    print("ready", flush=True)
    for number in range(60):
        partition = lake.partition("toys", partition_key({"number": number}), model="tiny")
        if not partition.published:
            names = [f"part-{part}.parquet" for part in range(3)]
            table = pa.table({"x": [number] * 1000})
            entries = [partition.finished(name) or partition.write_table(name, table) for name in names]
            partition.publish(entries, payload={"number": number})
    print("done", flush=True)
"""


def test_killed_at_random_moments_the_work_ends_as_if_it_had_not_been(tmp_path, cases):
    generator, home, kills = random.Random(0), Home(tmp_path / "home"), 0
    for _ in range(200):
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(home.root)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout.readline() == "ready\n"
        time.sleep(generator.uniform(0.005, 0.15))
        if kills < 6:
            writer.kill()
            kills += 1
        rest = writer.communicate()[0]
        for manifest in Lake(home).manifests():
            Lake(home).of(manifest).verify()
        if rest == "done\n":
            break
    manifests = list(Lake(home).manifests())
    assert sorted(manifest.payload["number"] for manifest in manifests) == list(range(60))
    for manifest in manifests:
        assert Lake(home).of(manifest).table()["x"].to_pylist() == [manifest.payload["number"]] * 3000
    rebuild(home)
    assert query(home, "select sum(rows)::bigint as n from partitions")["n"].to_pylist() == [180_000]
    cases(kills)
