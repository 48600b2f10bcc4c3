"""Studies of code from the card to the rows: nothing twice, another Python is other bytes, one clear error."""

import json

import pytest

from flows.study import study
from tests.flows.command import command
from tests.flows.conftest import recorded_by_the_server
from tests.tasks.worlds import World, server, snapshot, write_card
from warehouse.catalog import catalog
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

FUNCTION = "def f{n}(a, b):\n    if a:\n        return a + {n}\n    return b\n"
PARAMS = {
    "syntax": {"functions": 12, "held_out": 10, "ranks": [4], "epochs": 1},
    "meaning_of_programs": {"programs": 30, "held_out": 20, "operations": 2},
}


def card(world, name, **changes):
    files = {}
    for split, numbers in (("train", range(12)), ("test", range(20, 32))):
        (world.folder / f"{split}.py").write_text("\n\n".join(FUNCTION.format(n=n) for n in numbers))
        files[split] = f"file:{world.folder / split}.py"
    content = {
        "name": name,
        "study": name,
        "description": "made code",
        "model": str(world.folder / "model.yaml"),
        "files": files if name == "syntax" else {},
        "layers": [0, "last"],
        "dtype": "float32",
        "device": "cpu",
        "max_tokens": 100,
        "resamples": 100,
        "null_draws": 20,
        "params": PARAMS[name],
    }
    return str(write_card(world.folder / f"{name}.yaml", content | changes))


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A world whose model has a long context, cards of both studies, the keys of their figures. Only to be read."""
    world = World(tmp_path_factory.mktemp("studied"))
    text = (world.folder / "model.yaml").read_text()
    (world.folder / "model.yaml").write_text(text.replace("max_tokens: 64", "max_tokens: 128"))
    paths = {name: card(world, name) for name in PARAMS}
    plans = {name: json.loads(command(world.home, "plan", path, "--json").stdout) for name, path in paths.items()}
    with recorded_by_the_server(world.home):
        keys = {name: study(study=path, home=str(world.home.root)) for name, path in paths.items()}
    return world, paths, keys, plans


@pytest.mark.parametrize("name", PARAMS)
def test_rows_have_key_seed_interval_and_null(studied, name):
    world, _, keys, plans = studied
    rows = catalog.query(world.home, f"from study_{name}").to_pylist()
    assert {(row["key"], row["seed"], row["n"]) for row in rows} == {(keys[name], 0, PARAMS[name]["held_out"])}
    layers = {0, 3} if name == "syntax" else {3}  # in layer 0 the ends of all lines are one
    assert {row["layer"] for row in rows} - {None} == layers
    assert all(row["low"] <= row["high"] and row["null_low"] <= row["null_high"] for row in rows)
    assert plans[name]["done"] is False
    assert plans[name]["study_seconds"] > 0
    assert catalog.query(world.home, f"from study_items where study = '{name}'").num_rows > 0


@pytest.mark.parametrize("name", PARAMS)
def test_a_second_run_computes_nothing(studied, name):
    world, paths, keys, _ = studied
    before = snapshot(world.home.lake)
    with recorded_by_the_server(world.home):
        assert study(study=paths[name], home=str(world.home.root)) == keys[name]
    assert snapshot(world.home.lake) == before
    assert "nothing to do" in command(world.home, "plan", paths[name]).stdout


def test_other_functions_have_rows_of_their_own(studied):
    world, paths, keys, _ = studied
    (manifest,) = [m for m in Lake(world.home).manifests("study_values") if m.coordinates["study"] == "syntax"]
    file = world.folder / "test.py"
    kept = file.read_text()
    file.write_text(kept.replace("a + 20", "b + 20"))
    page = json.loads(command(world.home, "plan", paths["syntax"], "--json").stdout)
    file.write_text(kept)
    assert manifest.key == keys["syntax"]
    assert page["done"] is False


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("syntax", "params.ranks=[64]", "error: study syntax: ranks has 64, and states of"),
        ("syntax", "files.test=python:no_such/", "no_such does not exist"),
        ("syntax", "params.control=1", "control is 1: give true or false"),
        ("meaning_of_programs", "params.operations=40", "operations is 40: give at most 12"),
    ],
)
def test_what_cannot_be_used_is_one_error(studied, name, setting, message):
    world, paths, _, _ = studied
    done = command(world.home, "study", paths[name], "--set", setting, api=server())
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error: ") == 1
    assert message in done.stderr
