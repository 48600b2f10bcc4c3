"""Checks on data that are really broken: what they say, and that nothing broken is published."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2 as chi2_distribution

from tasks.examples import build_examples
from tasks.fetch import fetch_card
from tasks.publish_states import publish_states
from tasks.steps.checks import MAX_NORM_RATIO, balance_as_in_training, drift_of, finite, norm_range, unique_ids
from tasks.steps.facts import SeedFacts
from tasks.steps.predictions import prediction_rows, publish_predictions
from tasks.steps.shards import resumed_shards
from tests.tasks.worlds import SPLITS, World, compute, extract, sentences, write_rows
from warehouse.errors import CheckFailed
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix, vectors


def test_repeated_ids_are_counted_and_named():
    assert unique_ids(["a", "b"]) == {"name": "unique ids", "passed": True, "detail": "2 rows"}
    wrong = unique_ids([(0, "a"), (0, "b"), (0, "a"), (1, "a")])
    assert (wrong["passed"], wrong["detail"]) == (False, "4 rows, repeated: (0, 'a')")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_found(bad):
    assert finite(np.ones((2, 3)), "figures")["passed"]
    wrong = finite(np.array([[1, bad], [bad, 2]]), "figures")
    assert (wrong["passed"], wrong["detail"]) == (False, "2 of 4 figures are not")


@pytest.mark.parametrize(
    ("norms", "passed"),
    [
        ([1, 2, 3], True),
        ([0, 2, 3], False),
        ([1, 1, MAX_NORM_RATIO], False),
        ([1, 1, MAX_NORM_RATIO - 1], True),
        ([np.nan, 1], False),
    ],
)
def test_norms_are_above_zero_and_of_one_kind(norms, passed):
    check = norm_range(np.array(norms, np.float64))
    assert (check["passed"], check["severity"]) == (passed, "warn")


@pytest.fixture
def begun(world):
    """A plan whose examples are published, its only pair, and the step of its test states."""
    plan = world.plan()
    compute(plan, ("examples",))
    return plan, plan.pairs[0], plan.pairs[0].states["test"]


def spoil(plan, step, name, spoiled):
    """Write a shard again, `spoiled` in some way, as a faulty disk or a faulty step would leave it."""
    partition = step.partition(Lake(plan.home))
    table = pa.parquet.read_table(partition.path / name)
    (partition.path / f"{name}.json").unlink()
    partition.write_table(name, spoiled(table).replace_schema_metadata(table.schema.metadata))


def with_nan(table):
    states = matrix(table["layer_3"]).copy()
    states[3, 7] = np.nan
    return table.set_column(table.column_names.index("layer_3"), "layer_3", vectors(states))


def with_repeated_id(table):
    ids = table["id"].to_pylist()
    return table.set_column(0, "id", pa.array([ids[1], *ids[1:]]))


@pytest.mark.parametrize(
    ("spoiled", "output"),
    [
        (with_nan, r"'finite' \(1 of 24 norms of states are not\)"),
        (with_repeated_id, r"'unique ids' \(24 rows, repeated: 'test-000017'\)"),
        (lambda table: table[:7], r"'a row for every example' \(23 rows of 24 examples\)"),
    ],
    ids=["nan", "repeated id", "lost row"],
)
def test_broken_states_are_not_published_and_are_computed_again(begun, spoiled, output):
    plan, pair, step = begun
    extract(plan, pair, "test")
    spoil(plan, step, "part-00000016-00000024.parquet", spoiled)
    partition = step.partition(Lake(plan.home))
    with pytest.raises(CheckFailed, match=output) as refused:
        publish_states.fn(plan.home, step, SPLITS["test"], 16)
    assert str(refused.value).startswith(f"{partition} fails ")
    assert str(partition.path) in str(refused.value)
    assert not partition.published
    assert resumed_shards(plan.home, step, 24, 16)[16, 24] is None, "what was broken counts as never written"
    extract(plan, pair, "test")
    publish_states.fn(plan.home, step, SPLITS["test"], 16)
    assert all(check["passed"] for check in partition.manifest().checks)


def test_a_state_of_length_zero_is_reported_and_published(begun):
    plan, pair, step = begun
    extract(plan, pair, "test")

    def zeroed(table):
        return table.set_column(4, "layer_3", vectors(matrix(table["layer_3"]) * (np.arange(8) > 0)[:, None]))

    spoil(plan, step, "part-00000016-00000024.parquet", lambda t: zeroed(t).cast(t.schema))
    publish_states.fn(plan.home, step, SPLITS["test"], 16)
    (check,) = [c for c in step.partition(Lake(plan.home)).manifest().checks if not c["passed"]]
    assert check["name"].startswith("norms of layer_3 above 0")
    assert check["detail"].startswith("0 to ")


@pytest.mark.parametrize(
    ("spoiled", "output"),
    [
        (lambda rows: [rows, rows], "answer of every seed .*'unique ids'"),
        (lambda rows: [rows.set_column(5, "probabilities", pa.array([[np.nan, 1, 0]] * 4))], "'finite'"),
        (lambda rows: [rows.set_column(5, "probabilities", pa.array([[0.5, 0.1, 0.1]] * 4))], "probabilities sum to 1"),
    ],
    ids=["twice", "nan", "no distribution"],
)
def test_broken_predictions_are_not_published(world, spoiled, output):
    step = world.plan().pairs[0].fits[0].predictions
    rows = prediction_rows("test", 0, list("abcd"), np.array([0, 1, 2, 0]), np.full((4, 3), 1 / 3))
    with pytest.raises(CheckFailed, match=output):
        publish_predictions(world.home, step, spoiled(rows), [], b"weights", [SeedFacts(seed=0, fit_seconds=0)])
    assert not step.partition(Lake(world.home)).published
    publish_predictions(world.home, step, [rows], [], b"weights", [SeedFacts(seed=0, fit_seconds=0)])
    assert step.partition(Lake(world.home)).published


def examples_of(world):
    """Publish the examples of the world as it is now. Returns their checks by name."""
    (pair,) = world.plan().pairs
    build_examples.fn(world.home, pair.dataset, fetch_card.fn(world.home, pair.dataset), pair.examples)
    return {c["name"]: c for c in pair.examples.partition(Lake(world.home)).manifest().checks}


def test_a_class_that_a_split_lacks_is_reported_and_published(tmp_path):
    rows = sentences()
    rows[-24:] = [row for row in rows if row["label"] != "tale"][-24:]
    checks = examples_of(World(tmp_path, rows=rows))
    wrong = checks["every class in test"]
    assert wrong == {"name": "every class in test", "passed": False, "severity": "warn", "detail": "2 of 3"}
    assert checks["every class in train"]["passed"]


@pytest.mark.parametrize(
    ("train", "test", "passed", "detail"),
    [
        ({"a": 790, "b": 210}, {"a": 200, "b": 200}, False, "29.0% of the rows differ, 'a' by -29.0%"),
        ({"a": 79, "b": 21}, {"a": 6, "b": 4}, True, "19.0% of the rows differ, 'a' by -19.0%"),  # of ten rows: chance
        (
            {"a": 5500, "b": 4500},
            {"a": 5000, "b": 5000},
            True,
            "5.0% of the rows differ, 'a' by -5.0%",
        ),  # certain, small
        ({"a": 40, "b": 30, "c": 30}, {"a": 18, "b": 26, "c": 16}, True, "13.3% of the rows differ, 'b' by +13.3%"),
        (
            {"a": 40, "b": 30, "c": 30, "d": 0},
            {"a": 18, "b": 50, "c": 12},
            False,
            "32.5% of the rows differ, 'b' by +32.5%",
        ),
        ({"a": 850, "b": 150}, {"a": 400}, False, "15.0% of the rows differ, 'a' by +15.0%"),
    ],
)
def test_classes_that_are_not_as_frequent_as_in_training_are_reported(train, test, passed, detail):
    (check,) = balance_as_in_training({"train": train, "test": test})
    assert check == {
        "name": "classes of test as frequent as in training",
        "passed": passed,
        "severity": "warn",
        "detail": detail,
    }
    n, m = sum(train.values()), sum(test.values())
    pooled = {name: (train[name] + test.get(name, 0)) / (n + m) for name in train}
    chi2 = sum(
        (of.get(name, 0) - total * share) ** 2 / (total * share)
        for of, total in ((train, n), (test, m))
        for name, share in pooled.items()
        if share
    )
    freedom = sum(map(bool, pooled.values())) - 1
    assert drift_of(train, test).p == pytest.approx(chi2_distribution.sf(chi2, freedom), abs=0.005)


def test_without_training_or_of_no_rows_nothing_is_compared():
    assert list(balance_as_in_training({"test": {"a": 3}})) == []
    (check,) = balance_as_in_training({"train": {"a": 3}, "test": {"a": 0}})
    assert check["passed"]


def test_a_drift_of_the_labels_since_the_last_run_is_reported(world):
    rows = sentences()
    train, test = rows[:-24], rows[-24:]
    first = examples_of(world)
    assert not [name for name in first if "as before" in name], "nothing to compare with"
    write_rows(world.folder / "train.jsonl", train[1:])
    assert examples_of(world)["classes of train as frequent as before"]["passed"], "a row less is no drift"
    write_rows(world.folder / "train.jsonl", [row for row in train if row["label"] != "neg"] + train[:3])
    checks = examples_of(world)
    assert checks["classes of test as frequent as before"]["passed"]
    messages = checks["classes of train as frequent as before"]
    assert (messages["passed"], messages["severity"]) == (False, "warn")
    share = Counter(row["label"] for row in train[1:])["neg"] / len(train[1:])
    result = float(messages["detail"].split("'neg' by ")[1].rstrip("%")) / 100
    assert result == pytest.approx(1 / (1 + 2 * 26) - share, abs=0.06), "of about 26 rows per class one is left"
    assert len(test) == 24
