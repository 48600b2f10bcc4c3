import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.catalog.export import write_table
from warehouse.errors import QueryRefused

TABLE = pa.table(
    {
        "name": ["plain", 'quote " and, comma', "line\nbreak", None],
        "n": pa.array([1, -20, None, 3_000_000], pa.int64()),
        "x": [0.5, float("nan"), float("-inf"), 1e-9],
        "flag": [True, False, None, True],
        "list": [[1.0, 2.0], [], None, [float("nan")]],
    }
)


def rendered(table, form):
    out = io.BytesIO()
    write_table(table, form, out)
    return out.getvalue()


def test_csv_for_spreadsheets_has_no_formula():
    """OWASP's list of what begins a formula; numbers stay numbers, and a spreadsheet knows UTF-8 by its mark."""
    texts = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "é", "a=b", None, ""]
    table = pa.table({"text": texts, "n": pa.array(range(-5, 5), pa.int64())})
    data = rendered(table, "excel")
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [row[0] for row in rows[1:]] == [*(f"'{text}" for text in texts[:6]), "é", "a=b", "", ""]
    assert [int(row[1]) for row in rows[1:]] == list(range(-5, 5))


def test_a_plan_is_printed_as_it_is_drawn():
    table = pa.table({"explain_key": ["physical_plan"], "explain_value": ["╭─ x ─╮\n│ \x1b[31m │\n"]})
    assert rendered(table, "table").decode() == "╭─ x ─╮\n│ \\x1b[31m │\n"


def test_json_reads_back_with_what_is_not_finite_as_null():
    rows = json.loads(rendered(TABLE, "json"))
    assert rows[0] == {"name": "plain", "n": 1, "x": 0.5, "flag": True, "list": [1.0, 2.0]}
    assert rows[1] == {"name": 'quote " and, comma', "n": -20, "x": None, "flag": False, "list": []}
    assert [row["x"] for row in rows] == [0.5, None, None, 1e-9]
    assert rows[3]["list"] == [None]


def test_json_says_dates_decimals_maps_and_bytes():
    table = pa.table(
        {
            "at": pa.array([datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)]),
            "day": [date(2026, 1, 2)],
            "whole": pa.array([Decimal("12345678901234567890")], pa.decimal128(38, 0)),
            "part": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
            "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
            "struct": [{"a": {"b": None}}],
            "bytes": [b"\x00\xff"],
        }
    )
    assert json.loads(rendered(table, "json")) == [
        {
            "at": "2026-01-02T03:04:05+00:00",
            "day": "2026-01-02",
            "whole": 12345678901234567890,
            "part": 1.5,
            "map": [["a", 1]],
            "struct": {"a": {"b": None}},
            "bytes": "00ff",
        }
    ]


def test_json_of_no_rows_is_an_empty_list():
    assert json.loads(rendered(TABLE.slice(0, 0), "json")) == []


def test_json_refuses_two_columns_of_one_name():
    with pytest.raises(QueryRefused, match="share a name"):
        rendered(pa.table([[1], [2]], names=["a", "a"]), "json")


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.integers(-(2**63), 2**63 - 1)), max_size=5))
def test_json_and_parquet_lose_nothing(rows):
    table = pa.table(
        {"text": pa.array([r[0] for r in rows], pa.string()), "n": pa.array([r[1] for r in rows], pa.int64())}
    )
    assert json.loads(rendered(table, "json")) == table.to_pylist()
    assert pq.read_table(pa.BufferReader(rendered(table, "parquet"))).equals(table)


def test_csv_reads_back_with_lists_as_json():
    rows = list(csv.DictReader(io.StringIO(rendered(TABLE, "csv").decode(), newline="")))
    assert [row["name"] for row in rows] == ["plain", 'quote " and, comma', "line\nbreak", ""]
    assert [row["n"] for row in rows] == ["1", "-20", "", "3000000"]
    assert json.loads(rows[0]["list"]) == [1.0, 2.0]
    assert rows[2]["list"] == ""


def test_text_is_aligned_numbers_to_the_right():
    table = pa.table({"method": ["zero_shot", "probe"], "n": [1, 16], "macro_f1": [0.51, 0.8199999]})
    assert rendered(table, "table").decode().splitlines() == [
        "method      n  macro_f1",
        "─────────  ──  ────────",
        "zero_shot   1    0.5100",
        "probe      16    0.8200",
    ]


def test_text_is_one_line_a_row_and_harmless_to_a_terminal():
    table = pa.table({"text": ["a\nb\tc", "\x1b[2J\x07", "x" * 100], "v": [[0.5] * 9, [], None]})
    lines = rendered(table, "table").decode().splitlines()
    assert len(lines) == 5
    assert "\x1b" not in "".join(lines)
    assert lines[2].startswith("a\\nb\\tc")
    assert "\\x1b[2J" in lines[3]
    assert "x" * 59 + "…" in lines[4]
    assert "[0.5000, 0.5000, 0.5000, 0.5000, … 9]" in lines[2]


def test_text_of_no_rows_is_its_head():
    assert rendered(TABLE.slice(0, 0), "table").decode().splitlines()[0].split() == TABLE.column_names


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0.0000"), (1e-9, "1e-09"), (2.5e7, "2.5e+07"), (float("nan"), "nan")]
)
def test_small_and_large_numbers_keep_their_digits(value, shown):
    assert rendered(pa.table({"x": [value]}), "table").decode().splitlines()[2].strip() == shown


def test_another_format_is_refused_with_the_list():
    with pytest.raises(QueryRefused, match="'xml' is no format: choose one of table, csv, excel, json, parquet"):
        rendered(TABLE, "xml")
