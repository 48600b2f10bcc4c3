import importlib.util
import json
import shutil
import subprocess
import sys
import textwrap
import time

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.warehouse.lakes import (
    CONTRASTS,
    DATASETS,
    METHODS,
    MODELS,
    SEEDS,
    SPLITS,
    TOKENS,
    anchor,
    put,
    put_anchors,
    put_comparisons,
    put_examples,
    put_fit,
    put_run,
    put_states,
    score,
    state,
)
from vocabsem.instruments.registry import study_infos
from warehouse.catalog import catalog, reads
from warehouse.catalog.catalog import connect, query, rebuild, tables
from warehouse.errors import CorruptPartition, NotPublished, QueryRefused, WarehouseError
from warehouse.home import Home
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors

LAKE = ("examples", "states", "layer_states", "last_states", "anchors", "predictions")
VIEWS = (*LAKE, "fits", "leaderboard", "best_by_validation", "label_efficiency", "ranks", "anchor_gains")
STUDIES = {f"study_{name}" for name in study_infos()}
VIEWS += ("sensitivity", "costs", *sorted(STUDIES))
TABLES = (
    "models",
    "datasets",
    "labels",
    "runs",
    "metrics",
    "comparisons",
    "diagnostics",
    "checks",
    "lineage",
    "study_values",
    "study_items",
)
TABLES += ("partitions", "files")


def rows(home, sql, parameters=None):
    return query(home, sql, parameters).to_pylist()


def cosine(vectors, vector):
    """(N,) in float64."""
    vectors, vector = vectors.astype(np.float64), vector.astype(np.float64)
    return vectors @ vector / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vector)


@pytest.mark.parametrize("name", [*VIEWS, *TABLES, "nearest_tokens('m', ' t', 3)", "nearest_examples('m', 'd', 'i')"])
def test_an_empty_lake_has_every_table_and_view_empty(tmp_path_factory, name):
    home = Home(tmp_path_factory.getbasetemp() / "empty")
    if not home.catalog.exists():
        rebuild(home)
    table = query(home, f"from {name}")
    assert len(table) == 0
    assert table.num_columns > 2


@pytest.mark.parametrize("name", [view for view in VIEWS if view not in ("layer_states", "last_states")])
def test_empty_and_filled_views_have_the_same_columns(tmp_path_factory, filled, name):
    home = Home(tmp_path_factory.getbasetemp() / "empty")
    if not home.catalog.exists():
        rebuild(home)
    empty, full = query(home, f"from {name}").schema, query(filled, f"from {name}").schema
    layers = {field for field in full.names if field.startswith("layer_")}
    assert set(full.names) - layers == set(empty.names)
    assert [full.field(field).type for field in empty.names] == [field.type for field in empty]


def test_examples_are_those_of_the_lake(filled):
    for dataset in DATASETS:
        (manifest,) = [m for m in Lake(filled).manifests("examples") if m.coordinates["dataset"] == dataset]
        result = query(filled, "from examples where dataset = $d order by row", {"d": dataset})
        stored = Lake(filled).of(manifest).table()
        assert result["key"].to_pylist() == [manifest.key] * 10
        assert result["row"].to_pylist() == list(range(10))
        for column in stored.column_names:
            assert result[column].to_pylist() == stored[column].to_pylist(), column


def test_states_of_all_layers_and_parts_come_in_order(filled):
    for model, (width, layers) in MODELS.items():
        for dataset in DATASETS:
            for split, count in SPLITS.items():
                result = rows(
                    filled,
                    "from states where model = ? and dataset = ? and split = ? order by row",
                    [model, dataset, split],
                )
                assert [row["id"] for row in result] == [f"{split}-{i}" for i in range(count)]
                for layer in (1, 2, 3):
                    values = [row[f"layer_{layer}"] for row in result]
                    if layer in layers:
                        assert np.array_equal(np.array(values, np.float32), state(model, dataset, split, layer))
                        assert len(values[0]) == width
                    else:
                        assert values == [None] * count


def test_last_states_take_the_highest_layer_of_each_model(filled):
    for model, (_, layers) in MODELS.items():
        result = rows(
            filled, "from last_states where model = ? and dataset = 'mr' and split = 'test' order by id", [model]
        )
        assert {row["layer"] for row in result} == {max(layers)}
        assert np.array_equal(
            np.array([row["state"] for row in result], np.float32), state(model, "mr", "test", max(layers))
        )


def test_a_layer_with_a_pooling_of_its_own_stands_beside_last_tokens(home, lake):
    values = {"layer_1_mean": state("tiny", "mr", "test", 1), "layer_2": state("tiny", "mr", "test", 2)}
    columns = {name: vectors(each) for name, each in values.items()}
    count = SPLITS["test"]
    lengths, truncated = pa.array(range(count), pa.int32()), pa.array([False] * count)
    others = {"id": [f"test-{i}" for i in range(count)], "label": pa.array([0, 1, 0], pa.int32()), "tokens": lengths}
    table = pa.table(others | {"truncated": truncated} | columns)
    facts = {"layers": ["1:mean", 2], "pooling": "last"}
    examples = put_examples(lake, "mr")
    where = {"model": "tiny", "dataset": "mr", "split": "test"}
    put(lake, "states", {"part-0.parquet": table}, facts=facts, inputs={"examples": examples.key}, **where)
    rebuild(home)
    stored = rows(home, "select layer, pooling, list(state order by id) as states from layer_states group by all")
    assert {(row["layer"], row["pooling"]) for row in stored} == {(1, "mean"), (2, "last")}
    for row in stored:
        expected = values["layer_1_mean" if row["layer"] == 1 else "layer_2"]
        assert np.array_equal(np.array(row["states"], np.float32), expected)
    assert {(row["layer"], row["pooling"]) for row in rows(home, "from last_states")} == {(2, "last")}
    for pooling, column in (("mean", "layer_1_mean"), ("last", "layer_2"), (None, "layer_2")):
        layer = None if pooling is None else int(column[6])
        exported = reads.exported_states(home, "tiny", "mr", "test", layer, pooling)
        assert np.array_equal(np.array(exported["state"].to_pylist(), np.float32), values[column])


def test_predictions_lead_back_to_their_texts(filled):
    joined = rows(
        filled,
        """
        select p.id, e.text, p.label, e.label as true_label, p.probabilities
        from predictions p join examples e on e.key = p.examples_key and e.id = p.id
        where p.model = 'tiny' and p.dataset = 'trec' and p.method = 'zero_shot' and p.split = 'test' and p.seed = 0
        order by p.row
        """,
    )
    assert [row["id"] for row in joined] == ["test-0", "test-1", "test-2"]
    assert joined[1]["text"] == "trec text test-1, it's fine"
    assert joined[1]["probabilities"] == [0.75, 0.25]
    assert len(query(filled, "from predictions")) == 16 * len(SEEDS) * (SPLITS["validation"] + SPLITS["test"])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("token", [0, 1, 2, 3])
def test_nearest_tokens_are_those_of_numpy(filled, model, token):
    vectors = anchor(model)
    expected = cosine(vectors, vectors[token])
    order = [i for i in np.argsort(-expected) if i != token][:3]
    result = rows(filled, "from nearest_tokens($m, $t, $k)", {"m": model, "t": TOKENS[token], "k": 3})
    assert [row["token_id"] for row in result] == order
    assert [row["token"] for row in result] == [TOKENS[i] for i in order]
    assert [row["cosine"] for row in result] == pytest.approx(expected[order], abs=1e-6)  # float32 sums of 4 to 6 terms
    assert query(filled, "from nearest_tokens($m, $t)", {"m": model, "t": TOKENS[token]}).num_rows == 4


def test_nearest_tokens_of_what_is_not_there_are_none(filled):
    assert rows(filled, "from nearest_tokens('other', ' good', 3)") == []
    assert rows(filled, "from nearest_tokens('tiny', 'model', 3)") == []


@pytest.mark.parametrize(("model", "dataset"), [("tiny", "mr"), ("small", "trec")])
@pytest.mark.parametrize("origin", ["train-4", "test-0"])
def test_nearest_examples_are_those_of_numpy(filled, model, dataset, origin):
    layer = max(MODELS[model][1])
    ids = [f"{split}-{i}" for split, count in SPLITS.items() for i in range(count)]
    vectors = np.concatenate([state(model, dataset, split, layer) for split in SPLITS])
    expected = cosine(vectors, vectors[ids.index(origin)])
    order = [i for i in np.argsort(-expected) if ids[i] != origin][:4]
    result = rows(filled, "from nearest_examples(?, ?, ?, ?)", [model, dataset, origin, 4])
    assert [row["id"] for row in result] == [ids[i] for i in order]
    assert [row["cosine"] for row in result] == pytest.approx(expected[order], abs=1e-6)
    assert result[0]["text"] == f"{dataset} text {ids[order[0]]}, it's fine"


def cells():
    return [
        (m, d, method, shots) for m in MODELS for d in DATASETS for method, all_ in METHODS.items() for shots in all_
    ]


def test_the_leaderboard_shows_the_seeds_mean_on_test_data(filled):
    board = {(r["model"], r["dataset"], r["method"], r["shots"]): r for r in rows(filled, "from leaderboard")}
    assert set(board) == set(cells())
    for cell, row in board.items():
        assert (row["experiment"], row["n_seeds"]) == ("quickstart", 2)
        for metric in ("accuracy", "macro_f1", "nll", "ece", "brier", "ari_before", "ari_after", "fit_seconds"):
            assert row[metric] == pytest.approx(np.mean([score(*cell, metric, seed) for seed in SEEDS]))
        assert row["spread"] == pytest.approx(np.std([score(*cell, "macro_f1", seed) for seed in SEEDS], ddof=1))
        assert row["macro_f1_low"] == pytest.approx(row["macro_f1"] - 0.05)
        assert row["macro_f1_high"] == pytest.approx(row["macro_f1"] + 0.05)


def test_the_leaderboard_is_ordered_best_first_in_each_data_set(filled):
    board = rows(filled, "from leaderboard")
    positions = [(row["experiment"], row["dataset"], -row["macro_f1"]) for row in board]
    assert positions == sorted(positions)
    one = rows(filled, "from leaderboard where dataset = 'trec'")
    assert [row["macro_f1"] for row in one] == sorted((row["macro_f1"] for row in one), reverse=True)


def test_label_efficiency_follows_the_shots_with_all_last(filled):
    result = rows(filled, "from label_efficiency where model = 'tiny' and dataset = 'mr' and method = 'linear_probe'")
    assert [row["shots"] for row in result] == ["4", "16", "all"]
    assert result[0]["gain"] is None
    assert result[2]["gain"] == pytest.approx(result[2]["macro_f1"] - result[1]["macro_f1"])


def test_a_second_run_of_an_experiment_takes_the_place_of_the_first(home, lake):
    examples, anchors = put_examples(lake, "mr"), put_anchors(lake, "tiny")
    states = put_states(lake, "tiny", "mr", examples)
    cell = ("tiny", "mr", "zero_shot", "0")
    old, new = (put_fit(lake, *cell, states, anchors, extra=version) for version in (1, 2))
    loose = put_fit(lake, "tiny", "mr", "linear_probe", "4", states, anchors)
    put_run(lake, "quickstart", [old], extra=1)
    put_run(lake, "paper", [old])
    time.sleep(0.002)  # manifests state milliseconds
    put_run(lake, "quickstart", [new], extra=2)
    rebuild(home)
    keys = "select l.input_key as key from runs r join lineage l on l.key = r.key where latest and experiment = $e"
    assert rows(home, keys, {"e": "quickstart"}) == [{"key": new.key}]
    assert rows(home, keys, {"e": "paper"}) == [{"key": old.key}]
    board = rows(home, "select experiment, method from leaderboard")
    assert [(row["experiment"], row["method"]) for row in board] == [
        ("-", "linear_probe"),
        ("paper", "zero_shot"),
        ("quickstart", "zero_shot"),
    ]
    assert rows(home, "select key from metrics where method = 'linear_probe' limit 1") == [{"key": loose.key}]


def test_figures_that_no_run_lists_show_their_newest(home, lake):
    examples, anchors = put_examples(lake, "mr"), put_anchors(lake, "tiny")
    states = put_states(lake, "tiny", "mr", examples)
    for version in range(3):
        put_fit(lake, "tiny", "mr", "zero_shot", "0", states, anchors, extra=version)
        time.sleep(0.002)
    rebuild(home)
    assert len(rows(home, "from leaderboard")) == 1
    assert rows(home, "select count(distinct key) as n from metrics") == [{"n": 3}]


def latest(home, relation, condition="true"):
    """The keys of what the relation says is the latest."""
    return {row["key"] for row in rows(home, f"select distinct key from {relation} where latest and {condition}")}


def test_latest_is_what_the_latest_runs_used_whatever_was_published_last(home, lake):
    examples, anchors = put_examples(lake, "mr"), put_anchors(lake, "tiny")
    superseded, states = (put_states(lake, "tiny", "mr", examples, extra=version) for version in (1, 2))
    cell = ("tiny", "mr", "linear_probe", "4")
    oldest = put_fit(lake, *cell, superseded, anchors)
    dropped = put_fit(lake, "tiny", "mr", "zero_shot", "0", superseded, anchors)
    old, new = (put_fit(lake, *cell, states, anchors, extra=version) for version in (1, 2))
    of_oldest, of_new = (
        put_comparisons(lake, "tiny", "mr", "4", CONTRASTS, {"predictions:0": fit.inputs["predictions"]})
        for fit in (oldest, new)
    )
    put_run(lake, "paper", [old])
    put_run(lake, "quickstart", [oldest, dropped], [of_oldest], extra=1)
    time.sleep(0.002)  # manifests state milliseconds
    put_run(lake, "quickstart", [new], [of_new], extra=2)
    time.sleep(0.002)
    put_fit(lake, *cell, states, anchors, extra="of a run that was killed")
    rebuild(home)
    assert latest(home, "metrics") == {old.key, new.key}
    assert latest(home, "predictions") == {old.inputs["predictions"], new.inputs["predictions"]}
    assert latest(home, "partitions", "kind = 'calibrators'") == latest(home, "predictions")
    assert latest(home, "comparisons") == {of_new.key}
    assert latest(home, "states") == latest(home, "last_states") == {manifest.key for manifest in states.values()}
    assert latest(home, "runs") == latest(home, "partitions", "kind = 'runs'")
    assert len(latest(home, "runs")) == 2


def test_where_no_run_was_finished_the_newest_is_latest(home, lake):
    examples, anchors = put_examples(lake, "mr"), put_anchors(lake, "tiny")
    texts = {name: ["x"] for name in ("subject", "states", "similarity", "figure")}
    for version in range(3):
        states = put_states(lake, "tiny", "mr", examples, extra=version)
        fit = put_fit(lake, "tiny", "mr", "zero_shot", "0", states, anchors, extra=version)
        bias = put(
            lake,
            "diagnostics",
            {"part-0.parquet": pa.table(texts | {"value": [0.5]})},
            extra=version,
            model="tiny",
            dataset="mr",
        )
        time.sleep(0.002)
    rebuild(home)
    assert latest(home, "metrics") == {fit.key}
    assert latest(home, "predictions") == {fit.inputs["predictions"]}
    assert latest(home, "states") == {manifest.key for manifest in states.values()}
    assert latest(home, "diagnostics") == {bias.key}


def test_models_datasets_labels_and_runs_say_what_the_cards_stated(filled):
    models = {row["model"]: row for row in rows(filled, "from models")}
    assert models["tiny"]["hidden_size"] == 4
    assert models["small"]["description"] == "the small model"
    assert models["small"]["condition"] == 12.5
    datasets = {row["dataset"]: row for row in rows(filled, "from datasets")}
    assert [datasets["mr"][split] for split in SPLITS] == list(SPLITS.values())
    assert datasets["trec"]["template"] == 'review: "{text}"\nsentiment:'
    assert rows(filled, "select label, name, word from labels where dataset = 'mr' order by label") == [
        {"label": 0, "name": "negative", "word": "bad"},
        {"label": 1, "name": "pos", "word": "good"},
    ]
    (run,) = rows(filled, "from runs")
    assert (run["experiment"], run["latest"], run["seconds"], run["mlflow_run_id"]) == ("quickstart", True, 12.5, "abc")
    assert run["started"].isoformat() == "2026-01-02T03:04:05+00:00"
    assert rows(filled, "select facts->>'$.machine' as machine from runs") == [{"machine": "Linux x86_64"}]


def test_the_newest_anchors_of_a_model_are_the_ones_compared(home, lake):
    put_anchors(lake, "tiny", gauge="raw")
    time.sleep(0.002)
    newest = put_anchors(lake, "tiny", gauge="centered")
    rebuild(home)
    assert rows(home, "select gauge, key from models") == [{"gauge": "centered", "key": newest.key}]
    vectors = -anchor("tiny")[::-1]
    expected = cosine(vectors, vectors[2])
    result = rows(home, "from nearest_tokens('tiny', ' bad', 1)")
    assert result[0]["token_id"] == max((i for i in range(5) if i != 2), key=lambda i: expected[i])
    assert rows(home, "select count(*) as n from anchors") == [{"n": 10}]


def test_lineage_finds_every_input_and_leads_back_to_the_examples(filled):
    manifests = list(Lake(filled).manifests())
    assert rows(filled, "select count(*) as n from lineage") == [{"n": sum(len(m.inputs) for m in manifests)}]
    assert rows(filled, "select * from lineage where input is null") == []
    assert rows(filled, "from lineage where role <> concat_ws(':', input_kind, which)") == []
    agree = "select count(*) as n from lineage l join partitions p on p.path = l.input and p.key = l.input_key"
    assert rows(filled, agree) == rows(filled, "select count(*) as n from lineage")
    origins = rows(
        filled,
        """
        select distinct p.kind, p.dataset = e.dataset as same
        from partitions p join partitions e on e.kind = 'examples' and e.key = p.examples_key order by 1
        """,
    )
    assert origins == [
        {"kind": kind, "same": True}
        for kind in ("calibrators", "comparisons", "examples", "metrics", "predictions", "states")
    ]


def test_an_input_that_is_gone_is_reported_as_gone(home, lake):
    examples = put_examples(lake, "mr")
    states = put_states(lake, "tiny", "mr", examples)
    shutil.rmtree(lake.of(examples).path)
    rebuild(home)
    result = rows(home, "select input, input_key from lineage")
    assert result == [{"input": None, "input_key": examples.key}] * len(states)


def test_two_models_with_the_same_weights_are_distinguished(home, lake):
    """Their anchors have one key, in two places; lineage follows the model's name."""
    payload = {"step": "anchors", "model": "the same bytes"}
    key = partition_key(payload)
    for model in ("one", "two"):
        lake.partition("anchors", key, model=model).publish([], payload=payload)
        put(lake, "predictions", {}, inputs={"anchors": key}, model=model, dataset="mr", method="x", shots="0")
    rebuild(home)
    result = rows(home, "select partition, input from lineage order by 1")
    assert [row["input"].split("/")[1] for row in result] == ["model=one", "model=two"]
    assert [row["partition"].split("/")[1] for row in result] == ["model=one", "model=two"]


def test_partitions_and_files_add_up(filled):
    (total,) = rows(filled, "select sum(bytes)::bigint as bytes, sum(files)::bigint as files from partitions")
    (each,) = rows(filled, "select sum(bytes)::bigint as bytes, count(*) as files from files")
    assert total == each
    on_disk = [p for p in filled.lake.rglob("*") if p.is_file() and p.name != "manifest.json"]
    assert each == {"bytes": sum(p.stat().st_size for p in on_disk), "files": len(on_disk)}
    assert rows(filled, "select distinct name, passed from checks") == [{"name": "unique ids", "passed": True}]


def test_checks_are_reported_with_their_severity_and_old_ones_as_what_they_were(home, lake):
    messages = {"name": "drift", "passed": False, "severity": "warn", "detail": "9 %"}
    put(lake, "examples", {}, checks=[messages], dataset="mr")
    manifest = next((home.lake / "examples").rglob("manifest.json"))
    old = [{"name": name, "passed": passed, "detail": ""} for name, passed in (("held", True), ("did not", False))]
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"checks": [messages, *old], "checksum": None}))
    rebuild(home)
    result = rows(home, "select name, severity, passed, detail from checks order by all")
    assert {row["name"]: (row["severity"], row["passed"]) for row in result} == {
        "did not": ("warn", False),
        "drift": ("warn", False),
        "held": ("fail", True),
    }


@pytest.mark.medium
def test_a_catalog_rebuilt_elsewhere_equals_the_original(filled, full):
    """The catalog holds nothing that the lake does not: a copied lake alone gives the same answers."""
    summary = rebuild(full)
    assert summary.partitions == 77
    assert str(summary).startswith("77 partitions, ")
    for name in (*TABLES, *(view for view in VIEWS if view not in ("states", "anchors"))):
        ordered = f"from {name} order by all"
        assert query(full, ordered).equals(query(filled, ordered)), name
    again = {name: query(full, f"from {name} order by all") for name in TABLES}
    rebuild(full)
    assert all(query(full, f"from {name} order by all").equals(table) for name, table in again.items())


def test_a_rebuilt_catalog_leaves_nothing_beside_it(full):
    rebuild(full)
    assert sorted(path.name for path in full.root.iterdir()) == ["lake", "warehouse.duckdb"]


def test_readers_are_not_disturbed_by_a_rebuild(home, lake):
    put_examples(lake, "mr")
    rebuild(home)
    reader = connect(home)
    put_examples(lake, "trec")
    rebuild(home)
    assert reader.execute("select count(*) from datasets").fetchall() == [(1,)]
    assert rows(home, "select count(*) as n from datasets") == [{"n": 2}]
    reader.close()


def test_many_readers_at_once(filled):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: len(query(filled, "from predictions")), range(24)))
    assert set(answers) == {160}


@pytest.mark.parametrize("how", ["truncated", "missing"])
def test_a_damaged_file_stops_the_rebuild_and_the_old_catalog_stays(full, how):
    home = full
    rebuild(home)
    before = home.catalog.read_bytes()
    path = next(home.lake.glob("metrics/**/part-0.parquet"))
    path.unlink() if how == "missing" else path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorruptPartition) as refused:
        rebuild(home)
    assert str(path) in str(refused.value)
    assert "the next run computes it again" in str(refused.value)
    assert home.catalog.read_bytes() == before


def test_a_flipped_byte_in_a_metrics_page_stops_the_rebuild(full):
    home = full
    path = next(home.lake.glob("metrics/**/part-0.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 8] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptPartition, match="is damaged"):
        rebuild(home)


def test_a_file_removed_behind_the_catalogs_back_is_explained(home, lake):
    examples = put_examples(lake, "mr")
    rebuild(home)
    shutil.rmtree(lake.of(examples).path)
    with pytest.raises(CorruptPartition, match="run `vocabsem warehouse rebuild`"):
        query(home, "from examples")
    assert len(rows(home, "from datasets")) == 1


@pytest.mark.parametrize(
    "kind",
    ["states", "metrics", "comparisons", "diagnostics", "study_values", "examples", "anchors", "predictions"],
)
@pytest.mark.parametrize("table", [{"strange": [1]}, {"split": [1], "seed": ["x"], "metric": [None]}])
def test_partitions_of_another_making_are_explained(home, lake, kind, table):
    put(lake, kind, {"part-0.parquet": pa.table(table)}, model="tiny")
    with pytest.raises(WarehouseError, match="what this version does not write"):
        rebuild(home)
    assert not home.catalog.exists()


def test_no_catalog_is_explained(home):
    with pytest.raises(NotPublished, match="vocabsem warehouse rebuild"):
        query(home, "select 1")


def test_a_catalog_that_is_none_is_explained(home):
    home.root.mkdir()
    home.catalog.write_bytes(b"no database at all" * 1000)
    with pytest.raises(WarehouseError, match="cannot be opened"):
        query(home, "select 1")
    rebuild(home)
    assert rows(home, "select 1 as one") == [{"one": 1}]


def test_a_disk_too_small_is_explained_and_leaves_nothing(full):
    home = full
    script = f"""
        import resource
        from pathlib import Path
        from warehouse.catalog.catalog import rebuild
        from warehouse.errors import NoSpace
        from warehouse.home import Home
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            rebuild(Home(Path({str(home.root)!r})))
        except NoSpace as error:
            raise SystemExit(f"refused: {{error}}")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.stderr.startswith("refused: cannot write the catalog"), done.stderr
    assert sorted(path.name for path in home.root.iterdir()) == ["lake"]


def test_every_table_view_and_column_has_a_comment(filled):
    result = tables(filled)
    assert [table.name for table in result] == sorted(table.name for table in result)
    assert {table.name for table in result if table.kind == "table"} == set(TABLES)
    assert {table.name for table in result if table.kind == "view"} == set(VIEWS)
    assert {table.name for table in result if table.kind == "macro"} == {
        "nearest_tokens",
        "nearest_examples",
        "best_fits",
    }
    keyed = {table.name for table in result if "key" in [column.name for column in table.columns]}
    marked = {table.name for table in result if "latest" in [column.name for column in table.columns]}
    newest, past = {"models", "datasets", *STUDIES}, {"lineage", "checks"}
    assert keyed - marked == newest | past
    for table in result:
        assert table.comment, table.name
        for column in table.columns:
            assert table.kind == "macro" or (column.comment and column.type), f"{table.name}.{column.name}"
    states = next(table for table in result if table.name == "states")
    assert {c.name: c.comment for c in states.columns}["layer_2"] == "State of layer 2."
    tokens = next(table for table in result if table.name == "nearest_tokens")
    assert [column.name for column in tokens.columns] == ["model", "token", "k"]


def test_the_catalog_opens_in_other_tools(filled):
    """With DuckDB alone, of other versions too, and from there in pandas and polars."""
    header = filled.catalog.read_bytes()[:20]
    assert (header[8:12], int.from_bytes(header[12:20], "little")) == (b"DUCK", 65), "the format of DuckDB 1.2"
    expected = query(filled, "from leaderboard").to_pylist()
    with duckdb.connect(str(filled.catalog), read_only=True) as connection:
        assert connection.sql("from leaderboard").df().to_dict("records") == pd.DataFrame(expected).to_dict("records")
        if importlib.util.find_spec("polars"):
            assert connection.sql("from leaderboard").pl().to_dicts() == expected


def test_values_are_bound_by_name_and_by_place(filled):
    name = "x'); drop table models; --"
    assert rows(filled, "select $n as name", {"n": name}) == [{"name": name}]
    assert rows(filled, "select ? as one, ? as two", [1, None]) == [{"one": 1, "two": None}]
    assert rows(filled, "select count(*) as n from anchors where token = $t", {"t": name}) == [{"n": 2}]
    with pytest.raises(QueryRefused):
        rows(filled, "select $missing")


def test_what_sql_gets_wrong_is_reported_plainly(filled):
    for sql, output in [
        ("select * fro leaderboard", "does not parse"),
        ("from leaderbord", "leaderboard"),
        ("select acuracy from leaderboard", "accuracy"),
        ("select 'x'::integer", "Could not convert"),
    ]:
        with pytest.raises(QueryRefused, match=output):
            query(filled, sql)


def test_a_catalog_is_opened_and_requested_quickly(filled):
    query(filled, "from leaderboard")
    began = time.process_time()
    for _ in range(10):
        query(filled, "from leaderboard")
    assert (time.process_time() - began) / 10 < 0.5


def test_a_query_larger_than_memory_spills_beside_no_one(filled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    real = catalog.duckdb.connect
    monkeypatch.setattr(
        catalog.duckdb,
        "connect",
        lambda *a, config, **o: real(*a, config=config | {"memory_limit": "40MB", "threads": "1"}, **o),
    )
    spilled = "select count(*) as n from (select i, hash(i) as h from range(3000000) t(i) order by h limit 2900000)"
    assert rows(filled, spilled) == [{"n": 2_900_000}]
    assert list(tmp_path.iterdir()) == []
    assert not list(filled.root.glob("*.tmp*"))
