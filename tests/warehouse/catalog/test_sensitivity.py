"""The view of sensitivity against numpy: what varies, what is held, spreads within and between seeds, the slope."""

import numpy as np
import pyarrow as pa
import pytest

from tests.warehouse.lakes import put, put_run
from warehouse.catalog.catalog import query, rebuild
from warehouse.home import Home
from warehouse.lake.partition import Lake

SEEDS = (0, 1, 2)
NOISE = ("", "+noise-0.1", "+noise-0.4")
ORDERS = ("", "+order-1", "+order-2", "+order-10")
SETS = ("mr", "mr@bare", "mr@line", "mr@words-plain", "mr@bare@words-plain", "trec", "trec@bare")
METHODS = ("zero_shot", *(f"probe{noise}" for noise in NOISE), *(f"icl+demos-2{order}" for order in ORDERS))


def value(dataset, method, seed):
    if method == "constant":
        return 0.1  # nine of it have a mean just below those of three
    index = [SETS.index(dataset), METHODS.index(method), seed]
    return float(np.random.default_rng(index).uniform())


def put_seeds(lake, dataset, method, seeds=SEEDS):
    """Macro-F1 of every seed on two splits, their mean, and another figure."""
    rows = [("test", seed, "macro_f1", value(dataset, method, seed)) for seed in seeds]
    rows += [("test", None, metric, 9.0) for metric in ("macro_f1", "accuracy", "nll", "ece", "brier")]
    rows += [("test", 0, "accuracy", 9.0), ("validation", 0, "macro_f1", 9.0)]
    schema = pa.schema([("split", pa.string()), ("seed", pa.int32()), ("metric", pa.string()), ("value", pa.float64())])
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    for name in ("low", "high", "spread"):
        table = table.append_column(name, pa.repeat(pa.scalar(9.0), len(table)))
    where = {"model": "tiny", "dataset": dataset, "method": method, "shots": "16"}
    return put(lake, "metrics", {"part-0.parquet": table}, extra=len(seeds), **where)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """{(dataset, choice, method): row}"""
    home = Home(tmp_path_factory.mktemp("sensitivity"))
    lake = Lake(home)
    put_run(lake, "one", [put_seeds(lake, dataset, method) for dataset in SETS for method in METHODS])
    put_run(lake, "few", [put_seeds(lake, dataset, "zero_shot", SEEDS[:1]) for dataset in SETS[:2]])
    put_run(lake, "equal", [put_seeds(lake, dataset, "constant") for dataset in SETS[:3]])
    rebuild(home)
    rows = query(home, "from sensitivity").to_pylist()
    return {(row["experiment"], row["dataset"], row["choice"], row["method"]): row for row in rows}


def figures(dataset_methods):
    """Values (variants, seeds)."""
    return np.array([[value(dataset, method, seed) for seed in SEEDS] for dataset, method in dataset_methods])


CASES = {
    ("mr", "template", "zero_shot"): [(name, "zero_shot") for name in ("mr", "mr@bare", "mr@line")],
    ("mr", "words", "zero_shot"): [(name, "zero_shot") for name in ("mr", "mr@words-plain")],
    ("trec", "template", "probe"): [(name, "probe") for name in ("trec", "trec@bare")],
    ("mr", "noise", "probe"): [("mr", f"probe{noise}") for noise in NOISE],
    ("mr", "order", "icl+demos-2"): [("mr", f"icl+demos-2{order}") for order in ORDERS],
}


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_one_thing_varies_and_all_else_is_as_the_card_has_it(result, case):
    row, values = result["one", *case], figures(CASES[case])
    assert row["variants"] == len(values)
    assert row["mean"] == pytest.approx(values.mean())
    assert (row["low"], row["high"]) == pytest.approx((values.mean(axis=1).min(), values.mean(axis=1).max()))
    assert row["spread"] == pytest.approx(np.sqrt(values.var(axis=0, ddof=1).mean())), "at one seed, pooled"
    assert row["seed_spread"] == pytest.approx(np.sqrt(values.var(axis=1, ddof=1).mean()))
    if case[1] == "noise":
        slope = np.polyfit(np.repeat([0, 0.1, 0.4], len(SEEDS)), values.ravel(), 1)[0]
        assert row["slope"] == pytest.approx(slope)
    else:
        assert row["slope"] is None


def test_a_mean_lies_between_the_worst_and_the_best(result):
    assert all(row["low"] <= row["mean"] <= row["high"] for row in result.values())
    assert result["equal", "mr", "template", "constant"]["mean"] == pytest.approx(0.1)


def test_nothing_is_stated_where_nothing_varies(result):
    cases = {index[1:] for index in result if index[0] == "one"}
    expected = {(dataset, "template", m) for dataset in ("mr", "trec") for m in ("zero_shot", "probe", "icl+demos-2")}
    expected |= {("mr", "words", method) for method in ("zero_shot", "probe", "icl+demos-2")}
    expected |= {(dataset, "noise", "probe") for dataset in ("mr", "trec")}
    expected |= {(dataset, "order", "icl+demos-2") for dataset in ("mr", "trec")}
    assert cases == expected


def test_one_seed_has_no_spread_over_seeds(result):
    row = result["few", "mr", "template", "zero_shot"]
    values = [value(dataset, "zero_shot", 0) for dataset in ("mr", "mr@bare")]
    assert row["seed_spread"] is None
    assert row["spread"] == pytest.approx(np.std(values, ddof=1))
