"""A file of texts scored by a registered model: whole, stopped and gone on, refused."""

import csv
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.batch_predict import batch_predict as predict_table
from tasks import batch_predict
from tasks.batch_predict import make_job, predict_file, validate_input
from tasks.steps.progress import ProgressFile
from tasks.tracking.packaging import load_classifier
from tests.conftest import ROOT
from tests.flows.command import command
from tests.tasks.worlds import server
from tests.vocabsem.architectures import WORDS
from vocabsem.errors import BadInput, DataError

pytestmark = pytest.mark.medium

ADDED = ["predicted", "p_neg", "p_pos", "p_tale"]
MODEL = "vocabsem-made"
HOLDER = """
import sys, time
from pathlib import Path
from warehouse.lake.lease import lease
with lease(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(3)
"""
UNPRIVILEGED = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override"]


def texts(n=70):
    rng, words = np.random.default_rng(1), WORDS.split()
    return [" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(n)]


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_predict, "ROWS", 16)
    path = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"id": range(70), "text": texts(), "tags": [["a"]] * 70}), path)
    return path


@pytest.fixture
def home(ran):
    return ran[0].home


def run(home, path, output, progress=None, **more):
    job = make_job(home, MODEL, str(path), str(output), **more)
    return predict_file.fn(home, job, *validate_input(job), progress)


def left_over(folder):
    return sorted(path.name for path in folder.iterdir() if ".parts-" in path.name or ".tmp-" in path.name)


def test_every_row_keeps_its_columns_and_gets_the_models_answer(home, table, tmp_path, recorded):
    output = tmp_path / "scored.parquet"
    with recorded(home):
        assert predict_table(MODEL, str(table), str(output), home=str(home.root)) == str(output)
    scored, given = pq.read_table(output), pq.read_table(table)
    assert scored.column_names == [*given.column_names, *ADDED]
    assert scored.select(given.column_names).equals(given)
    expected = load_classifier(home, MODEL).predict(pd.DataFrame({"text": texts()}))
    np.testing.assert_allclose(scored.select(ADDED[1:]).to_pandas(), expected.iloc[:, 1:], atol=1e-6)
    assert scored["predicted"].to_pylist() == expected["label"].tolist()
    record = json.loads((tmp_path / "scored.parquet.json").read_text())
    assert (record["rows"], record["model"]["name"], record["model"]["version"]) == (70, MODEL, "1")
    assert left_over(tmp_path) == []


def test_csv_of_other_columns_gives_csv(home, tmp_path):
    path, output = tmp_path / "reviews.csv", tmp_path / "scored.csv"
    awkward = ['"good", he said\nand left', "NA", *texts(5)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["review", "stars"], *([text, "05"] for text in awkward)])
    words = ("--input", path, "--output", output, "--column", "text=review")
    done = command(home, "predict", "--model", MODEL, *words, api=server())
    assert (done.returncode, done.stdout) == (0, f"{output}\n"), done.stderr
    assert "rows of reviews.csv, vocabsem-made/1: 7 of 7" in done.stderr
    scored = pd.read_csv(output, dtype={"stars": str}, keep_default_na=False)
    assert scored.columns.tolist() == ["review", "stars", *ADDED]
    assert scored["review"].tolist() == awkward
    assert set(scored["stars"]) == {"05"}
    expected = load_classifier(home, MODEL).predict(pd.DataFrame({"text": awkward}))
    np.testing.assert_allclose(scored[ADDED[1:]], expected.iloc[:, 1:], atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not os.geteuid() and not shutil.which("setpriv"), reason="root writes everywhere")
def test_a_home_that_cannot_be_written_answers_texts_and_files(home, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(home.root, kept)
    folders = [kept, *(path for path in kept.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        given, output = tmp_path / "texts.csv", tmp_path / "scored.csv"
        pd.DataFrame({"text": texts(5)}).to_csv(given)
        predict = [*UNPRIVILEGED, sys.executable, "-m", "flows.cli.main", "--home", kept, "predict", "--model", MODEL]
        answers = []
        for words in (["--json", *texts(5)], ["--input", given, "--output", output]):
            done = subprocess.run([*predict, *words], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            answers.append(done.stdout)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    labels = [row["label"] for row in json.loads(answers[0])]
    assert pd.read_csv(output)["predicted"].tolist() == labels
    assert len(labels) == 5


class Stopping:
    """A model that is interrupted after some parts."""

    def __init__(self, model, parts):
        self.model, self.parts, self.calls = model, parts, 0

    def predict(self, frame):
        if self.calls == self.parts:
            raise KeyboardInterrupt
        self.calls += 1
        return self.model.predict(frame)


def test_a_stopped_run_goes_on_with_the_parts_it_has(home, table, tmp_path, monkeypatch):
    model = load_classifier(home, MODEL)
    monkeypatch.setattr(batch_predict, "load_classifier", lambda *_: Stopping(model, 3))
    output, progress = tmp_path / "scored.parquet", ProgressFile(tmp_path / "progress")
    progress.path.touch()
    with pytest.raises(KeyboardInterrupt):
        run(home, table, output, progress=progress)
    assert not output.exists()
    assert progress.path.read_text() == "16 0\n" * 3
    (folder,) = tmp_path.glob("scored.parquet.parts-*")
    damaged = folder / "part-00000001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    stray = folder / "part-00000003.parquet"
    stray.write_bytes(b"half")

    again = Stopping(model, 99)
    monkeypatch.setattr(batch_predict, "load_classifier", lambda *_: again)
    assert run(home, table, output) == 70 - 2 * 16, "two sound parts are kept"
    assert again.calls == 3
    assert left_over(tmp_path) == []
    assert run(home, table, tmp_path / "at_once.parquet") == 70
    assert output.read_bytes() == (tmp_path / "at_once.parquet").read_bytes()


def test_parts_belong_to_the_inputs_bytes_and_the_models_version(home, table, tmp_path, monkeypatch):
    job = make_job(home, MODEL, str(table), str(tmp_path / "o.parquet"))
    sha256 = validate_input(job)[1]
    own = job.parts(job.payload(sha256))
    renamed = table.rename(tmp_path / "renamed.parquet")
    moved = make_job(home, MODEL, str(renamed), str(tmp_path / "o.parquet"))
    assert moved.parts(moved.payload(validate_input(moved)[1])).path == own.path, "the name does not matter"
    pq.write_table(pq.read_table(renamed).slice(1), table)
    other = make_job(home, MODEL, str(table), str(tmp_path / "o.parquet"))
    assert other.parts(other.payload(validate_input(other)[1])).path != own.path
    version = replace(job.model, version="2", source="models:/m-2")
    newer = replace(job, model=version)
    assert newer.parts(newer.payload(sha256)).path != own.path


def test_an_output_of_the_same_is_left_and_of_another_refused(home, table, tmp_path, monkeypatch):
    output = tmp_path / "scored.csv"
    pq.write_table(pq.read_table(table).drop(["tags"]), table)
    assert run(home, table, output) == 70
    written = output.stat().st_mtime_ns
    monkeypatch.setattr(batch_predict, "load_classifier", lambda *_: pytest.fail("nothing is to be done"))
    assert run(home, table, output) == 0
    assert output.stat().st_mtime_ns == written
    with output.open("a") as file:
        file.write("one more line\n")
    with pytest.raises(BadInput, match=r"scored\.csv exists and is not what vocabsem-made/1 makes of texts\.parquet"):
        run(home, table, output)
    (tmp_path / "scored.csv.json").unlink()
    with pytest.raises(BadInput, match="choose another output or remove it"):
        make_job(home, MODEL, str(table), str(output))
    with pytest.raises(BadInput, match="exists and is not what"):
        make_job(home, MODEL, str(table), str(table))


def test_who_waits_for_another_process_says_so(home, table, tmp_path, capfd):
    output = tmp_path / "scored.parquet"
    words = [sys.executable, "-c", HOLDER, f"{output}.lease"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        assert run(home, table, output) == 70
    assert capfd.readouterr().err == f"waiting for pid {other.pid} on {platform.node()}, which writes {output}\n"


@pytest.mark.parametrize("name", ["in.csv", "in.tsv", "in.jsonl", "in.json", "in.arrow", "in.csv.gz"])
def test_every_form_keeps_rows_and_columns(home, tmp_path, name):
    path, output = tmp_path / name, tmp_path / "out.parquet"
    rows = [{"id": f"0{i}", "text": text, "note": None if i < 3 else "2024-01-01"} for i, text in enumerate(texts(5))]
    frame = pd.DataFrame(rows)
    if ".json" in name:
        frame.to_json(path, orient="records", lines=name.endswith("l"))
    elif name.endswith(".arrow"):
        frame.to_feather(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in name else ";")
    assert run(home, path, output) == 5
    scored = pq.read_table(output)
    assert scored.column_names == ["id", "text", "note", *ADDED]
    assert [(row["id"], row["text"], row["note"] or None) for row in scored.to_pylist()] == [
        tuple(row.values()) for row in rows
    ]


def test_a_blank_line_is_an_empty_text(home, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text\nthe soup was cold\n\nthe striker scored\n")
    with pytest.raises(DataError, match=r"row 1 of .*in\.csv has an empty 'text'"):
        run(home, path, tmp_path / "o.csv")


@pytest.mark.parametrize("empty", ["", " \n ", "\u200b\ufeff", None])
def test_an_empty_text_is_found_before_anything_is_written(home, table, tmp_path, empty):
    rows = pq.read_table(table).to_pylist()
    rows[37]["text"] = empty
    pq.write_table(pa.Table.from_pylist(rows), table)
    with pytest.raises(DataError, match=r"row 37 of .*texts\.parquet has an empty 'text': fill it or leave the row"):
        run(home, table, tmp_path / "o.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts.parquet"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"Text": ["a"]}, r"has no column 'text': did you mean 'Text'\?.*--column text=NAME"),
        ({"txet": ["a"]}, r"has no column 'text': did you mean 'txet'\?"),
        ({"id": [1]}, r"has no column 'text': it has 'id'\."),
        ({"text": [1]}, r"column 'text' of .* is int64: give text"),
        ({"text": ["a"], "predicted": ["b"]}, "has a column 'predicted' already"),
        ({"text": pa.array([], pa.string())}, "has no rows"),
    ],
)
def test_a_file_that_cannot_be_scored_is_explained(home, tmp_path, columns, message):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match=message):
        run(home, path, tmp_path / "o.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet"]


def test_what_else_is_refused_at_once(home, table, tmp_path):
    def refused(message, input=table, output=tmp_path / "o.parquet", model=MODEL, **more):
        with pytest.raises(BadInput, match=message):
            make_job(home, model, str(input), str(output), **more)

    refused("there are vocabsem-made@champion", model="nothing")
    refused(r"o\.txt is neither \.parquet nor \.csv", output=tmp_path / "o.txt")
    refused("does not exist or is no file", input=tmp_path / "none.parquet")
    refused(r"texts\.txt ends in '\.txt': name it by what it is", input=tmp_path / "texts.txt")
    refused("the folder .*nowhere does not exist: make it", output=tmp_path / "nowhere" / "o.csv")
    refused(r"\.csv cannot hold these columns", output=tmp_path / "o.csv")
    refused(r"vocabsem-made has no field 'txt': did you mean 'text'\?", columns={"txt": "text"})
    for words in (["--input", table], ["a text", "--input", table, "--output", "o.csv"], []):
        assert "give texts, or a file" in command(home, "predict", "--model", MODEL, *words).stderr
    done = command(home, "predict", "--model", MODEL, "--input", table, "--output", "o.csv", "--column", "text")
    assert (done.returncode, "write FIELD=NAME" in done.stderr) == (2, True)


@pytest.mark.slow
def test_a_killed_process_loses_at_most_a_part(home, tmp_path):
    path, output = tmp_path / "many.parquet", tmp_path / "scored.parquet"
    pq.write_table(pa.table({"text": texts(60_000)}), path)
    words = [sys.executable, "-m", "flows.cli.main", "--home", str(home.root), "predict", "--model", MODEL]
    words += ["--input", str(path), "--output", str(output)]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while len(list(tmp_path.glob("*.parts-*/*.parquet.json"))) < 3:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not output.exists()
    kept = {part: part.stat().st_mtime_ns for part in tmp_path.glob("*.parts-*/*.parquet")}
    assert len(kept) >= 3
    job = make_job(home, MODEL, str(path), str(output))
    assert predict_file.fn(home, job, *validate_input(job)) <= 60_000 - 1024 * (len(kept) - 1)
    assert pq.read_table(output, columns=["text"])["text"].to_pylist() == texts(60_000)
    assert left_over(tmp_path) == []


def test_a_file_is_scored_by_a_model_on_the_disk_and_gone_on_with_by_one_in_memory(home, table, tmp_path):
    output = tmp_path / "scored.parquet"
    assert run(home, table, output, device="offload:0MB") == 70
    expected = load_classifier(home, MODEL).predict(pd.DataFrame({"text": texts()}))
    np.testing.assert_allclose(pq.read_table(output).select(ADDED[1:]).to_pandas(), expected.iloc[:, 1:], atol=1e-6)
    assert run(home, table, output) == 0, "the device is no part of what was made"


@pytest.mark.parametrize("device", ["offload:8", "gpu9", "cuda:77"])
def test_a_device_that_is_not_there_is_refused_before_a_row_is_read(home, table, tmp_path, device):
    output = tmp_path / "scored.parquet"
    with pytest.raises(BadInput, match=device):
        make_job(home, MODEL, str(table), str(output), device=device)
    done = command(home, "predict", "--model", MODEL, "a film", "--device", device)
    assert (done.returncode, done.stdout) == (2, "")
    assert device in done.stderr
    assert done.stderr.count("\n") == 1
