"""What flows and tasks read from the catalog, each against the lake."""

import inspect
import re

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import rankdata

from tests.warehouse.lakes import CONTRASTS, DATASETS, METHODS, MODELS, SEEDS, SPLITS, TOKENS, put, score
from warehouse.catalog import reads
from warehouse.catalog.catalog import query, rebuild
from warehouse.catalog.statements import SQL
from warehouse.lake.partition import Lake

READS = {
    name: function
    for name, function in inspect.getmembers(reads, inspect.isfunction)
    if function.__module__ == reads.__name__ and not name.startswith("_")
}


def run(home):
    return query(home, "select key from runs where latest")["key"][0].as_py()


def test_each_file_has_its_function_and_says_what_it_gives():
    assert {path.stem for path in (SQL / "reads").iterdir()} == set(READS)
    for path in (SQL / "reads").iterdir():
        text = path.read_text()
        assert re.match(r"-- [A-Z].+[.:]\n", text), path.name
        assert text.endswith(";\n"), path.name
        assert max(map(len, text.splitlines())) <= 120, path.name
    for name, function in READS.items():
        assert (function.__doc__ or "").startswith("Return "), name
        declared = set(re.findall(r"^-- .*", (SQL / "reads" / f"{name}.sql").read_text(), re.MULTILINE))
        named = set(re.findall(r"\$(\w+)", " ".join(declared)))
        assert named == set(inspect.signature(function).parameters) - {"home"}, name


def test_a_runs_scores_are_those_of_the_leaderboard_best_first(filled):
    rows = reads.run_scores(filled, run(filled))
    board = reads.leaderboard(filled).to_pylist()
    assert [{name: row[name] for name in board[0]} for row in rows] == board
    assert len(rows) == len(MODELS) * len(DATASETS) * sum(map(len, METHODS.values()))
    assert reads.run_scores(filled, "0" * 64) == []


def test_the_leaderboard_is_cut_by_experiment_and_data_set(filled):
    assert set(reads.leaderboard(filled, "quickstart", "mr")["dataset"].to_pylist()) == {"mr"}
    assert len(reads.leaderboard(filled, experiment="other")) == 0
    assert reads.leaderboard_datasets(filled) == [("quickstart", dataset) for dataset in DATASETS]


def test_a_runs_fits_come_best_on_validation_data_first(filled):
    rows = reads.run_fits(filled, run(filled))
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        cell = (row["model"], row["dataset"], row["method"], row["shots"])
        test = sum(score(*cell, "macro_f1", seed) for seed in SEEDS) / len(SEEDS)
        assert (row["test"], row["validation"]) == (pytest.approx(test), pytest.approx(test + 1))
        values.setdefault(cell[:2], []).append(row["validation"])
    for each in values.values():
        assert each == sorted(each, reverse=True)
    best = {row["key"] for row in reads.best_by_validation(filled, run(filled)) if row["rank"] == 1}
    behind = {m.key: m.inputs["predictions"] for m in Lake(filled).manifests("metrics")}
    assert {row["key"] for row in rows if row["rank"] == 1} == {behind[key] for key in best}
    keys = {manifest.key for manifest in Lake(filled).manifests("predictions")}
    assert {row["key"] for row in rows} == keys


def validation(cell):
    return sum(score(*cell, "macro_f1", seed) + 1 for seed in SEEDS) / len(SEEDS)


def test_the_best_on_validation_data_is_of_no_control_and_ranked_per_model(filled):
    rows = reads.best_by_validation(filled, run(filled))
    cells = {(r["model"], r["dataset"], r["method"], r["shots"]): r for r in rows}
    assert len(cells) == len(rows) == len(reads.run_scores(filled, run(filled)))
    for model in MODELS:
        for dataset in DATASETS:
            mine = sorted((cell for cell in cells if cell[:2] == (model, dataset)), key=validation, reverse=True)
            assert [cells[cell]["rank"] for cell in mine] == list(range(1, len(mine) + 1))
            assert cells[mine[0]]["validation_macro_f1"] == pytest.approx(validation(mine[0]))
            assert cells[mine[0]]["macro_f1"] == pytest.approx(validation(mine[0]) - 1)
    of_set = sorted((cell for cell in cells if cell[1] == "mr"), key=validation, reverse=True)
    assert [cells[cell]["champion_rank"] for cell in of_set] == list(range(1, len(of_set) + 1))
    assert {row["validation_macro_f1"] for row in reads.run_scores(filled, run(filled))} == {
        row["validation_macro_f1"] for row in rows
    }


def test_controls_and_what_cannot_be_served_win_nothing(home, lake):
    """Scores of one value: ties go to the first of the card."""
    made = put_fits(lake, ["first", "second", "control", "adapters"])
    key = put(lake, "runs", {}, inputs=made, controls=["control"], experiment="e").key
    rebuild(home)
    rows = reads.best_by_validation(home, key)
    assert [(r["method"], r["servable"], r["rank"], r["champion_rank"]) for r in rows] == [
        ("first", True, 1, 1),
        ("second", True, 2, 2),
        ("adapters", False, 3, None),
    ]


TIED = [  # (macro-F1, NLL, shots), worst first, the first of the card first
    (0.9, 0.01, "all"),
    (1.0, 0.455, "0"),
    (1.0 + 1e-15, 0.084, "0"),  # larger by rounding alone
    (1.0, 0.024, "4"),
    (1.0 - 1e-15, 0.024, "all"),
]


def test_a_tie_goes_to_the_lower_nll_then_to_more_labels(home, lake):
    """On validation data for the champion, on test data for what is shown: all of one order."""
    names = [f"m{index}" for index in range(len(TIED))]
    key = put(lake, "runs", {}, inputs=put_fits(lake, names, TIED), experiment="e").key
    rebuild(home)
    rows = reads.best_by_validation(home, key)
    assert [(row["method"], row["rank"], row["champion_rank"]) for row in rows] == [
        (name, index, index) for index, name in enumerate(reversed(names), 1)
    ]
    assert [row["validation_nll"] for row in rows] == [nll for _, nll, _ in reversed(TIED)]
    assert [(row["method"], row["rank"]) for row in reads.run_scores(home, key)] == [
        (name, index) for index, name in enumerate(reversed(names), 1)
    ]
    for result in (reads.run_fits(home, key), reads.leaderboard(home).to_pylist()):
        assert [row["method"] for row in result] == names[::-1]
    (best,) = query(home, "from best_fits('e')").to_pylist()
    assert best["method"] == names[-1]


def test_ranks_share_the_mean_of_equals(home, lake):
    values = [0.1, 0.3, 0.3 + 6e-17, 0.9, 0.3 - 6e-17, 0.1]
    assert len(set(values)) > 3, "some are equal but for rounding"
    names = [f"m{index}" for index in range(len(values))]
    put(lake, "runs", {}, inputs=put_fits(lake, names, [(v, 1.0, "4") for v in values]), experiment="e")
    rebuild(home)
    result = {row["method"]: row["average_rank"] for row in query(home, "from ranks").to_pylist()}
    assert [result[name] for name in names] == rankdata(-np.round(values, 12)).tolist()


def put_fits(lake, methods, figures=()):
    """{role of a run: key of the metrics}; `adapters` is fitted without states.

    figures: macro-F1, NLL and shots of each on both splits; else the scores are the same, and there is no NLL.
    """
    made = {}
    for index, method in enumerate(methods):
        f1, nll, shots = figures[index] if figures else (0.5, None, "4")
        where = {"model": "tiny", "dataset": "mr", "method": method, "shots": shots}
        inputs = {"examples" if method == "adapters" else "states:test": "0" * 64}
        fit = put(lake, "predictions", {}, inputs=inputs, **where)
        rows = [(s, m, v) for s in ("validation", "test") for m, v in (("macro_f1", f1), ("nll", nll)) if v is not None]
        splits, metrics, values = zip(*rows, strict=True)
        numbers = {name: pa.array(values, pa.float64()) for name in ("value", "low", "high", "spread")}
        table = pa.table({"split": splits, "seed": pa.nulls(len(rows), pa.int32()), "metric": metrics, **numbers})
        made[f"metrics:{index}"] = put(
            lake, "metrics", {"part-0.parquet": table}, inputs={"predictions": fit.key}, **where
        ).key
    return made


def test_gains_are_the_contrasts_with_random_anchors_and_with_none(filled):
    rows = reads.gains_over_controls(filled, first="ours")
    expected = [c for c in CONTRASTS if c[0].endswith(("over random", "over none")) and c[3] == "macro_f1"]
    assert {(r["question"], r["method"], r["difference"]) for r in rows} == {(c[0], c[1], c[4]) for c in expected}
    assert reads.gains_over_controls(filled, run(filled)) == rows
    assert {r["dataset"] for r in reads.gains_over_controls(filled, experiment="quickstart", dataset="mr")} == {"mr"}
    assert reads.gains_over_controls(filled, dataset="other") == []
    of_run = [row for row in reads.run_comparisons(filled, run(filled)) if row["question"].endswith(("random", "none"))]
    assert sorted(of_run, key=str) == sorted(rows, key=str)


def test_everything_behind_a_run_is_listed_and_counted(filled):
    rows, costs = reads.run_partitions(filled, run(filled)), reads.run_costs(filled, run(filled))
    every = list(Lake(filled).manifests())
    behind = [manifest for manifest in every if manifest.kind != "calibrators"]
    assert {row["key"] for row in rows} == {manifest.key for manifest in behind}
    assert {row["kind"]: row["partitions"] for row in costs}["states"] == len(MODELS) * len(DATASETS) * len(SPLITS)
    assert sum(row["rows"] for row in costs) == sum(manifest.rows for manifest in every)


def test_the_latest_run_and_every_experiment_are_named(filled):
    result = reads.latest_run(filled, "quickstart")
    assert result is not None
    assert (result["key"], result["seconds"]) == (run(filled), 12.5)
    assert reads.latest_run(filled, "other") is None
    assert reads.experiments(filled) == ["quickstart"]


def test_the_records_of_the_latest_runs_are_those_of_their_lineage(filled):
    (record,) = reads.latest_records(filled)
    assert record == next(row for row in reads.run_partitions(filled, run(filled)) if row["kind"] == "runs")


def test_ranks_and_sensitivity_of_a_run_are_those_of_the_public_views(filled):
    public = query(filled, "from ranks").to_pylist()
    result = [{name: row[name] for name in public[0]} for row in reads.run_ranks(filled, run(filled))]
    assert sorted(result, key=str) == sorted(public, key=str)
    assert reads.run_sensitivity(filled, run(filled)) == []


def test_examples_and_tokens_are_read_as_stored(filled):
    assert reads.example(filled, "mr", "test-1") == ({"text": "test-1"}, "negative")
    assert reads.example(filled, "mr", "other") is None
    assert reads.short_example(filled, "mr") == {"text": "test-2"}, "the one without an apostrophe, for a shell"
    assert reads.short_example(filled, "other") is None
    fields = [each["text"] for each in reads.training_fields(filled, "mr", 100)]
    assert sorted(fields) == [f"train-{i}" for i in range(SPLITS["train"])]
    assert [each["text"] for each in reads.training_fields(filled, "mr", 2)] == fields[:2]
    assert reads.label_names(filled, "mr") == ["negative", "pos"]
    assert reads.models_with_anchors(filled) == sorted(MODELS)
    assert reads.similar_tokens(filled, "tiny", "GOOD") == [" good"]
    assert reads.nearest_tokens(filled, "tiny", TOKENS[0], 2).num_rows == 2
    assert reads.diagnostics(filled, ["0" * 64]).num_rows == 0
