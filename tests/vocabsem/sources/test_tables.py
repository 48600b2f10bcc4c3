"""Tables of texts: the same rows whatever the file, nothing guessed, and lines named where something is wrong."""

import bz2
import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabsem.cards.reader_options import ReaderOptions, reader_options
from vocabsem.errors import BadInput, DataError
from vocabsem.sources import json_rows, tables
from vocabsem.sources.tables import column_names, format_of, read_batches, schema_of, strings

TEXTS = ["plain", 'a "quoted" word', "two\nlines, and; a\ttab", "NA", "", "  spaces  ", "ünïcode €", "007", "1e5"]
TEXTS += ["2024-01-01", "2024-04-13T03:03:00Z", "null", "True", "1.50", "'", "=cmd|' /C calc'!A0"]
ROWS = [(text, f"0{i % 3}") for i, text in enumerate(TEXTS * 100)]


def as_csv(sep):
    out = io.StringIO()
    csv.writer(out, delimiter=sep).writerows([("text", "label"), *ROWS])
    return out.getvalue().encode()


def as_arrow(kind):
    columns = {"text": pa.array([t for t, _ in ROWS]).cast(kind), "label": pa.array([n for _, n in ROWS])}
    return pa.table(columns | {"label": columns["label"].dictionary_encode()})


OBJECTS = [{"other": i if i < 1200 else {"nested": i}, "text": t, "label": n} for i, (t, n) in enumerate(ROWS)]
LINES = "\n".join(map(json.dumps, OBJECTS)).encode()
FILES = {
    "a.csv": lambda path: path.write_bytes(as_csv(",")),
    "semicolons.csv": lambda path: path.write_bytes(b"\xef\xbb\xbf" + as_csv(";")),
    "excel.csv": lambda path: path.write_bytes(b"sep=|\r\n" + as_csv("|")),
    "a.tsv": lambda path: path.write_bytes(as_csv("\t")),
    "a.csv.gz": lambda path: path.write_bytes(gzip.compress(as_csv(",")[:900]) + gzip.compress(as_csv(",")[900:])),
    "a.csv.bz2": lambda path: path.write_bytes(bz2.compress(as_csv(","))),
    "a.tab.zst": lambda path: path.write_bytes(pa.compress(as_csv("\t"), "zstd", asbytes=True)),
    "a.jsonl": lambda path: path.write_bytes(LINES),
    "a.ndjson.gz": lambda path: path.write_bytes(gzip.compress(LINES, mtime=0)),
    "array.json": lambda path: path.write_text(json.dumps(OBJECTS, indent=1, ensure_ascii=False), encoding="utf-8"),
    "lines.json": lambda path: path.write_bytes(LINES),
    "array.jsonl": lambda path: path.write_text(json.dumps(OBJECTS)),
    "a.parquet": lambda path: pq.write_table(as_arrow(pa.string()), path, row_group_size=77),
    "large.parquet": lambda path: pq.write_table(as_arrow(pa.large_string()), path),
    "dictionary.parquet": lambda path: pq.write_table(as_arrow(pa.dictionary(pa.int32(), pa.string())), path),
    "binary.parquet": lambda path: pq.write_table(as_arrow(pa.binary()), path),
    "views.arrow": lambda path: pa.feather.write_feather(as_arrow(pa.string_view()), path, compression="uncompressed"),
    "a.feather": lambda path: pa.feather.write_feather(as_arrow(pa.large_binary()), path),
}


def rows_of(path, *columns, **options):
    form, given = format_of(path), ReaderOptions(**options)
    for batch in read_batches(path, form, columns, given):
        yield from zip(*(strings(batch.column(i), path, name) for i, name in enumerate(columns)), strict=True)


@pytest.mark.parametrize("name", FILES)
def test_every_file_gives_the_same_strings(tmp_path, name):
    FILES[name](tmp_path / name)
    assert list(rows_of(tmp_path / name, "text", "label")) == ROWS
    assert list(rows_of(tmp_path / name, "label", "text")) == [(n, t) for t, n in ROWS]
    assert {"text", "label"} <= set(schema_of(tmp_path / name, format_of(tmp_path / name), wanted=["text"]).names)


def test_an_arrow_stream_is_read_too(tmp_path):
    with pa.ipc.new_stream(tmp_path / "a.arrow", as_arrow(pa.string()).schema) as writer:
        writer.write_table(as_arrow(pa.string()))
    assert list(rows_of(tmp_path / "a.arrow", "text", "label")) == ROWS


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=9)] * 2)))
def test_what_the_csv_module_writes_is_read_as_it_was(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    assert list(rows_of(path, "text", "label")) == rows


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.text(st.characters(codec="utf-8"), max_size=5)), min_size=1))
def test_an_array_of_objects_is_read_in_any_chunks(tmp_path_factory, rows):
    chunk, json_rows.CHUNK = json_rows.CHUNK, 3
    try:
        text = io.StringIO(json.dumps(rows, ensure_ascii=False, indent=1))
        assert list(json_rows.json_rows(text, 1000)) == rows
    finally:
        json_rows.CHUNK = chunk


def test_blank_lines_between_rows_are_rows(tmp_path):
    (path := tmp_path / "one.csv").write_text("text\na\n\nb\n\n")
    assert list(rows_of(path, "text")) == [("a",), ("",), ("b",), ("",)]
    (path := tmp_path / "two.csv").write_text("text,label\n\na,1\n\n\nb,2\n\n")
    assert list(rows_of(path, "text", "label")) == [("a", "1"), ("", ""), ("", ""), ("b", "2")]


def test_missing_values_are_empty_and_numbers_are_as_they_are_spelled(tmp_path):
    (path := tmp_path / "a.jsonl").write_text('{"a": null}\n{"a": 1}\n{"a": 1.0}\n{}\n{"a": NaN}\n')
    assert [row for (row,) in rows_of(path, "a")] == ["", "1", "1.0", "", ""]
    numbers = ["1.10", "1e5", "1e400", "-0.0", "0.12345678901234567890", "123456789012345678901234567890"]
    path.write_text("".join(f'{{"a": {number}}}\n' for number in numbers))
    assert [row for (row,) in rows_of(path, "a")] == numbers
    pq.write_table(pa.table({"a": [1.0, float("nan"), None]}), tmp_path / "a.parquet")
    assert [row for (row,) in rows_of(tmp_path / "a.parquet", "a")] == ["1.0", "", ""]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"text\n", r"a\.txt ends in '\.txt': name it by what it is, one of \.csv, \.tsv"),
        ("a.parquet.gz", b"x", r"ends in '\.gz'"),
        ("a.parquet", b"text\nno parquet\n", r"cannot read .*a\.parquet as parquet"),
        ("a.arrow", b"ARROW1\0\0 and nothing", r"cannot read .*a\.arrow as arrow"),
        ("a.csv", b"", r"cannot read .*a\.csv: it is empty"),
        ("a.csv", b"id,text\n1,a\n1\n", r"line 3 has fewer fields than its header, 'id', 'text'"),
        ("a.csv", b"id,text\n1,a,b\n", r"line 2 has more fields than its header, 'id', 'text': name all"),
        ("a.csv", "text\nfaçade\n".encode("latin-1"), r"a\.csv as csv: it is not utf-8 text .*name its encoding"),
        ("a.csv", b"text,text\n1,2\n", r"two columns named 'text'"),
        (
            "a.csv",
            b'text,b\nx,1\n"y,2\nz,3\n',
            r"row that begins in line 3 do not match \(unexpected end of data",
        ),
        ("a.csv", b'text,b\n"y,2\nz,3\n"x,4\n', r"row that begins in line 2 do not match .* in line 4\): close each"),
        (
            "a.csv.gz",
            gzip.compress(b"text\n" + b"a\n" * 9999, mtime=0)[:-9],
            r"cannot read .*a\.csv\.gz as csv: Truncated",
        ),
        ("a.csv", b"text\n" + b"a" * 5000, r"line 2 has more than 4,000 characters"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"\n', r"line 2: Expecting ',' delimiter"),
        ("a.jsonl", b'{"text": "a"}\n[1]\n', r"line 2 is '\[1\]', not an object"),
        ("a.jsonl", b'{"text": "a", "text": "b"}\n', r"line 1: two values are named 'text'"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', r"cannot read .*a\.jsonl as jsonl"),
        ("a.jsonl", b'{"text": ["a"]}\n', r"column 'text' holds .*no text: write it out as text"),
        ("a.json", b'[{"text": "a"}, {"text": "b"}', r"object 1 is followed by '', not by a comma or a bracket"),
        ("a.json", b'[{"text": "a"} {"text": "b"}]', r"object 0 is followed by '{'"),
        ("a.json", b'[{"text": "a"}, ]', r"object 1: Expecting value"),
        ("a.json", b'[{"text": "a"}] x', r"the array is followed by 'x'"),
        ("a.json", b'[{"text": ' + b"[" * 3000 + b"]" * 3000 + b"}]", r"cannot read .*object 0"),
        ("a.json", b'[{"text": "' + b"a" * 90000 + b'"}]', r"object 0 has more than 4,000 characters"),
    ],
)
def test_what_cannot_be_read_is_explained(tmp_path, monkeypatch, name, content, message):
    monkeypatch.setattr(tables, "LONGEST", 4000 if len(content) != 6012 else 9000)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as refused:
        assert not list(rows_of(tmp_path / name, "text"))
    assert len(str(refused.value)) < 500 + len(str(tmp_path))


def test_a_file_that_is_none_or_is_damaged(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "none.csv", tmp_path / "pipe.csv", Path("/dev/zero")):
        with pytest.raises(DataError, match="does not exist or is no file"):
            column_names(path, "csv")
    for name, at in (("a.parquet", 60), ("a.arrow", 0)):
        path = tmp_path / name
        if at:
            pq.write_table(as_arrow(pa.string()), path, write_page_checksum=True)
        else:
            pa.feather.write_feather(as_arrow(pa.string()), path, compression="uncompressed")
        data = bytearray(path.read_bytes())
        at = at or data.index(b"plain") - 1000  # among the offsets of the texts
        data[at : at + 8] = b"\xff" * 8
        path.write_bytes(data)
        with pytest.raises(DataError, match=f"cannot read .*{name}"):
            list(rows_of(path, "text"))


@pytest.mark.parametrize("form", [".csv", ".json", ".jsonl", ".parquet", ".arrow"])
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, form):
    """What Python and Arrow hold, at its highest while the rows pass by."""
    import tracemalloc

    monkeypatch.setattr(tables, "BATCH", 100)
    monkeypatch.setattr(json_rows, "CHUNK", 1000)
    highest = {}
    for times in (1, 8):
        rows, path = ROWS * times, tmp_path / f"{times}{form}"
        table = pa.table({"text": [t for t, _ in rows], "label": [n for _, n in rows]})
        if form == ".parquet":
            pq.write_table(table, path, row_group_size=500)
        elif form == ".arrow":
            pa.feather.write_feather(table, path, chunksize=500)
        elif form == ".csv":
            pa.csv.write_csv(table, path)
        else:
            lines = map(json.dumps, table.to_pylist())
            path.write_text(f"[{', '.join(lines)}]" if form == ".json" else "\n".join(lines))
        list(rows_of(path, "text", "label"))
        tracemalloc.start()
        before, most = pa.total_allocated_bytes(), 0
        for _ in rows_of(path, "text", "label"):
            most = max(most, pa.total_allocated_bytes() - before)
        highest[times] = most + tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert highest[8] < 1.5 * highest[1] + 50_000


def test_options_of_a_command():
    assert reader_options(None, None) == ReaderOptions()
    assert reader_options("\\t", "latin-1").sep == "\t"
    for words, message in [
        ((";;", None), "--sep ';;': give one character"),
        ((None, "zip"), "--encoding 'zip': is not"),
    ]:
        with pytest.raises(BadInput, match=message):
            reader_options(*words)
