"""`vocabsem submit` and `verify-submission`: what one writes the other accepts, and names what was changed."""

import gzip
import json

import pyarrow as pa
import pytest

from tasks.steps.facts import MetricsFacts
from tests.flows.command import command
from tests.tasks.views.recorded import record
from warehouse.catalog import reads
from warehouse.catalog.catalog import rebuild
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return record(tmp_path_factory.mktemp("submitted"))[0].home


@pytest.fixture(scope="module")
def submitted(home, tmp_path_factory):
    path = tmp_path_factory.mktemp("submission") / "tiny.json"
    done = command(home, "submit", "tiny", "--output", path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path}: 3 fits, 5 units of one seed, ")
    assert done.stdout.endswith("verified\n")
    return path


def test_what_was_submitted_verifies_in_its_home_and_in_any_other(home, submitted, tmp_path):
    done = command(home, "verify-submission", submitted)
    assert done.returncode == 0, done.stderr
    first, second, last = done.stdout.splitlines()
    assert first.endswith(" of tiny, protocol 1 but for datasets, shots, on_insufficient, seeds, temperature")
    assert second == "examples of made: 24 test examples compared with this home's own"
    assert last == "3 fits, 5 units of one seed: 0 differences"
    done = command(Home(tmp_path / "other"), "verify-submission", submitted)
    assert done.returncode == 0, done.stderr
    assert "examples of made: not compared: " in done.stdout


def test_what_was_changed_is_named_and_the_exit_code_is_2(home, submitted, tmp_path):
    content = json.loads(submitted.read_text())
    content["fits"][1]["metrics"]["macro_f1"]["value"] = 0.99
    content["datasets"][0]["hashes"][0] = "0" * 16
    (tmp_path / "forged.json").write_text(json.dumps(content))
    done = command(home, "verify-submission", tmp_path / "forged.json")
    assert done.returncode == 2
    assert "differs: made, made-model, centroid, 4 shots: macro_f1: value: stated 0.99, recomputed 0." in done.stdout
    assert "differs: examples of made: 1 of 24 test examples are others, first in row 0" in done.stdout
    assert done.stdout.endswith(" differences\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["submit", "none", "--output", "x.json"], "no experiment or run 'none': there are tiny"),
        (["submit", "tiny", "--output", "x.csv"], "--output x.csv: give a name with .json or .json.gz"),
        (["verify-submission", "no-such.json"], "cannot read no-such.json: No such file or directory"),
        (["verify-submission", "README.md"], "README.md is no submission that can be verified: Expecting value"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_line(home, words, message):
    done = command(home, *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: {message}")


def test_predictions_are_exported_for_another_harness(home, tmp_path):
    words = ["export", "predictions", "--experiment", "tiny", "--format", "harness", "--output"]
    done = command(home, *words, tmp_path / "out", "--method", "centroid")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'out'}: 2 files of samples, results of 1 models\n"
    done = command(home, "export", "anchors", "--format", "harness", "--output", tmp_path / "other")
    assert (done.returncode, done.stderr) == (2, "error: --format harness is for predictions, not for anchors\n")


def test_a_card_for_the_hub_is_written(home, tmp_path):
    done = command(home, "export", "card", "--experiment", "tiny", "--output", tmp_path / "README.md")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'README.md'}\n")
    assert (tmp_path / "README.md").read_text().startswith("---\n")
    done = command(home, "export", "card", "--experiment", "tiny", "--output", tmp_path / "card.txt")
    assert "a card is Markdown: give a name with .md" in done.stderr
    done = command(home, "export", "card", "--output", tmp_path / "README.md")
    assert "card is of one experiment: give --experiment, of tiny" in done.stderr


def test_a_run_that_does_not_verify_is_not_written(tmp_path):
    """As one that an earlier version scored otherwise: here the metrics are of other predictions."""
    plan, _ = record(tmp_path / "world", methods=["centroid"], shots=[4])
    (fit,) = plan.fits
    partition = fit.metrics.partition(Lake(plan.home))
    rows = partition.table().to_pylist()
    for row in rows:
        row["value"] = row["value"] / 2 if row["metric"] == "nll" else row["value"]
    schema = partition.table().schema
    for path in partition.path.iterdir():
        path.unlink()
    fit.metrics.publish(Lake(plan.home), pa.Table.from_pylist(rows, schema), MetricsFacts())
    rebuild(plan.home)
    done = command(plan.home, "submit", "tiny", "--output", tmp_path / "run.json")
    assert done.returncode == 2
    assert "does not verify (made, made-model, centroid, 4 shots, seed 0: nll: stated" in done.stderr
    assert "`vocabsem run` its card again" in done.stderr
    assert not (tmp_path / "run.json").exists()


def test_a_run_is_named_by_its_key_and_written_compressed(home, tmp_path):
    key = reads.latest_run(home, "tiny")["key"]
    done = command(home, "submit", key[:10], "--output", tmp_path / "new" / "run.json.gz")
    assert done.returncode == 0, done.stderr
    assert json.loads(gzip.decompress((tmp_path / "new" / "run.json.gz").read_bytes()))["run"] == key


def test_the_catalog_has_the_protocol_of_the_run(home):
    sql = "select experiment, protocol, json_array_length(deviations) as parts from runs"
    done = command(home, "sql", sql, "--format", "csv")
    assert done.stdout.splitlines()[1] == '"tiny",1,5'
