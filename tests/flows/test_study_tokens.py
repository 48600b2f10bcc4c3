"""A study of all tokens: it extracts them, trains dictionaries once, and exports them."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from flows.planning.study import make_study_plan
from flows.planning.study_card import load_study
from flows.study import study
from tests.flows.command import command
from tests.flows.conftest import recorded_by_the_server
from tests.tasks.worlds import SPLITS, World, model, server, snapshot
from vocabsem.instruments.sparse_autoencoder import Autoencoder
from warehouse.catalog import catalog
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

pytestmark = pytest.mark.medium

FEATURES, K = 16, 3


def card(world):
    params = {"features": FEATURES, "k": K, "epochs": 2, "shots": [4], "repeats": 2}
    return world.write_study("dictionary", layers=[1, "last"], params=params)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A world, the card of its study, the key of its values, and its plan from before. Only to be read."""
    world = World(tmp_path_factory.mktemp("studied"))
    path = card(world)
    before = command(world.home, "plan", path, "--json")
    with recorded_by_the_server(world.home):
        key = study(study=path, home=str(world.home.root))
    return world, path, key, before


def test_the_plan_counts_the_states_of_all_tokens(studied):
    world, path, _, before = studied
    assert json.loads(before.stdout)["missing"] == {"examples": 1, "states": 2}
    assert "nothing to do" in command(world.home, "plan", path).stdout
    kinds = [manifest.kind for manifest in Lake(world.home).manifests()]
    assert kinds.count("token_states") == 2
    assert "states" not in kinds


def test_a_second_run_computes_nothing_and_goes_back_to_the_same_tokens(studied):
    world, path, key, _ = studied
    before = snapshot(world.home.lake)
    with recorded_by_the_server(world.home):
        assert study(study=path, home=str(world.home.root)) == key
    assert snapshot(world.home.lake) == before
    (items,) = Lake(world.home).manifests("study_items")
    assert set(items.inputs) == {"anchors", "token_states:made/train", "token_states:made/test"}


def test_rows_are_of_each_layer_and_the_head_is_met_by_the_last(studied):
    world, _, key, _ = studied
    rows = catalog.query(world.home, "from study_dictionary").to_pylist()
    assert {row["layer"] for row in rows} == {1, model().layers}
    assert {row["layer"] for row in rows if row["metric"] == "intervention"} == {model().layers}
    assert {row["n"] for row in rows if row["metric"] == "probe_f1"} == {SPLITS["test"]}
    assert {row["key"] for row in rows} == {key}


def test_exported_dictionaries_explain_what_the_rows_say(studied, tmp_path):
    world, path, _, _ = studied
    before = snapshot(world.home.lake)
    done = command(world.home, "study", path, "--export", tmp_path / "out", api=server())
    assert done.returncode == 0, done.stderr
    assert snapshot(world.home.lake) == before
    folders = {f"{name}-layer-{layer}" for name in ("topk", "abstopk", "batchtopk") for layer in (1, model().layers)}
    assert {folder.name for folder in (tmp_path / "out").iterdir()} == folders
    folder = tmp_path / "out" / f"abstopk-layer-{model().layers}"
    config, weights = json.loads((folder / "cfg.json").read_text()), load_file(folder / "sae_weights.safetensors")
    assert (config["architecture"], config["d_sae"], config["k"]) == ("abstopk", FEATURES, K)
    dictionary = Autoencoder("abstopk", *(weights[name] for name in ("W_enc", "b_enc", "W_dec", "b_dec")), K)
    kept = {}
    for manifest in Lake(world.home).manifests("token_states"):
        table = Lake(world.home).of(manifest).table()
        position, token = table["position"].to_numpy(), table["token"].to_numpy()
        shared = next(at for at in range(99) if len(set(token[position == at])) > 1)  # "review :" comes before a text
        kept[manifest.coordinates["split"]] = matrix(table[f"layer_{model().layers}"])[position >= shared]
    others = kept["test"]
    error = ((dictionary.decoded(dictionary.codes(others)) - others) ** 2).sum()
    expected = 1 - error / ((others - kept["train"].mean(axis=0)) ** 2).sum()
    where = f"metric = 'variance_explained' and variant = 'abstopk' and layer = {model().layers}"
    (row,) = catalog.query(world.home, f"from study_dictionary where {where}").to_pylist()
    assert row["value"] == pytest.approx(expected, abs=1e-4)
    assert row["n"] == len(others)
    assert np.isfinite(weights["W_dec"]).all()


def test_a_study_without_dictionaries_exports_none(studied, tmp_path):
    world, _, _, _ = studied
    done = command(world.home, "study", "lexicon", "--export", tmp_path / "out", api=server())
    assert done.returncode == 2
    assert "error: study 'lexicon' trains no dictionaries to export: name dictionary" in done.stderr
    assert not (tmp_path / "out").exists()


def test_tokens_are_read_of_models_and_layers_that_there_are(studied):
    world, path, _, _ = studied
    plan = make_study_plan(load_study(path, {"layers": "all"}), world.home)
    (pair,) = plan.data.pairs
    assert pair.studied["train"].spec.layers == tuple(range(model().layers + 1))
    assert not pair.states
