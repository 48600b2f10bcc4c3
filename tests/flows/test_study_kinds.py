"""Five more studies from the card to the rows: key, seed, interval and null; nothing twice; what is left out."""

import json

import numpy as np
import pytest

from flows.study import study
from tests.flows.command import command
from tests.flows.conftest import recorded_by_the_server
from tests.tasks.worlds import World, model, sentences, server, snapshot, write_card
from tests.vocabsem import architectures
from tests.vocabsem.bidirectional import save
from vocabsem.instruments.order_words import SEQUENCES
from warehouse.catalog import catalog
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

DOCUMENTS = 8
OF_DATASETS = {"grid": {"axes": [2]}, "rate_distortion": {"starts": 1}, "heads": {}}  # with their parameters
LAYERS = {"order": {0, 1, 2, 3}, "embed": {0, 3}, "grid": {1, 3}, "rate_distortion": {3}, "heads": {1, 3}}


def cards(world):
    """The path of a small card of each study, by its name."""
    content = {
        "description": "made",
        "model": str(world.folder / "model.yaml"),
        "layers": [0, "last"],
        "dtype": "float32",
        "device": "cpu",
        "resamples": 100,
        "null_draws": 20,
    }
    changes = {
        "order": {
            "model": str(write_card(world.folder / "days.yaml", model_of_days(world.folder / "days"))),
            "templates": {"word": "a {text}", "digits": "was {text} of", "before": "{text} was"},
        },
        "embed": {
            "files": documents(world.folder),
            "templates": {"word": "review : {text} is"},
            "max_tokens": 48,
            "params": {"rates": [0.3], "background": 25},
        },
    }
    for name, params in OF_DATASETS.items():
        changes[name] = {"datasets": [str(world.folder / "dataset.yaml")], "params": params}
    for name in ("grid", "heads"):
        changes[name]["layers"] = [1, "last"]  # of a data set all texts are one in layer 0
    changes["rate_distortion"]["layers"] = ["last"]
    return {
        name: str(write_card(world.folder / f"{name}.yaml", content | {"name": name, "study": name} | change))
        for name, change in changes.items()
    }


def model_of_days(folder):
    """The card of a tiny model of whose tokens seven are days."""
    card = architectures.save("llama", folder)
    tokenizer = architectures.tokenizer()
    tokenizer.add_tokens([f" {day}" for day in SEQUENCES["days"]])
    tokenizer.save_pretrained(folder)
    return card.model_dump(mode="json")


def documents(folder):
    """The files of the study of documents: texts, similarities by people, a sentence encoder."""
    texts = [f"film {row['text']}" for row in sentences()[: DOCUMENTS + 25]]
    human = np.random.default_rng(0).integers(10, size=(DOCUMENTS, DOCUMENTS)) / 10
    lines = {
        "documents": texts[:DOCUMENTS],
        "background": texts[DOCUMENTS:],
        "similarities": [" ".join(map(str, row)) for row in human],
    }
    for name, of in lines.items():
        (folder / f"{name}.txt").write_text("\n".join(of))
    save("bert", folder / "encoder", family="encoder", pooling="mean")
    return {name: f"file:{folder / name}.txt" for name in lines} | {"encoder": f"file:{folder / 'encoder'}"}


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A world, the cards of its studies, the keys of their values. Only to be read."""
    world = World(tmp_path_factory.mktemp("studied"))
    paths = cards(world)
    with recorded_by_the_server(world.home):
        keys = {name: study(study=path, home=str(world.home.root)) for name, path in paths.items()}
    return world, paths, keys


@pytest.mark.parametrize("name", LAYERS)
def test_rows_have_key_seed_interval_and_null(studied, name):
    world, _, keys = studied
    rows = catalog.query(world.home, f"from study_{name}").to_pylist()
    assert {(row["key"], row["seed"], row["card"], row["model"]) for row in rows} == {
        (keys[name], 0, name, model().name)
    }
    assert {row["layer"] for row in rows} - {None} == LAYERS[name]
    assert all(row["low"] <= row["high"] and row["null_low"] <= row["null_high"] for row in rows)
    assert all(np.isfinite([row["value"], row["low"], row["null_high"]]).all() for row in rows)
    assert all(row["n"] > 0 for row in rows)
    assert catalog.query(world.home, f"from study_items where study = '{name}'").num_rows > 0


@pytest.mark.parametrize("name", LAYERS)
def test_a_second_run_computes_nothing(studied, name):
    world, paths, keys = studied
    before = snapshot(world.home.lake)
    with recorded_by_the_server(world.home):
        assert study(study=paths[name], home=str(world.home.root)) == keys[name]
    assert snapshot(world.home.lake) == before
    assert "nothing to do" in command(world.home, "plan", paths[name]).stdout


@pytest.mark.parametrize("name", LAYERS)
def test_values_go_back_to_what_was_read(studied, name):
    world, _, _ = studied
    (items,) = [m for m in Lake(world.home).manifests("study_items") if m.coordinates["study"] == name]
    kind = "head_outputs" if name == "heads" else "states"
    stored = {f"{kind}:made/train", f"{kind}:made/test"} if name in OF_DATASETS else set()
    assert set(items.inputs) == {"anchors"} | stored


LEFT_OUT = {
    "order": [
        "months, numbers, tens, ordinals, letters, sizes, quality, frequency, temperature: left out: fewer than 5 of"
        " the words are single tokens of the model",
        "answers to which comes first: left out: no single token of the model is ' before' and ' after'",
    ],
    "rate_distortion": ["relations to the final F1: left out: they are over 5 data sets or more"],
    "grid": [],
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_the_command_says_what_is_left_out_and_why(studied, name):
    world, paths, _ = studied
    before = snapshot(world.home.lake)
    done = command(world.home, "study", paths[name], api=server())
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if ": left out: " in line] == LEFT_OUT[name]
    as_json = command(world.home, "study", paths[name], "--format", "json", api=server())
    assert {row["study"] for row in json.loads(as_json.stdout)} == {name}
    assert [line for line in as_json.stderr.splitlines() if ": left out: " in line] == LEFT_OUT[name]
    assert snapshot(world.home.lake) == before
