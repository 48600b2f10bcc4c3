"""Two runs compared, against the paired bootstrap over their predictions; what cannot be paired is named."""

import json

import numpy as np
import pyarrow as pa
import pytest

from flows.cli import compare_view
from tasks.steps.facts import ExamplesFacts
from tasks.steps.samples import RESAMPLES
from tasks.views.run_comparison import compare_fits, match_fits
from tests.warehouse.lakes import put, put_run
from vocabsem.errors import BadInput
from vocabsem.evaluation.comparison import paired_bootstrap
from warehouse.catalog.catalog import rebuild
from warehouse.home import Home
from warehouse.lake.partition import Lake

ROWS, CLASSES = 40, 2
LABELS = np.arange(ROWS) % CLASSES


def put_test_set(lake, text="text"):
    table = pa.table(
        {
            "id": [f"test-{i}" for i in range(ROWS)],
            "split": ["test"] * ROWS,
            "label": pa.array(LABELS, pa.int32()),
            "label_name": [("negative", "positive")[label] for label in LABELS],
            "text": [f"{text} {i}" for i in range(ROWS)],
            "fields": pa.array([[("text", str(i))] for i in range(ROWS)], pa.map_(pa.string(), pa.string())),
        }
    )
    zero = {"rows_read": {}, "rows_of_other_sources": 0, "empty_dropped": 0, "duplicates_removed": {}, "counts": {}}
    facts = ExamplesFacts(
        **zero, split_rule="", majority_share={}, rows={"test": ROWS}, description="", license="", citation=None,
        template="", sources={}, classes=[],
    )  # fmt: skip
    return put(lake, "examples", {"part-0.parquet": table}, facts=facts.dump(), extra=text, dataset="mr")


def put_scored(lake, examples, method, shots, seeds, at):
    """Predictions of right answers with about 0.5 + `at`, and their metrics. Returns both with the probabilities."""
    generator = np.random.default_rng([int(100 * at), len(method), len(seeds)])
    right = np.clip(generator.normal(0.5 + at, 0.2, (len(seeds), ROWS)), 0.01, 0.99)
    probabilities = np.where(LABELS[:, None] == np.arange(CLASSES), right[..., None], 1 - right[..., None])
    probabilities = probabilities.astype(np.float32)
    where = {"model": "tiny", "dataset": "mr", "method": method, "shots": shots}
    table = pa.table(
        {
            "id": [f"test-{i}" for i in range(ROWS)] * len(seeds),
            "split": ["test"] * ROWS * len(seeds),
            "seed": pa.array(np.repeat(seeds, ROWS), pa.int32()),
            "label": pa.array(np.tile(LABELS, len(seeds)), pa.int32()),
            "predicted": pa.array(probabilities.argmax(-1).ravel(), pa.int32()),
            "probabilities": pa.array(list(probabilities.reshape(-1, CLASSES)), pa.list_(pa.float32())),
        }
    )
    states = put(
        lake,
        "states",
        {},
        inputs={"examples": examples.key},
        extra=[method, at],
        model="tiny",
        dataset="mr",
        split="test",
    )
    inputs = {"states:test": states.key}
    made = put(lake, "predictions", {"part-0.parquet": table}, inputs=inputs, extra=at, **where)
    row = {"split": "test", "seed": None, "metric": "macro_f1", "value": 0.5, "low": 0.4, "high": 0.6, "spread": 0.0}
    types = {"seed": pa.int32(), "split": pa.string(), "metric": pa.string()}
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in row])
    metrics = pa.Table.from_pylist([row | {"metric": name} for name in ("macro_f1", "accuracy", "nll")], schema)
    return put(lake, "metrics", {"part-0.parquet": metrics}, inputs={"predictions": made.key}, **where), probabilities


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """A home with the runs `one` and `two`; their keys and probabilities."""
    home = Home(tmp_path_factory.mktemp("two") / "home")
    lake = Lake(home)
    examples, others = put_test_set(lake), put_test_set(lake, "another text")
    runs, probabilities = {}, {}
    for name, at in (("one", 0.05), ("two", 0.4)):
        fits = {
            ("ridge", "4"): put_scored(lake, examples, "ridge", "4", (0, 1), at),
            ("zero_shot", "0"): put_scored(lake, examples, "zero_shot", "0", (0,), 0.1),
            ("centroid", "4"): put_scored(lake, others if name == "two" else examples, "centroid", "4", (0,), at),
            ("lora", "4"): put_scored(lake, examples, "lora", "4", (0,) if name == "one" else (1,), at),
            (f"only_{name}", "4"): put_scored(lake, examples, f"only_{name}", "4", (0,), at),
        }
        probabilities[name] = {cell: each for cell, (_, each) in fits.items()}
        runs[name] = put_run(lake, name, [metrics for metrics, _ in fits.values()]).key
    rebuild(home)
    return home, runs, probabilities


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "nll"])
def test_a_difference_is_that_of_the_paired_bootstrap(two_runs, metric):
    home, runs, probabilities = two_runs
    matched = match_fits(home, runs["one"], runs["two"])
    assert (len(matched.shared), matched.only_first, matched.only_second) == (4, 1, 1)
    rows = {row.method: row for row in compare_fits(home, matched, metric)}
    one, two = (probabilities[name]["ridge", "4"] for name in ("one", "two"))
    expected = paired_bootstrap(LABELS, two, one, metric=metric, resamples=RESAMPLES)
    assert rows["ridge"].difference == expected
    assert rows["ridge"].second - rows["ridge"].first == pytest.approx(expected.value)
    assert rows["ridge"].note == ""


def test_what_cannot_be_paired_is_named(two_runs):
    home, runs, _ = two_runs
    rows = {row.method: row for row in compare_fits(home, match_fits(home, runs["one"], runs["two"]), "macro_f1")}
    assert (rows["centroid"].difference, rows["centroid"].note) == (None, "other test examples")
    assert (rows["lora"].difference, rows["lora"].note) == (None, "no seed in common")
    assert rows["zero_shot"].note == "the same predictions"
    assert rows["zero_shot"].difference.value == 0


def test_a_run_is_named_by_its_experiment_or_its_key(two_runs):
    home, runs, _ = two_runs
    assert (
        compare_view.find_run(home, "one")["key"] == compare_view.find_run(home, runs["one"][:8])["key"] == runs["one"]
    )
    with pytest.raises(BadInput, match="no experiment or run 'three': there are one, two"):
        compare_view.find_run(home, "three")
    with pytest.raises(BadInput, match="one and one are one run"):
        compare_view.show_comparison(home, ("one", "one"), "macro_f1", None, None, "table")
    with pytest.raises(BadInput, match="share no fit"):
        compare_view.show_comparison(home, ("one", "two"), "macro_f1", None, "rigde", "table")
    with pytest.raises(BadInput, match="--metric 'f1' cannot be compared: choose one of macro_f1"):
        compare_view.show_comparison(home, ("one", "two"), "f1", None, None, "table")


@pytest.mark.parametrize("width", [80, 120])
def test_a_comparison_is_printed_whole(two_runs, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    home, runs, _ = two_runs
    compare_view.show_comparison(home, ("one", runs["two"][:8]), "macro_f1", None, None, "table")
    shown = capsys.readouterr().out
    assert all(len(line) <= width for line in shown.splitlines())
    row = next(
        row
        for row in compare_fits(home, match_fits(home, runs["one"], runs["two"]), "macro_f1")
        if row.method == "ridge"
    )
    gap = row.difference
    assert f"*{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]" in shown, "an interval above 0 is marked"
    assert f"B: {runs['two'][:8]} of two, run {runs['two'][:12]}" in shown
    assert "Only in A: 1 fits." in shown


def test_a_comparison_for_other_tools(two_runs, capfdbinary):
    home, _, _ = two_runs
    compare_view.show_comparison(home, ("one", "two"), "nll", "mr", "ridge", "json")
    (row,) = json.loads(capfdbinary.readouterr().out)
    assert row["difference"] == pytest.approx(row["second"] - row["first"])
    assert row["low"] < row["difference"] < row["high"] < 0
