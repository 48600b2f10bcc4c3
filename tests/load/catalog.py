"""A catalog of as many runs and predictions as one likes: one fit, published again under the key of each run's seed.

`python -m tests.load.catalog [--runs N] [--rows N]` prints the seconds of building the catalog, of bringing it up to
date after one run more, and of queries: those that are named, and three statements over all predictions.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from flows.planning.plan import Plan
from tasks.fits import fit_method
from tasks.metrics import score
from tasks.record import record_run
from tasks.steps.facts import FitFacts, MetricsFacts, facts_of
from tasks.steps.predictions import calibrator_file, publish_predictions
from tests.load.large import GIVEN, fill, large_world
from tests.tasks.worlds import World
from warehouse.catalog import catalog
from warehouse.catalog.named_queries import named_queries, run_named_query
from warehouse.home import Home
from warehouse.lake.partition import Lake

VALIDATION = 10  # rows that are predicted beside those of the test split
STATEMENTS = {
    "accuracy of each run": "select key, avg((label = predicted)::int) as accuracy from predictions group by all",
    "one example in all runs": "select seed, predicted from predictions where id = 'test-000007' order by seed",
    "most often wrong": "select id, count(*) filter (where label <> predicted) as wrong from predictions group by id"
    " order by wrong desc, id limit 20",
}


def world_of(folder: Path, rows: int) -> World:
    """Return a world with one fit of one method, computed and recorded; it predicts `rows` rows."""
    world = large_world(folder, 8, methods=["centroid"], shots=[4], seeds=[0])
    plan = world.plan()
    fill(plan, {"train": 200, "validation": VALIDATION, "test": rows - VALIDATION})
    (pair,) = plan.pairs
    (fit,) = pair.fits
    fit_method.fn(plan.home, pair.model, pair.dataset, fit.name, [fit.predictions])
    score.fn(plan.home, pair.dataset.name, [(fit.predictions, fit.metrics)])
    _record(plan)
    return world


def add_runs(world: World, seeds: range) -> None:
    """Publish what the first run has, and a record, as of a run with each of the seeds."""
    lake, first = Lake(world.home), world.plan().pairs[0].fits[0]
    source = first.predictions.partition(lake)
    (known,) = facts_of(source.require(), FitFacts).seeds
    answers, metrics = source.table(), first.metrics.partition(lake).table()
    weights = calibrator_file(world.home, first.predictions).read_bytes()
    for seed in seeds:
        plan = world.plan(seeds=[seed])
        (fit,) = plan.pairs[0].fits
        facts = [known.model_copy(update={"seed": seed})]
        publish_predictions(world.home, fit.predictions, [_of_seed(answers, seed)], [], weights, facts)
        fit.metrics.publish(lake, _of_seed(metrics, seed), MetricsFacts())
        _record(plan)


def _of_seed(table: pa.Table, seed: int) -> pa.Table:
    """Return the table with another seed where it has one."""
    seeds = pa.array(np.full(len(table), seed, np.int32), mask=table["seed"].is_null().to_numpy())
    return table.set_column(table.schema.get_field_index("seed"), table.schema.field("seed"), seeds)


def _record(plan: Plan) -> None:
    record_run.fn(plan.home, plan.experiment.model_dump(mode="json"), plan.run, time.time(), "", "none", [])


def subjects(home: Home) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each query by its name."""
    given = GIVEN | {"disagreements": {"method": "centroid", "other": "centroid", "shots": "4"}}
    for name in named_queries():
        yield f"query {name}", lambda name=name: run_named_query(home, name, given.get(name, {}))
    for name, sql in STATEMENTS.items():
        yield f"sql, {name}", lambda sql=sql: catalog.query(home, sql)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(runs: int, rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="runs-") as folder:
        world = world_of(Path(folder), rows)
        sys.stdout.write(f"{runs:,} runs of {rows:,} predictions\n| what | s |\n|---|---|\n")
        made = seconds(lambda: add_runs(world, range(1, runs - 1)))
        built = seconds(lambda: catalog.rebuild(world.home))
        add_runs(world, range(runs - 1, runs))
        sys.stdout.write(f"| the runs, made | {made:.0f} |\n| catalog, built | {built:.2f} |\n")
        steps = [("catalog, brought up to date", lambda: catalog.update(world.home)), *subjects(world.home)]
        for name, work in steps:
            sys.stdout.write(f"| {name} | {seconds(work):.2f} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    from flows.services.environment import set_environment

    parser = argparse.ArgumentParser(prog="python -m tests.load.catalog", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="recorded runs")
    parser.add_argument("--rows", type=int, default=1000, help="predictions of each")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="runs-home-") as home:
        set_environment(home)
        main(given.runs, given.rows)
