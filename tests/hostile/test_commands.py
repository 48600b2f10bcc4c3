"""Hostile models, wheels and words through the real commands: one line, exit code 2, nothing run, nothing written."""

import json
import os
import shutil
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.flows.command import command
from tests.hostile.test_sources import wheel
from tests.tasks.worlds import World, model, server, snapshot, write_card
from vocabsem.errors import SourceError
from vocabsem.sources.fetching import fetch
from warehouse.home import Home

pytestmark = pytest.mark.medium

LONG = 20_000  # characters
QUICK = {"methods": ["zero_shot"], "shots": [0], "champion": False}


def refused(home, *words, **options):
    """The one line of a command's error."""
    done = command(home, *words, **options)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert len(done.stderr) < 1500
    return line


# Models


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def pickled(folder, data):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(data)


def elsewhere(folder, data):
    (folder / "model.safetensors").rename(folder.parent / "other.safetensors")
    index = {"weight_map": {"lm_head.weight": "../other.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def code(folder, data):
    change(folder / "config.json", _attn_implementation="somebody/kernel")


def layers(folder, data):
    change(folder / "config.json", num_hidden_layers=1_000_000_000)


def tokenizer(folder, data):
    change(folder / "tokenizer_config.json", tokenizer_class="AutoModel")


def device(folder, data):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("/dev/zero")


def lying(folder, data):
    (folder / "model.safetensors").write_bytes(b"\xff" * 8 + b"{}")


SPOILT = {
    pickled: "pickled weights are not read",
    elsewhere: "names the weights",
    code: "which can run other code",
    layers: "num_hidden_layers",
    tokenizer: "which is no tokenizer",
    device: "is no plain file",
    lying: "header too large",
}


@pytest.fixture
def spoilt(request, tmp_path, trap):
    """A world whose model was changed, and a file that appears if something of it is run."""
    data, sprung = trap
    folder = Path(shutil.copytree(model().source.removeprefix("file:"), tmp_path / "model"))
    request.param(folder, data)
    world = World(tmp_path, experiment=QUICK)
    card = model().model_copy(update={"source": f"file:{folder}"})
    write_card(tmp_path / "model.yaml", card.model_dump(mode="json"))
    yield world, SPOILT[request.param]
    assert not sprung.exists()


@pytest.mark.parametrize("spoilt", SPOILT, indirect=True, ids=lambda spoil: spoil.__name__)
def test_a_model_is_refused_by_a_command_that_loads_it(spoilt):
    world, problem = spoilt
    assert problem in refused(world.home, "lens", "a good film", "--model", str(world.folder / "model.yaml"))


@pytest.mark.parametrize("spoilt", [pickled, layers], indirect=True, ids=lambda spoil: spoil.__name__)
def test_a_model_is_refused_by_a_run_before_anything_is_published(spoilt):
    world, problem = spoilt
    assert problem in refused(world.home, "run", world.card, api=server())
    assert not list(world.home.lake.rglob("manifest.json"))


# Wheels


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A folder that pip takes for its registry."""
    (folder := tmp_path / "registry").mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def take_environment(given):
    """Let a command's process, which knows the environment of an earlier time, have that of the test."""
    os.environ.update(given)


METADATA = {
    "evil-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
    "evil-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "evil-1.0.dist-info/RECORD": b"",
}
WHEELS = {
    "a path": ({"a/x": b"x", "a/{tmp}/slip": b"evil"}, 0),
    "up": ({"a/x": b"x", "a/../../../slip": b"evil"}, 0),
    "metadata elsewhere": ({"a/x": b"x", "../evil-1.0.dist-info/METADATA": b"", "/slip": b""}, 0),
    "another package": ({"a/x": b"x", "good-2.0.dist-info/METADATA": b"Name: good\nVersion: 2.0\n"}, 0),
    "a link": ({"a/x": b"/etc/passwd"}, stat.S_IFLNK | 0o777),
    "large metadata": ({"a/../x": b"x", "evil-1.0.dist-info/license": bytes(1 << 25)}, 0),
}


@pytest.mark.parametrize(("members", "mode"), WHEELS.values(), ids=WHEELS)
def test_a_wheel_that_pip_reads_writes_nothing_elsewhere(registry, tmp_path, members, mode):
    made = {name.format(tmp=tmp_path): data for name, data in members.items()} | METADATA
    wheel(registry / "evil-1.0-py3-none-any.whl", made, mode)
    before = snapshot(tmp_path)
    cache = tmp_path / "home" / "cache"
    with suppress(SourceError):
        fetched = fetch("pypi:evil==1.0/a/", cache)
        assert [path.name for path in fetched.path.rglob("*")] == ["x"], "only what was asked for"
        assert fetched.path.is_relative_to(cache)
    outside = {path for path in snapshot(tmp_path) if not path.is_relative_to(cache)}
    assert outside == set(before)


def test_a_run_over_a_wheel_that_leads_out_is_refused(registry, tmp_path):
    wheel(registry / "evil-1.0-py3-none-any.whl", {"a/x.jsonl": b"", f"a/{tmp_path}/slip": b"evil"} | METADATA)
    world = World(tmp_path, experiment=QUICK)
    world.write_dataset(files={"train": "pypi:evil==1.0/a/", "test": "pypi:evil==1.0/a/"})
    given = {name: os.environ[name] for name in ("PIP_CONFIG_FILE", "PIP_NO_INDEX", "PIP_FIND_LINKS")}
    line = refused(world.home, "run", world.card, api=server(), before=partial(take_environment, given))
    assert "its name leaves its folder" in line
    assert not (tmp_path / "slip").exists()
    assert not list(world.home.lake.rglob("manifest.json"))


# Words


WORDS = [
    ("run", "x" * LONG),
    ("run", "quickstart", "--set", f"{'x' * LONG}=1"),
    ("run", "quickstart", "--set", f"models=[{'x' * LONG}]"),
    ("plan", "quickstart", "--data-dir", "x" * LONG),
    ("report", "x" * LONG),
    ("query", "x" * LONG),
    ("query", "freshness", "--param", "x" * LONG),
    ("predict", "--model", "x" * LONG, "a text"),
    ("predict", "--model", "x@champion", "\udcff" * LONG),
    ("predict", "--model", "x@champion", "--input", "x" * LONG, "--output", "x.csv"),
    ("serve", "x" * LONG),
    ("init-dataset", "x" * LONG, "--text", "a", "--label", "b"),
    ("lens", "a text", "--model", "x" * LONG),
    ("neighbors", "x" * LONG),
    ("sql", "select 1", "--memory", "x" * LONG),
    ("sql", "select 1", "--format", "x" * LONG),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: f"{words[0]} {words[1][:9]}")
def test_a_message_holds_the_start_of_a_long_word(tmp_path, words):
    line = refused(Home(tmp_path), *words)
    assert "x" * 201 not in line
    assert not (tmp_path / "lake").exists()
