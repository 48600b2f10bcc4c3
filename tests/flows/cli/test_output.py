"""Rows to files: in the format of the name, whole or not at all."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli.output import output_format, write_rows
from vocabsem.errors import BadInput
from warehouse.errors import QueryRefused

TABLE = pa.table({"text": ["=1", "b"], "n": [1, 2]})


def test_the_format_is_that_of_the_name(tmp_path, capsys):
    for name in ("rows.csv", "rows.json", "rows.parquet", "new/rows.txt"):
        write_rows(TABLE, None, tmp_path / name)
        assert capsys.readouterr().out == f"{tmp_path / name}\n"
    with (tmp_path / "rows.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"text": "=1", "n": "1"}, {"text": "b", "n": "2"}]
    assert json.loads((tmp_path / "rows.json").read_text()) == TABLE.to_pylist()
    assert pq.read_table(tmp_path / "rows.parquet") == TABLE
    assert (tmp_path / "new" / "rows.txt").read_text().split()[:2] == ["text", "n"]


def test_a_given_format_goes_before_the_name(tmp_path):
    write_rows(TABLE, "excel", tmp_path / "rows.csv")
    assert "'=1" in (tmp_path / "rows.csv").read_text("utf-8-sig")


def test_a_name_that_says_no_format(tmp_path):
    with pytest.raises(BadInput, match=r"rows\.xlsx.*--format excel with a \.csv"):
        output_format(None, tmp_path / "rows.xlsx")
    with pytest.raises(BadInput, match="by no suffix"):
        output_format(None, tmp_path / "rows")


def test_a_failed_write_leaves_what_was_there(tmp_path):
    file = tmp_path / "rows.json"
    file.write_text("before")
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(QueryRefused, match="two columns share a name"):
        write_rows(twice, None, file)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(BadInput, match="is a folder"):
        write_rows(TABLE, "csv", tmp_path)
