"""Studies of stored states: they extract what is missing, use what is there, and go back to it."""

import numpy as np
import pytest

from flows.planning.study import make_study_plan, study_cost
from flows.planning.study_card import load_study
from flows.study import study
from tests.flows.command import command
from tests.flows.conftest import recorded_by_the_server
from tests.tasks.worlds import SPLITS, World, model, server, snapshot
from warehouse.catalog import catalog
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A world, the card of its study, and the key of its figures. Only to be read."""
    world = World(tmp_path_factory.mktemp("committed"))
    path = world.write_study("commitment")
    before = command(world.home, "plan", path)
    with recorded_by_the_server(world.home):
        key = study(study=path, home=str(world.home.root))
    return world, path, key, before


def test_a_plan_of_states_counts_what_is_to_extract(committed):
    world, path, _, before = committed
    assert "to extract: 2 of 2 splits of states" in before.stdout
    cost = study_cost(make_study_plan(load_study(path, {"seed": 3}), world.home))
    assert (cost.states, cost.measured) == (0, True)


def test_figures_are_those_of_the_lakes_own_states(committed):
    world, _, key, _ = committed
    by_split = {m.coordinates["split"]: Lake(world.home).of(m).table() for m in Lake(world.home).manifests("states")}
    assert {split: len(table) for split, table in by_split.items()} == {s: SPLITS[s] for s in ("train", "test")}
    (manifest,) = Lake(world.home).manifests("anchors")
    vocabulary = Lake(world.home).of(manifest).table()
    tokens = vocabulary["token"].to_pylist()
    anchors = matrix(vocabulary["anchor"])[[tokens.index(f"Ġ{word}") for word in ("bad", "positive", "story")]]
    targets = anchors - anchors.mean(axis=0)
    unit = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    cells = []
    for layer in range(model().layers + 1):
        train, test = (matrix(by_split[split][f"layer_{layer}"]) for split in ("train", "test"))
        cells.append(((test - train.mean(axis=0)) @ unit.T).argmax(axis=1))
    labels = by_split["test"]["label"].to_numpy()
    rows = catalog.query(world.home, "from study_commitment where metric = 'accuracy' order by layer").to_pylist()
    assert [row["value"] for row in rows] == pytest.approx([(cell == labels).mean() for cell in cells])
    assert {(row["unit"], row["key"], row["n"]) for row in rows} == {("made", key, SPLITS["test"])}
    commit = [
        next(layer for layer in range(len(cells)) if all(cell[i] == cells[-1][i] for cell in cells[layer:]))
        for i in range(SPLITS["test"])
    ]
    (mean,) = catalog.query(world.home, "from study_commitment where metric = 'commit_layer'").to_pylist()
    assert mean["value"] == pytest.approx(np.mean(commit))


def test_a_study_goes_back_to_states_and_anchors_and_runs_once(committed):
    world, path, key, _ = committed
    (items,) = Lake(world.home).manifests("study_items")
    assert set(items.inputs) == {"anchors", "states:made/train", "states:made/test"}
    lineage = catalog.query(world.home, "from lineage where kind = 'study_items'").to_pylist()
    assert all(row["input"] for row in lineage), "every input is in the lake"
    before = snapshot(world.home.lake)
    done = command(world.home, "study", path, api=server())
    assert done.returncode == 0, done.stderr
    assert "made: commit_layer" in done.stdout
    with recorded_by_the_server(world.home):
        assert study(study=path, home=str(world.home.root)) == key
    assert snapshot(world.home.lake) == before
