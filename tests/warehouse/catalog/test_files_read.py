"""Which files a query reads: those of the keys that it asks for, and no others."""

import json
import re

import numpy as np
import pyarrow as pa
import pytest

from tests.warehouse.lakes import put, put_examples, put_run
from warehouse.catalog.catalog import query, rebuild
from warehouse.catalog.named_queries import named_queries
from warehouse.catalog.statements import statement
from warehouse.home import Home
from warehouse.lake.partition import Lake

RUNS, ROWS = 20, 100  # ROWS so many that DuckDB takes the keys for fewer than the rows, as in any lake of real size
METHODS = ("linear_probe", "vocabulary_calibrator", "zero_shot")
SHOTS = ("4", "all")
EVERY = [(method, shots) for method in METHODS for shots in SHOTS]
BEST = ("zero_shot", "all")  # of the highest macro-F1


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A home with runs of six fits each, and the keys of the predictions of the last run's, as paths have them."""
    home = Home(tmp_path_factory.mktemp("runs"))
    lake = Lake(home)
    examples = put_examples(lake, "mr")
    keys = {}
    for run in range(RUNS):
        metrics = []
        for position, (method, shots) in enumerate(EVERY):
            where = {"model": "tiny", "dataset": "mr", "method": method, "shots": shots}
            inputs = {"examples": examples.key}
            table = predictions(np.random.default_rng([run, position]))
            made = put(lake, "predictions", {"part-0.parquet": table}, inputs=inputs, extra=run, **where)
            keys[method, shots] = made.key[:12]
            scored = pa.table(
                {
                    "split": ["test"],
                    "seed": pa.nulls(1, pa.int32()),
                    "metric": ["macro_f1"],
                    **{name: [0.1 * position] for name in ("value", "low", "high", "spread")},
                }
            )
            inputs = {"predictions": made.key}
            metrics.append(put(lake, "metrics", {"part-0.parquet": scored}, inputs=inputs, extra=run, **where))
        put_run(lake, "small", metrics, extra=run)
    rebuild(home)
    return home, keys


def predictions(rng):
    """A table of ROWS test predictions of one seed."""
    probabilities = rng.dirichlet(np.ones(2), ROWS).astype(np.float32)
    return pa.table(
        {
            "id": [f"test-{i}" for i in range(ROWS)],
            "split": ["test"] * ROWS,
            "seed": pa.array([0] * ROWS, pa.int32()),
            "label": pa.array([i % 2 for i in range(ROWS)], pa.int32()),
            "predicted": pa.array(probabilities.argmax(1), pa.int32()),
            "probabilities": pa.array(list(probabilities), pa.list_(pa.float32())),
        }
    )


def scans(node):
    """Yield what DuckDB reports of each scan of Parquet files below a node of its profile."""
    if node.get("extra_info", {}).get("Function") == "READ_PARQUET":
        yield node["extra_info"]
    for below in node.get("children", []):
        yield from scans(below)


def files_read(home, kind, sql, values=None):
    """Return how many files of a kind a query read, and their keys: of more than five the first five."""
    (plan,) = query(home, f"explain (analyze, format json) {sql}", values)["explain_value"].to_pylist()
    scanned = [scan for root in json.loads(plan)["operator"] for scan in scans(root)]
    (scan,) = [each for each in scanned if f"/{kind}/" in each.get("Filename(s)", "")]
    return int(scan["Total Files Read"]), set(re.findall(r"/key=(\w{12})/", scan["Filename(s)"]))


@pytest.mark.parametrize(
    ("name", "given", "fits"),
    [
        ("disagreements", {"other": "zero_shot"}, [("vocabulary_calibrator", "all"), ("zero_shot", "all")]),
        ("confusions", {}, [BEST]),
        ("confusions", {"method": "linear_probe", "shots": "4"}, [("linear_probe", "4")]),
        ("calibration-curve", {}, [BEST]),
        ("hardest-examples", {}, EVERY),
        ("hardest-examples", {"shots": "4"}, [(method, "4") for method in METHODS]),
    ],
)
def test_a_named_query_reads_the_predictions_of_its_fits_only(runs, name, given, fits):
    home, keys = runs
    named = named_queries()[name]
    defaults = {parameter.name: parameter.default for parameter in named.parameters.values()}
    count, read = files_read(home, "predictions", named.sql, defaults | given)
    assert count == len(fits)
    assert read <= {keys[fit] for fit in fits}


def test_an_export_reads_the_predictions_of_its_fits_only(runs):
    home, keys = runs
    given = {"experiment": "small", "model": None, "dataset": None, "shots": "4", "split": None}
    sql = statement("reads/exported_predictions")
    read = files_read(home, "predictions", sql, given | {"method": "zero_shot"})
    assert read == (1, {keys["zero_shot", "4"]})


@pytest.mark.parametrize(
    ("view", "kind"),
    [
        *((kind, kind) for kind in ("examples", "states", "anchors", "predictions")),
        *((view, "states") for view in ("layer_states", "last_states")),
    ],
)
@pytest.mark.parametrize(
    "sql",
    [
        "select v.* from {view} v where v.key in (select k.key from ({keys}) k)",
        "select v.* from {view} v join ({keys}) k on k.key = v.key",
    ],
)
def test_a_view_reads_the_files_of_the_keys_that_it_is_joined_with(filled, view, kind, sql):
    keys = f"select p.key from partitions p where p.kind = '{kind}' order by p.path limit 1"
    (key,) = query(filled, keys)["key"].to_pylist()
    _, read = files_read(filled, kind, sql.format(view=view, keys=keys))
    assert read == {key[:12]}
