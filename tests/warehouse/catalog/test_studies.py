"""Studies in the catalog: every figure beside its null, the newest of a card, equal after an update."""

import shutil

import pyarrow as pa
import pytest

from tests.warehouse.lakes import put
from vocabsem.instruments.registry import study_infos
from warehouse.catalog import reads
from warehouse.catalog.catalog import query, rebuild, update
from warehouse.home import Home
from warehouse.lake.partition import Lake

LAYERS = pa.array([None, 3], pa.int32())


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def put_study(home, study="lexicon", card="lexicon", model="tiny", value=0.5, extra=None):
    where = {"study": study, "card": card, "model": model}
    items = {
        "item": ["pairs", "pairs"],
        "layer": LAYERS,
        "rank": [1, 2],
        "score": [0.5, 0.25],
        "text": ["a, b", "c, d"],
    }
    listed = put(Lake(home), "study_items", {"part-0.parquet": pa.table(items)}, extra=extra, **where)
    numbers = {"value": value, "low": 0.4, "high": 0.6, "null_low": -0.1, "null_high": 0.1}
    columns = {"unit": ["simlex"] * 2, "layer": LAYERS, "variant": ["head", "state"], "metric": ["spearman"] * 2}
    columns |= {name: [number] * 2 for name, number in numbers.items()} | {"n": [9, 9], "seed": [0, 0]}
    table = {"part-0.parquet": pa.table(columns)}
    return put(Lake(home), "study_values", table, inputs={"study_items": listed.key}, extra=extra, **where)


def rows(home, sql):
    return query(home, sql).to_pylist()


@pytest.mark.parametrize(("value", "side"), [(0.5, "above"), (-0.5, "below"), (0.1, "inside"), (0.0, "inside")])
def test_a_view_says_on_which_side_of_its_null_a_figure_is(home, value, side):
    key = put_study(home, value=value).key
    rebuild(home)
    result = rows(home, "select unit, layer, value, beside_null, key from study_lexicon order by layer nulls first")
    assert [(row["layer"], row["value"], row["beside_null"]) for row in result] == [
        (None, value, side),
        (3, value, side),
    ]
    assert [row["beside_null"] for row in reads.study_values(home, key).to_pylist()] == [side] * 2
    assert {row["key"] for row in result} == {key}


def test_the_newest_of_a_card_is_the_latest_and_cards_and_models_are_apart(home):
    old = put_study(home, value=0.3)
    rebuild(home)
    new = put_study(home, value=0.4, extra=2)
    others = [put_study(home, card="lexicon--seed-1"), put_study(home, model="small")]
    update(home)
    assert {row["key"] for row in rows(home, "from study_values where latest")} == {new.key, *(m.key for m in others)}
    assert len(reads.latest_studies(home)) == 6
    assert len(rows(home, "from study_items where not latest")) == 2
    by_update = [
        sorted(map(str, rows(home, f"from {table}"))) for table in ("study_values", "study_items", "partitions")
    ]
    rebuild(home)
    assert by_update == [
        sorted(map(str, rows(home, f"from {table}"))) for table in ("study_values", "study_items", "partitions")
    ]
    shutil.rmtree(Lake(home).of(new).path)
    update(home)
    assert {row["key"] for row in rows(home, "from study_lexicon where model = 'tiny' and card = 'lexicon'")} == {
        old.key
    }


def test_figures_go_back_to_their_items(home):
    values = put_study(home)
    rebuild(home)
    (line,) = rows(home, f"from lineage where key = '{values.key}'")
    assert line["input_kind"] == "study_items"
    (item, _) = rows(home, f"from study_items where key = '{line['input_key']}' order by rank")
    assert (item["text"], item["score"], item["study"], item["card"], item["model"]) == (
        *("a, b", 0.5),
        *("lexicon", "lexicon", "tiny"),
    )


@pytest.mark.parametrize("study", study_infos())
def test_every_study_has_a_view_whose_columns_are_described(home, study):
    put_study(home, study=study, card="mine")
    rebuild(home)
    assert len(rows(home, f"from study_{study} where card = 'mine'")) == 2
    described = "select column_name, comment from duckdb_columns() where table_name = $view"
    comments = query(home, described, {"view": f"study_{study}"}).to_pylist()
    assert comments
    assert all(row["comment"] for row in comments), comments


def test_each_view_has_the_latest_rows_of_its_study_alone_in_the_order_of_their_names(home):
    newest = {}
    for study in study_infos():
        put_study(home, study=study, card="mine", value=0.25)
        newest[study] = put_study(home, study=study, card="mine", value=-0.5, extra=3).key
        put_study(home, study=study, card="a", model="small")
    rebuild(home)
    for study, key in newest.items():
        result = rows(home, f"from study_{study}")
        assert [(row["card"], row["model"], row["variant"], row["beside_null"]) for row in result] == [
            ("a", "small", "head", "above"),
            ("a", "small", "state", "above"),
            ("mine", "tiny", "head", "below"),
            ("mine", "tiny", "state", "below"),
        ]
        assert {row["key"] for row in result[2:]} == {key}
    listed = [(row["study"], row["card"], row["variant"]) for row in reads.latest_studies(home)]
    assert listed == sorted(listed)
    assert len(listed) == 4 * len(newest)


def test_an_older_study_is_read_by_its_key_and_an_unknown_key_has_no_rows(home):
    old = put_study(home, value=0.3)
    put_study(home, value=-0.5, extra=2)
    rebuild(home)
    assert reads.study_values(home, old.key)["value"].to_pylist() == [0.3, 0.3]
    assert reads.study_values(home, old.key)["beside_null"].to_pylist() == ["above", "above"]
    assert len(reads.study_values(home, "0" * 64)) == 0
    assert "key" not in reads.study_values(home, old.key).column_names


def test_a_catalog_without_studies_has_empty_views(home):
    rebuild(home)
    assert reads.latest_studies(home) == []
    assert not any(rows(home, f"from study_{study}") for study in study_infos())
