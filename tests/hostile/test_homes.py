"""Homes in odd folders and on odd machines: a whole small run by the real commands, and nothing beside the home."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.flows.command import Command
from tests.tasks.worlds import World, snapshot

ODD = "it's 100% #1 é数据 & $x;y"
QUICK = {"methods": ["zero_shot", "linear_probe"], "shots": [0, 2], "seeds": [0]}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world in an odd folder, in which an experiment ran, recorded by a server of its own."""
    folder = tmp_path_factory.mktemp("homes") / ODD
    folder.mkdir()
    world = World(folder, experiment=QUICK)
    (folder / "texts.csv").write_text("text\na good plot\na dull film\n")
    ask(world, "run", world.card)
    return world


def ask(world, *words, **options):
    done = Command(world.home, *words, **options).wait(900)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_every_command_reads_an_oddly_named_home(world, tmp_path):
    rows = json.loads(ask(world, "sql", "select count(*) as n from predictions", "--format", "json"))
    assert rows == [{"n": 2 * (20 + 24)}]
    assert "linear_probe" in ask(world, "leaderboard")
    ask(world, "report", "tiny", "--output", str(tmp_path / "page.html"))
    assert "linear_probe" in (tmp_path / "page.html").read_text()
    texts = json.loads(ask(world, "predict", "--model", "vocabsem-made", "--json", "a good plot", "a dull film"))
    source, output = world.folder / "texts.csv", tmp_path / "out.csv"
    ask(world, "predict", "--model", "vocabsem-made", "--input", str(source), "--output", str(output))
    assert [line.split(",")[1].strip('"') for line in output.read_text().splitlines()[1:]] == [
        row["label"] for row in texts
    ]
    assert "all as published" in ask(world, "warehouse", "verify")
    assert "linear_probe" in ask(world, "run", world.card)


def test_nothing_is_written_beside_the_home(world):
    beside = {path.name for path in world.folder.parent.iterdir()}
    assert beside == {ODD}
    names = {"home", "dataset.yaml", "experiment.yaml", "model.yaml", "texts.csv", "test.jsonl", "train.jsonl"}
    assert {path.name for path in world.folder.iterdir()} == names
    for database in ("mlflow.db", "warehouse.duckdb", "prefect/prefect.db"):
        assert (world.home.root / database).stat().st_size > 100_000


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


def test_256_open_files_are_enough(world):
    ask(world, "run", world.card, "--set", "shots=[0,3]", before=few_files)


LEAST = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
READ_ALL = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]
READ_ALL += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def as_nobody(world, *words, **variables):
    """A command of a user without name, home directory or variables, who can read the home and not write it."""
    if os.getuid() != 0 or subprocess.run([*READ_ALL, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs the right to become another user")
    command = [*READ_ALL, sys.executable, "-m", "flows.cli.main", "--home", str(world.home.root), *words]
    return subprocess.run(
        command, env=LEAST | variables, cwd="/", capture_output=True, text=True, check=False, timeout=900
    )


@pytest.fixture
def shared():
    """A folder of all users; those of pytest are of one."""
    with tempfile.TemporaryDirectory(prefix="shared-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.parametrize("variables", [{}, {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}], ids=["unset", "wrong"])
def test_a_home_that_cannot_be_written_is_read_by_a_user_without_a_home_directory(world, shared, variables):
    before = snapshot(world.home.root)
    source, output = str(shutil.copy(world.folder / "texts.csv", shared)), str(shared / "out.csv")
    for words in (
        ("sql", "select 1"),
        ("leaderboard",),
        ("report", "tiny", "--output", str(shared / "page.html")),
        ("predict", "--model", "vocabsem-made", "a good plot"),
        ("predict", "--model", "vocabsem-made", "--input", source, "--output", output),
        ("run", world.card),
    ):
        done = as_nobody(world, *words, **variables)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert "a good plot" in (shared / "out.csv").read_text()
    refused = as_nobody(world, "run", world.card, "--set", "shots=[0,5]", **variables)
    assert (refused.returncode, refused.stderr.count("error: ")) == (1, 1)
    assert "choose another home" in refused.stderr
    assert snapshot(world.home.root) == before
