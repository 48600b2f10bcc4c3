"""A study from its card to the table: its figures, nothing twice, and one clear error for what cannot be used."""

import json
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import spearmanr

from flows.planning.study import make_study_plan, study_cost
from flows.planning.study_card import load_study
from flows.study import study
from tests.flows.command import command
from tests.flows.conftest import recorded_by_the_server
from tests.tasks.worlds import World, model, server, snapshot, write_card
from vocabsem.errors import BadInput, CardError
from warehouse.catalog import catalog
from warehouse.catalog.reads import latest_studies
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

pytestmark = pytest.mark.medium

TOKENS = ("story", "positive", "was", "review", "of", "the", "and", "bad", "film")  # of the tiny model, after a space
PAIRS = [(one, other, float(i % 7)) for i, (one, other) in enumerate(combinations(TOKENS, 2))]


def write_files(folder):
    """The six files of a lexicon, of words that are tokens of the tiny model and one that is none."""
    words = (*TOKENS, "incomprehensibility")
    rated = "".join(f"{word},{i % 5},{i % 3}\n" for i, word in enumerate(words))
    senses = ("Visual", "Auditory", "Haptic", "Interoceptive", "Gustatory", "Olfactory")
    texts = {
        "simlex": "".join(f"{a}\t{b}\t{h}\n" for a, b, h in PAIRS) + "good\tincomprehensibility\t1\n",
        "wordsim": "".join(f"{a}\t{b}\t{h}\n" for a, b, h in PAIRS[::2]),
        "analogies": ": made\n" + "".join(f"{' '.join(four)}\n" for four in permutations(words[:5], 4)),
        "ratings": "Word,Concreteness,Other\n" + rated,
        "valence": "".join(f"{word}\t{i % 4}\t0.5\t[]\n" for i, word in enumerate(words)),
    }
    texts["senses"] = f"Word,{','.join(senses)}\n" + "".join(
        f"{word},{','.join(str((i * k) % 5) for k in range(1, 7))}\n" for i, word in enumerate(words)
    )
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    return {name: f"file:{folder / name}.txt" for name in texts}


def card(world, **changes):
    content = {
        "name": "words",
        "study": "lexicon",
        "description": "made judgments",
        "model": str(world.folder / "model.yaml"),
        "files": write_files(world.folder),
        "layers": [0, "last"],
        "templates": {"bare": "review : {text}"},
        "dtype": "float32",
        "device": "cpu",
        "resamples": 100,
        "null_draws": 20,
        "params": {"cv": 2, "exponents": [0.5]},
    }
    return str(write_card(world.folder / "words.yaml", content | changes))


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A world, the card of its study, and the key of its figures. Only to be read."""
    world = World(tmp_path_factory.mktemp("studied"))
    path = card(world)
    with recorded_by_the_server(world.home):
        key = study(study=path, home=str(world.home.root))
    return world, path, key


def values(world):
    return catalog.query(world.home, "from study_values").to_pylist()


def test_rows_have_key_seed_interval_and_null(studied):
    world, _, key = studied
    rows = values(world)
    assert {(row["key"], row["seed"], row["study"], row["card"], row["model"], row["latest"]) for row in rows} == {
        (key, 0, "lexicon", "words", model().name, True)
    }
    assert {(row["variant"], row["layer"]) for row in rows} == {
        *((name, None) for name in ("random", "head", "head·gram^-0.5", "anchors")),
        *(("state bare", layer) for layer in (0, model().layers)),
    }
    assert all(row["low"] <= row["high"] and row["null_low"] <= row["null_high"] for row in rows)
    items = catalog.query(world.home, "from study_items where item = 'simlex nearer: anchors'").to_pylist()
    assert [row["rank"] for row in items] == list(range(1, len(items) + 1))


def test_a_figure_is_that_of_the_lakes_own_rows(studied):
    world, _, _ = studied
    (manifest,) = Lake(world.home).manifests("anchors")
    table = Lake(world.home).of(manifest).table()
    tokens = {token: row for row, token in enumerate(table["token"].to_pylist())}
    anchors = matrix(table["anchor"]).astype(np.float64)
    words = [word for word in TOKENS if f"Ġ{word}" in tokens]
    assert len(words) == len(TOKENS)
    rows = anchors[[tokens[f"Ġ{word}"] for word in words]]
    unit = (rows - rows.mean(axis=0)) / np.linalg.norm(rows - rows.mean(axis=0), axis=1, keepdims=True)
    at = {word: i for i, word in enumerate(words)}
    kept = [(at[a], at[b], h) for a, b, h in PAIRS if a in at and b in at]
    expected = spearmanr([unit[a] @ unit[b] for a, b, _ in kept], [h for *_, h in kept]).statistic
    (row,) = [
        row
        for row in values(world)
        if (row["variant"], row["unit"], row["metric"]) == ("anchors", "simlex", "spearman")
    ]
    assert row["value"] == pytest.approx(expected, abs=1e-6)
    assert row["n"] == len(kept)


def test_a_second_run_computes_nothing(studied):
    world, path, key = studied
    before = snapshot(world.home.lake)
    with recorded_by_the_server(world.home):
        assert study(study=path, home=str(world.home.root)) == key
    assert snapshot(world.home.lake) == before


def test_the_command_prints_every_figure_beside_its_null_and_draws_one(studied, tmp_path):
    world, path, _ = studied
    before = snapshot(world.home.lake)
    done = command(world.home, "study", path, "--chart", tmp_path / "figure.svg", api=server())
    assert done.returncode == 0, done.stderr
    for row in values(world):
        assert f"[{row['null_low']:.3f}, {row['null_high']:.3f}]" in done.stdout
    assert "made judgments" in done.stdout
    assert (tmp_path / "figure.svg").read_text().startswith("<svg")
    as_json = command(world.home, "study", path, "--format", "json", api=server())
    assert {row["value"] for row in json.loads(as_json.stdout)} == {row["value"] for row in values(world)}
    assert snapshot(world.home.lake) == before


def test_what_is_set_has_rows_of_its_own(studied):
    world, path, _ = studied
    changed = load_study(path, {"params.cv": 3, "device": "cpu"})
    assert changed.name == "words--params-cv-3"
    assert load_study(path, {"device": "cuda"}).name == "words"
    assert load_study(path, {"params.cv": 2}).name == "words"
    assert load_study(path, {"seed": 1, "name": "mine"}).name == "mine"
    plans = [make_study_plan(one, world.home) for one in (load_study(path), changed)]
    assert len({plan.steps[-1].key for plan in plans}) == 2
    assert [plan.done for plan in plans] == [True, False]
    assert {row["card"] for row in latest_studies(world.home)} == {"words"}


def test_the_plan_says_what_is_missing_and_about_how_long_it_takes(studied):
    world, path, _ = studied
    done = command(world.home, "plan", path)
    assert "nothing to do" in done.stdout
    page = json.loads(command(world.home, "plan", path, "--set", "seed=5", "--json").stdout)
    assert page["done"] is False
    assert page["measured"] is True
    (manifest,) = Lake(world.home).manifests("study_values")
    assert page["study_seconds"] == manifest.facts["seconds"] > 0
    assert study_cost(make_study_plan(load_study("lexicon"), world.home)).measured is False


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": "lexicom"}, "unknown study 'lexicom': did you mean 'lexicon'"),
        ({"layers": [77]}, "study 'words' with model .*the model has layers 0"),
        ({"layers": []}, "layers"),
        ({"params": {"cvs": 3}}, "no parameter 'cvs'"),
        ({"files": {}}, "reads the files simlex"),
        ({"datasets": ["trec"]}, "reads no states"),
        ({"null_draws": 3}, "null_draws: Input should be greater than or equal to 20"),
        ({"templates": {"bad": "{text} {"}}, "templates.bad"),
        ({"sha256": {"other": "0" * 64}}, "sha256 names other"),
        ({"model": "minilm-l6"}, "reads causal language models"),
    ],
)
def test_what_cannot_be_used_is_one_clear_error_before_anything_is_computed(changes, message, tmp_path):
    world = World(tmp_path)
    with pytest.raises((CardError, BadInput), match=message):
        make_study_plan(load_study(card(world, **changes)), world.home)
    assert not world.home.lake.exists()


def test_the_command_ends_with_2_for_what_cannot_be_used(tmp_path):
    world = World(tmp_path)
    path = card(world)
    broken = yaml.safe_load((world.folder / "words.yaml").read_text())["files"]["simlex"].removeprefix("file:")
    for words in (
        ["study", "no_such_card"],
        ["study", path, "--set", "layers=[99]"],
        ["plan", path, "--set", "study=x"],
    ):
        done = command(world.home, *words, api=server())
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("error: ") == 1
    Path(broken).write_text("no pairs\n")
    done = command(world.home, "study", path, api=server())
    assert done.returncode == 2, done.stderr
    assert "simlex.txt:1: expected two words and a number" in done.stderr
