"""What a command that computes nothing imports: not the libraries that take seconds of the processor."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.medium

HEAVY = {"torch", "transformers", "mlflow", "prefect", "pandas", "sklearn", "scipy", "datasets", "uvicorn", "jinja2"}
READERS = {"numpy", "pyarrow", "duckdb"}


def imported(*words, error=""):
    """The top-level packages that `vocabsem WORDS` imports, with its exit code; what it prints holds an error."""
    command = [sys.executable, "-X", "importtime", "-m", "vocabsem", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert error in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}, done.returncode


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["run"],
        ["predict", "--model", "vocabsem-made"],
        ["predict", "--model", "nobody", "a text"],
        ["predict", "--model", "nobody", "--input", "texts.csv", "--output", "scored.csv"],
        ["serve", "nobody"],
        ["init-dataset", "no-such.csv", "--text", "text", "--label", "label"],
        ["lens"],
        ["lens", "a text", "--format", "yaml"],
    ],
    ids=" ".join,
)
def test_help_and_what_is_refused_at_once_import_nothing_that_reads(words, tmp_path):
    modules, code = imported("--home", tmp_path, *words)
    assert code == (0 if any(word.startswith("--") and word in ("--help", "--version") for word in words) else 2)
    assert not modules & (HEAVY | READERS)
    assert "typer" in modules


@pytest.mark.parametrize(
    "words",
    [
        ["list", "models"],
        ["list", "datasets"],
        ["list", "methods"],
        ["list", "experiments"],
        ["list", "studies"],
        ["list", "queries"],
        ["study", "no_such_card"],
        ["query"],
        ["leaderboard"],
        ["schema"],
        ["lens", "a text", "--model", "no_such_card"],
        ["lens", "a text", "--dataset", "no_such_card"],
        ["run", "no_such_card"],
        ["plan", "no_such_card"],
        ["run", "quickstart", "--set", "layers=[77]"],
        ["predict", "--model", "vocabsem-made", "--input", "no-such.csv", "--output", "scored.csv"],
        ["report", "no_such_experiment"],
    ],
    ids=" ".join,
)
def test_what_reads_cards_and_the_catalog_imports_no_more(ran, words):
    modules, code = imported("--home", ran[0].home.root, *words)
    assert code == (2 if {"no_such_card", "layers=[77]", "no-such.csv", "no_such_experiment"} & {*words} else 0)
    assert not modules & HEAVY


@pytest.mark.parametrize("command", ["run", "plan", "extract", "diagnose"])
def test_a_file_that_is_not_there_is_refused_before_a_server_starts(ran, tmp_path, command):
    (tmp_path / "datasets").mkdir()
    card = (ROOT / "data/datasets/rotten_tomatoes.yaml").read_text().replace("name: rotten_tomatoes", "name: gone")
    source, rest = card.partition("files:\n")[2].split("\n", 1)
    card = card.replace(source, f"  all: file:{tmp_path}/gone.csv").replace(rest.partition("format:")[0], "")
    (tmp_path / "datasets" / "gone.yaml").write_text(card)
    words = ["--cards", tmp_path, "--home", ran[0].home.root, command, "quickstart", "--set", "datasets=[gone]"]
    modules, code = imported(
        *words, error=f"error: source 'file:{tmp_path}/gone.csv': {tmp_path}/gone.csv does not exist"
    )
    assert code == 2
    assert not modules & (HEAVY - {"scipy"})


def test_a_run_with_nothing_to_do_loads_no_model(ran):
    modules, code = imported("--home", ran[0].home.root, "run", ran[0].card)
    assert code == 0
    assert not modules & {"torch", "transformers", "mlflow", "prefect"}


def test_a_text_is_classified_without_mlflow_and_prefect(ran):
    modules, code = imported("--home", ran[0].home.root, "predict", "--model", "vocabsem-made", "a good film")
    assert code == 0
    assert not modules & {"mlflow", "prefect", "duckdb", "sqlalchemy"}
