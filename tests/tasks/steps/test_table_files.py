"""Files of users: whatever their form and row groups, the same rows in pieces of the same length."""

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.steps import table_files
from tasks.steps.table_files import pieces, schema_of, writing
from vocabsem.errors import DataError

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
    result = list(pieces(path, rows))
    assert [len(piece) for piece in result] == [rows] * (800 // rows) + [800 % rows] * (800 % rows > 0)
    whole = pa.concat_tables(result)
    assert whole["text"].to_pylist() == TABLE["text"].to_pylist()
    assert [int(value) for value in whole["id"].to_pylist()] == TABLE["id"].to_pylist()
    assert whole.schema.remove_metadata() == schema_of(path)


def test_only_the_columns_requested_are_read(path):
    assert next(pieces(path, 10, ["text"])).column_names == ["text"]


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


@pytest.mark.parametrize("form", [".parquet", ".csv"])
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, form):
    """Arrow's own count of what it holds, at its highest while the pieces pass by."""
    monkeypatch.setattr(table_files, "BLOCK", 1 << 13)
    highest = {}
    for times in (40, 400):
        path = tmp_path / f"{times}{form}"
        with writing(path, form, TABLE.schema) as write:
            for _ in range(times):
                write(TABLE)
        before = pa.total_allocated_bytes()
        highest[times] = max(pa.total_allocated_bytes() - before for _ in pieces(path, 1000))
    assert highest[400] < 1.5 * highest[40]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"text\n", r"a\.txt is neither \.parquet nor \.csv by its name"),
        ("a.parquet", b"text\nno parquet\n", r"cannot read .*a\.parquet as \.parquet"),
        ("a.csv", b"", r"cannot read .*a\.csv as \.csv \(Empty CSV file\)"),
        ("a.csv", b"id,text\n1\n", r"cannot read .*Expected 2 columns, got 1"),
        ("a.csv", "text\nfaçade\n".encode("latin-1"), r"cannot read .*a\.csv as \.csv .*(UTF8|utf-8)"),
        ("a.csv", b"a,a\n1,2\n", r"two columns named 'a'"),
    ],
)
def test_what_cannot_be_read_is_explained(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        assert not (schema_of(tmp_path / name), list(pieces(tmp_path / name, 10)))


def test_a_file_that_is_not_there_or_is_cut_short(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match="does not exist or is no file"):
            schema_of(path)
    path = tmp_path / "cut.parquet"
    pq.write_table(TABLE, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cannot read .*cut\.parquet"):
        schema_of(path)
    pq.write_table(TABLE, path, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"cannot read .*cut\.parquet"):
        list(pieces(path, 100))
