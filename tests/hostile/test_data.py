"""Files of data whose bytes were changed: read to their end or refused with one line, in time, no row lost or made."""

import bz2
import gzip
import io
import json
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import batch_predict
from tasks.tracking.registered import RegisteredClassifier
from tasks.views.dataset_draft import read_draft
from vocabsem.errors import BadInput, DataError
from vocabsem.sources.tables import column_names, format_of, read_batches, schema_of, strings
from warehouse.home import Home

pytestmark = pytest.mark.medium

SECONDS = 10
TEXTS = ["a good film", "dull", 'he said "no"', "two\nlines", "semi;colon, comma\ttab", "café 😀", "007", "2024-01-01"]
ROWS = [{"text": f"{text} {n}", "label": f"class {n % 2}", "stars": n} for n, text in enumerate(TEXTS * 4)]


def as_csv(sep):
    out = io.BytesIO()
    pyarrow.csv.write_csv(pa.Table.from_pylist(ROWS), out, pyarrow.csv.WriteOptions(delimiter=sep))
    return out.getvalue()


def as_parquet(**options):
    table, out = pa.Table.from_pylist(ROWS), io.BytesIO()
    pq.write_table(table, out, row_group_size=20, **options)
    return out.getvalue()


def as_arrow(make, **options):
    table = pa.Table.from_pylist(ROWS)
    table = table.set_column(1, "label", table["label"].dictionary_encode()).combine_chunks()
    out = io.BytesIO()
    with make(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=20)
    return out.getvalue()


LINES = "\n".join(map(json.dumps, ROWS)).encode()
FILES = {
    "a.csv": as_csv(","),
    "a.tsv": as_csv("\t"),
    "bom.csv": b"\xef\xbb\xbf" + as_csv(";"),
    "a.json": json.dumps(ROWS, indent=1, ensure_ascii=False).encode(),
    "a.jsonl": LINES,
    "a.parquet": as_parquet(write_page_checksum=True),
    "plain.parquet": as_parquet(use_dictionary=False, compression="none", data_page_version="2.0"),
    "a.arrow": as_arrow(pa.ipc.new_file),
    "packed.arrow": as_arrow(pa.ipc.new_file, compression="lz4"),
    "stream.arrow": as_arrow(pa.ipc.new_stream),
    "a.csv.gz": gzip.compress(as_csv(","), mtime=0),
    "a.jsonl.bz2": bz2.compress(LINES),
    "a.json.zst": pa.compress(json.dumps(ROWS).encode(), "zstd", asbytes=True),
}
BYTES = st.binary(min_size=1, max_size=4) | st.sampled_from([
    *(b'"', b"\n", b"\r", b",", b"\0", b"\xff" * 8, b"\x80", b"{", b"[", b"]", b"null", b"1e999", b"\\ud800"),
    *(b"\xef\xbb\xbf", b"sep=;\n", b"text", b"\x7f" + b"\xff" * 7, b"PAR1", b"ARROW1", b"\xe2\x80\x8b", b"\x1b[31m"),
])  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "insert", "cut", "repeat", "end"]), st.floats(0, 1), BYTES),
    min_size=1,
    max_size=4,
)
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
NAMES = st.sampled_from(sorted(FILES))


def changed(data, changes):
    """The bytes with some replaced, inserted, removed, repeated, or with their end cut off."""
    for kind, share, new in changes:
        at = int(share * len(data))
        before, after = data[:at], data[at:]
        data = {
            "put": before + new + after[len(new) :],
            "insert": before + new + after,
            "cut": before + after[len(new) :],
            "repeat": data[: at + 40] + after,
            "end": before,
        }[kind]
    return data


def read(call, *arguments):
    """What a call returns, or None where it refuses its input with one short line; in time, also where others work."""
    began = time.process_time()
    try:
        return call(*arguments)
    except BadInput as error:
        message = str(error)
        assert "\n" not in message
        assert "Traceback" not in message
        assert len(message) < 1000
        return None
    finally:
        assert time.process_time() - began < SECONDS


def rows_of(path):
    """The texts and labels of a file."""
    form, columns = format_of(path), ("text", "label")
    names = column_names(path, form, wanted=columns)
    if missing := set(columns) - set(names):
        raise DataError(f"{path} has no column {missing}")
    assert set(names) <= set(schema_of(path, form, wanted=columns).names)
    rows = []
    for batch in read_batches(path, form, columns):
        both = [strings(batch.column(at), path, name) for at, name in enumerate(columns)]
        rows += zip(*both, strict=True)
    assert all(isinstance(value, str) for row in rows for value in row)
    return rows


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_whole(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    assert rows_of(tmp_path / name) == [(row["text"], row["label"]) for row in ROWS]


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".gz", ".bz2", ".zst"))])
def test_a_packed_file_that_is_cut_off_or_followed_by_something_loses_no_row_in_silence(tmp_path, name):
    path, data = tmp_path / name, FILES[name]
    for harmed in [*(data[:end] for end in range(4, len(data), 7)), data[:-1], data + b"more", data + bytes(512)]:
        path.write_bytes(harmed)
        assert read(rows_of, path) is None, f"{len(harmed)} of {len(data)} bytes"


@settings(FUZZ, max_examples=5 * settings().max_examples)
@given(NAMES, CHANGES)
def test_any_file_is_read_to_its_end_or_refused(tmp_path, name, changes):
    path = tmp_path / name
    path.write_bytes(changed(FILES[name], changes))
    rows = read(rows_of, path)
    assert rows is None or rows == rows_of(path), "the same rows every time"


@FUZZ
@given(NAMES, CHANGES)
def test_a_data_set_has_the_rows_of_its_file(tmp_path, name, changes):
    path = tmp_path / name
    path.write_bytes(changed(FILES[name], changes))
    if draft := read(read_draft, {"all": path}, "text", "label", "fuzzed"):
        labels = [label for _, label in rows_of(path)]
        assert draft.counts == {label: labels.count(label) for label in set(labels)}
        assert len(draft.counts) >= 2


MANY = 100_000
WIDE = ",".join(f"column {n}" for n in range(MANY))
LARGE = {
    "a column twice.csv": f"text,label,{WIDE},column 7\n",
    "a column twice.jsonl": "{" + ",".join(f'"{n}": 1' for n in range(MANY)) + ', "7": 1}',
    "no text.csv": f"{WIDE},label\n",
    "no label.csv": f"text,{WIDE}\n",
    "no text.json": "[{" + ",".join(f'"{n}": 1' for n in range(MANY)) + "}]",
    "rare.csv": "text,label\n" + "".join(f"text {n},class {n}\n" for n in range(MANY)),
    "alike.csv": "text,label\n" + "".join(f"text {n},{'class' if n % 2 else 'Class'}\n" for n in range(MANY)),
    "empty.csv": "text,label\n" + ",\n" * MANY,
    "blank.csv": "text,label\na,b\n" + "\n" * MANY + "a,b\n",
    "longer.csv": "text,label\n" + "a,b,c\n" * MANY,
    "nested.jsonl": '{"text": ' + "[" * MANY,
    "nested.json": '[{"text": ' + '{"text": ' * MANY,
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("drop", [False, True])
def test_a_large_file_is_refused_in_time(tmp_path, name, drop):
    (tmp_path / name).write_text(LARGE[name])
    options = {"drop_empty": drop, "drop_rare": drop}
    assert read(lambda: read_draft({"all": tmp_path / name}, "text", "label", "large", **options)) is None


class Lengths:
    """A classifier that answers with the length of the text."""

    def predict(self, frame):
        return pd.DataFrame({"label": frame["text"].map(len).map(str), "a": 0.25, "b": 0.75})


@pytest.fixture(scope="module")
def predict():
    """Classifies a file; returns the texts and answers of the output."""
    config = {"fields": ["text"], "labels": ["a", "b"]}
    classifier = RegisteredClassifier("lengths", "1", "models:/m-1", config, Path(), Path())

    def run(source: Path, output: Path):
        for left in output.parent.glob(f"{output.name}*"):
            left.unlink()
        home = Home(source.parent / "home")
        job = batch_predict.make_job(home, "lengths", str(source), str(output))
        batch_predict.predict_file.fn(home, job, *batch_predict.validate_input(job))
        table = pq.read_table(output)
        return table["text"].to_pylist(), table["predicted"].to_pylist()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_predict, "find_classifier", lambda *_: classifier)
        patch.setattr(batch_predict, "load_classifier", lambda *_: Lengths())
        yield run


@FUZZ
@given(NAMES, CHANGES)
def test_predictions_are_as_many_as_texts_and_in_their_order(tmp_path, predict, name, changes):
    path = tmp_path / name
    path.write_bytes(changed(FILES[name], changes))
    if answered := read(predict, path, tmp_path / "out.parquet"):
        texts, answers = answered
        texts = [text.decode() if isinstance(text, bytes) else text for text in texts]
        columns = column_names(path, format_of(path), wanted=["text"])
        with suppress(DataError):  # a file without labels is predicted too
            assert "label" not in columns or texts == [text for text, _ in rows_of(path)]
        assert answers == [str(len(text)) for text in texts]
    else:
        assert not (tmp_path / "out.parquet").exists()
