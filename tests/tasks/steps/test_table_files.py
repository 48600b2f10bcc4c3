"""Files of users: whatever their form and row groups, the same rows in pieces of the same length."""

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from tasks.steps.table_files import pieces, plain_schema, writing
from vocabsem.cards.reader_options import ReaderOptions
from vocabsem.errors import DataError
from vocabsem.sources.tables import format_of, schema_of

TEXTS = ["plain", 'a "quoted" word', "two\nlines, and a comma", "NA", "", "  spaces  ", "ünïcode €", "007"]
TABLE = pa.table({"id": pa.array(range(800)), "text": TEXTS * 100})


@pytest.fixture(params=["one.parquet", "groups.parquet", "one.csv"])
def path(request, tmp_path):
    path = tmp_path / request.param
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([TABLE.column_names, *zip(*TABLE.to_pydict().values(), strict=True)])
    else:
        pq.write_table(TABLE, path, row_group_size=77 if "groups" in request.param else None)
    return path


@pytest.mark.parametrize("rows", [1, 60, 77, 800, 5000])
def test_pieces_are_of_one_length_and_hold_every_row_in_order(path, rows):
    result = list(pieces(path, rows, ["id", "text"], ReaderOptions()))
    assert [len(piece) for piece in result] == [rows] * (800 // rows) + [800 % rows] * (800 % rows > 0)
    whole = pa.concat_tables(result)
    assert whole["text"].to_pylist() == TABLE["text"].to_pylist()
    assert [int(value) for value in whole["id"].to_pylist()] == TABLE["id"].to_pylist()
    assert whole.schema.remove_metadata() == plain_schema(schema_of(path, format_of(path)))


def test_views_and_dictionaries_become_what_every_writer_can_write(tmp_path):
    kinds = {"view": pa.string_view(), "dictionary": pa.dictionary(pa.int8(), pa.string()), "plain": pa.string()}
    table = pa.table({name: pa.array(["a", "b"]).cast(kind) for name, kind in kinds.items()})
    feather.write_feather(table, tmp_path / "a.arrow", compression="uncompressed")
    (piece,) = pieces(tmp_path / "a.arrow", 10, table.column_names, ReaderOptions())
    assert piece.to_pydict() == table.to_pydict()
    for form in (".parquet", ".csv"):
        with writing(tmp_path / f"out{form}", form, piece.schema) as write:
            write(piece)


def test_what_is_written_is_what_the_standard_library_reads(tmp_path):
    out = tmp_path / "out.csv"
    table = pa.table({"text": TEXTS, "p": [0.1 * i for i in range(8)]})
    with writing(out, ".csv", table.schema) as write:
        write(table.slice(0, 3))
        write(table.slice(3))
    with out.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["text", "p"]
    assert [(text, float(p)) for text, p in rows] == list(zip(*table.to_pydict().values(), strict=True))
    with (
        pytest.raises(DataError, match=r"\.csv cannot hold these columns .*list.*: write \.parquet"),
        writing(out, ".csv", pa.schema([("a", pa.list_(pa.int8()))])) as write,
    ):
        write(pa.table({"a": pa.array([[1]], pa.list_(pa.int8()))}))
