"""A catalog of many runs: queries and updates as quick as they are promised, and the answers of every run in them."""

import pytest

from tests.load.catalog import STATEMENTS, add_runs, seconds, subjects, world_of
from warehouse.catalog import catalog

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]
MOST = 2.0  # seconds of a query
OTHERS = 3  # times as long as that on a machine that others use


def measured(folder, runs, rows):
    """The seconds of an update by the last of so many runs, and of each query; their predictions are counted."""
    world = world_of(folder, rows)
    add_runs(world, range(1, runs - 1))
    catalog.rebuild(world.home)
    add_runs(world, range(runs - 1, runs))
    update = seconds(lambda: catalog.update(world.home))
    count = catalog.query(world.home, "select count(*) as rows, count(distinct key) as runs from predictions")
    assert count.to_pylist() == [{"rows": runs * rows, "runs": runs}]
    assert len(catalog.query(world.home, STATEMENTS["one example in all runs"])) == runs
    return {"update": update} | {name: seconds(work) for name, work in subjects(world.home)}


def test_a_few_runs_are_queried(tmp_path):
    took = measured(tmp_path, runs=20, rows=100)
    assert {name: each for name, each in took.items() if each > MOST * OTHERS} == {}


@pytest.mark.hours
def test_a_thousand_runs_of_a_million_predictions_are_queried_in_two_seconds(tmp_path, cases):
    took = measured(tmp_path, runs=1000, rows=1000)
    assert {name: each for name, each in took.items() if each > MOST * OTHERS} == {}
    cases(len(took))
