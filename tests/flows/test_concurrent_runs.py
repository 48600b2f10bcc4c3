"""Five processes at once on a fresh home compute each partition once, and record one run."""

from functools import partial

import pytest

from tasks.tracking.runs import PARENT
from tasks.tracking.store import store
from tests.flows.command import Command
from tests.tasks.worlds import World, server, with_store
from warehouse.lake.partition import Partition

pytestmark = pytest.mark.medium

FEW = {"methods": ["zero_shot", "centroid"], "shots": [0, 4], "seeds": [0]}


def log_writes(file):
    """Append to `file` the path of every file that this process writes into the lake."""
    real = Partition._write

    def logged(self, name, data, rows):
        with file.open("a") as log:
            log.write(f"{self}/{name}\n")
        return real(self, name, data, rows)

    Partition._write = logged


@pytest.mark.parametrize(
    "empty", [pytest.param(False, id="one-server"), pytest.param(True, id="nothing-there", marks=pytest.mark.slow)]
)
def test_each_partition_is_computed_once_and_one_run_is_recorded(empty, tmp_path):
    """Also in a folder where nothing is, each process with a Prefect server of its own and databases to make."""
    world, log = World(tmp_path, experiment=FEW), tmp_path / "writes"
    world, api = (world, None) if empty else (with_store(world), server())
    each = [Command(world.home, "run", world.card, api=api, before=partial(log_writes, log)) for _ in range(5)]
    done = [command.wait() for command in each]
    assert [one.returncode for one in done] == [0] * 5, [one.stderr for one in done]
    assert len({one.stdout for one in done}) == 1, "all print the same board"
    waited = [one for one in done if "waiting for pid " in one.stderr]
    assert waited, "who starts when all is nearly published need not wait"
    assert all(", which computes experiment 'tiny'" in one.stderr for one in waited)
    (computed,) = [one for one in done if "methods fitted" in one.stderr or "states of" in one.stderr]
    assert computed not in waited
    written = log.read_text().splitlines()
    assert len(written) == len(set(written)), "each file is written once"
    plan = world.plan()
    assert plan.done
    assert len(list(plan.lake.manifests("runs"))) == 1
    with store(world.home) as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments)
        assert len([run for run in runs if PARENT not in run.data.tags]) == 1
        assert len(runs) == 1 + len({fit.name for fit in plan.fits})
        (version,) = client.search_model_versions()
        assert client.get_registered_model(version.name).aliases == {"champion": version.version}
    assert not list(world.home.lake.rglob("lease*"))


def test_two_cards_on_the_same_states_extract_them_once(tmp_path):
    world, log = with_store(World(tmp_path, experiment=FEW)), tmp_path / "writes"
    other = ("--set", "name=other", "--set", "shots=[4]")
    options = {"api": server(), "before": partial(log_writes, log)}
    each = [Command(world.home, "run", world.card, *more, **options) for more in ((), other, (), other)]
    done = [command.wait() for command in each]
    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
    written = log.read_text().splitlines()
    assert len(written) == len(set(written))
    assert len(list(world.plan().lake.manifests("runs"))) == 2
