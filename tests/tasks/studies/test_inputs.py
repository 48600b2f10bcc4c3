"""What studies read, against what the lake and the model have."""

from types import SimpleNamespace

import numpy as np
import pytest

from flows.planning.study import make_study_plan
from flows.planning.study_card import StudyCard
from tasks.anchors import build_anchors
from tasks.fetch_files import fetch_files
from tasks.models.loaded import inference, loaded
from tasks.publish_states import publish_states
from tasks.states import extract_shard
from tasks.studies import commitment, dictionary
from tasks.studies.inputs import Inputs
from tasks.studies.rate_distortion import _gaussian
from tests.tasks.worlds import World, compute, model, write_card
from tests.vocabsem.architectures import save
from vocabsem.errors import BadInput, SourceError
from vocabsem.states.extraction import extract
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """What a study of the made data set reads, all of it stored."""
    world = World(tmp_path_factory.mktemp("inputs"))
    card = StudyCard(
        name="made",
        study="commitment",
        description="made sentences",
        model=str(world.folder / "model.yaml"),
        datasets=[str(world.folder / "dataset.yaml")],
        layers="all",
        dtype="float32",
        device="cpu",
        seed=7,
    )
    compute(make_study_plan(card, world.home).data, ("examples", "states"))
    plan = make_study_plan(card, world.home)
    anchors, items, _ = plan.steps
    build_anchors.fn(world.home, plan.model, anchors, "cpu")
    datasets = {pair.dataset.name: pair.dataset for pair in plan.data.pairs}
    return Inputs(world.home, plan.model, datasets, {}, items.spec, "cpu")


def stored(inputs, kind, **coordinates):
    manifests = Lake(inputs.home).manifests(kind)
    (manifest,) = [m for m in manifests if coordinates.items() <= m.coordinates.items()]
    return Lake(inputs.home).of(manifest).table()


def test_the_vocabulary_is_that_of_the_lake(inputs):
    table = stored(inputs, "anchors")
    head, anchors = inputs.vocabulary
    np.testing.assert_array_equal(head, matrix(table["head"]))
    np.testing.assert_array_equal(anchors, matrix(table["anchor"]))


def test_words_are_tokens_only_where_they_are_one(inputs):
    tokens = stored(inputs, "anchors")["token"].to_pylist()
    result = inputs.single_tokens(["good", "bad", "story", "incomprehensibility"])
    assert "incomprehensibility" not in result
    assert {tokens[number].removeprefix("Ġ").strip() for number in result.values()} == set(result)
    assert {"bad", "story"} <= set(result)


@pytest.fixture(scope="module")
def projecting(tmp_path_factory):
    """What studies of a model that is 32 wide inside, and 16 before its head, read: by study."""
    world = World(tmp_path_factory.mktemp("projecting"))
    card = save("opt", world.folder / "opt")
    write_card(world.folder / "model.yaml", card.model_dump(mode="json"))

    def planned(study):
        content = {"name": "made", "study": study, "description": "made", "model": str(world.folder / "model.yaml")}
        content |= {"datasets": [str(world.folder / "dataset.yaml")], "dtype": "float32", "device": "cpu"}
        return make_study_plan(StudyCard.model_validate(content | {"layers": "all"}), world.home)

    compute(planned("grid").data, ("examples",))
    plan = planned("grid")
    (pair,) = plan.data.pairs
    extract_shard.fn(world.home, pair.model, pair.dataset, pair.states["test"], 0, 24, "cpu")
    publish_states.fn(world.home, pair.states["test"], 24, 24)
    build_anchors.fn(world.home, plan.model, plan.steps[0], "cpu")

    def inputs(study):
        return Inputs(world.home, plan.model, {"made": pair.dataset}, {}, planned(study).steps[1].spec, "cpu")

    return inputs


def test_layers_of_other_widths_are_apart_too(projecting):
    inputs = projecting("grid")
    table = stored(inputs, "states", split="test")
    _, _, states = inputs.stored_states("made", "test")
    assert [rows.shape[1] for rows in states.values()] == [32, 32, 32, 16]
    for layer, rows in states.items():
        np.testing.assert_array_equal(rows, matrix(table[f"layer_{layer}"]))


def test_layers_that_are_wider_than_anchors_are_refused_where_these_are_compared(projecting):
    message = "study commitment compares .* in layer 0 of model 'tiny-opt' states have 32 dimensions, anchors 16"
    with pytest.raises(BadInput, match=message):
        commitment.measure(projecting("commitment"))
    inputs = projecting("commitment")
    tokens = SimpleNamespace(states={1: np.zeros((3, 32)), 3: np.zeros((3, 16))})
    read = SimpleNamespace(
        **{name: getattr(inputs, name) for name in ("spec", "vocabulary", "model", "datasets", "home")},
        stored_tokens=lambda dataset, split: tokens,
        require_anchor_width=inputs.require_anchor_width,
    )
    with pytest.raises(BadInput, match=r"in layer 1 of .* anchors 16: set layers: \[last\], or name another model"):
        dictionary.measure(read)
    inputs.require_anchor_width(3, tokens.states[3])


@pytest.mark.parametrize("split", ["train", "test"])
def test_stored_states_are_apart_by_layer(inputs, split):
    table = stored(inputs, "states", split=split)
    ids, labels, states = inputs.stored_states("made", split)
    assert ids == table["id"].to_pylist()
    np.testing.assert_array_equal(labels, table["label"].to_numpy())
    assert list(states) == list(range(model().layers + 1))
    for layer, rows in states.items():
        np.testing.assert_array_equal(rows, matrix(table[f"layer_{layer}"]))


@pytest.mark.parametrize("split", ["train", "test"])
def test_stored_texts_are_the_rows_of_the_stored_states(inputs, split):
    ids, _, _ = inputs.stored_states("made", split)
    rows = {row["id"]: " ".join(dict(row["fields"]).values()) for row in stored(inputs, "examples").to_pylist()}
    assert inputs.stored_texts("made", split) == [rows[each] for each in ids]


def test_states_of_texts_are_those_of_their_prompts(inputs):
    states = inputs.text_states(["bad film", "story"], "review : {text}")
    assert list(states) == list(range(model().layers + 1))
    with inference():
        network = loaded(inputs.model, inputs.home, "float32", "cpu")
        ids = network.tokenizer(["review : bad film", "review : story"], add_special_tokens=False)["input_ids"]
        start = [network.tokenizer.bos_token_id] if inputs.model.prepend_bos else []
        expected = extract(network, [[*start, *tokens] for tokens in ids], list(states))
    for layer, rows in states.items():
        np.testing.assert_allclose(rows, expected[layer], atol=1e-5)  # float32, in batches of other shapes


def test_states_of_several_poolings_are_those_of_each(inputs):
    texts, depth = ["bad film", "the story of a film"], model().layers
    states = inputs.pooled_states(texts, "review : {text}", ["mean", "last", "echo"])
    assert list(states) == [(how, layer) for how in ("mean", "last", "echo") for layer in range(depth + 1)]
    for layer, rows in inputs.text_states(texts, "review : {text}").items():
        np.testing.assert_allclose(states["last", layer], rows, atol=1e-5)  # float32, in batches of other shapes
    for how in ("mean", "echo"):
        alone = inputs.pooled_states(texts, "review : {text}", [how])
        np.testing.assert_allclose(states[how, depth], alone[how, depth], atol=1e-5)


def test_the_label_space_has_the_anchors_of_the_label_words(inputs):
    table = stored(inputs, "anchors")
    tokens = table["token"].to_pylist()
    space = inputs.label_space("made")
    rows = [tokens.index(f"Ġ{word}") for word in ("bad", "positive", "story")]
    np.testing.assert_array_equal(space.anchors, matrix(table["anchor"])[rows])


def test_draws_are_those_of_the_card(inputs):
    assert (inputs.sampling.seed, inputs.sampling.resamples, inputs.sampling.null_draws) == (7, 1000, 100)


def test_gaussian_vectors_have_the_covariance_of_the_states():
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((4000, 3)) @ np.array([[2, 0, 0], [1, 1, 0], [0, 0, 0.1]]) + 5
    made = _gaussian(vectors, generator)
    np.testing.assert_allclose(np.cov(made.T), np.cov(vectors.T), atol=0.25)  # 4,000 draws: about 5 % of 5
    assert abs(np.corrcoef(made[:, 0], vectors[:, 0])[0, 1]) < 0.1


def test_files_are_compared_with_their_hashes(tmp_path):
    home, path = World(tmp_path).home, tmp_path / "words.txt"
    path.write_text("good\n")
    sources = {"words": f"file:{path}"}
    fetched = fetch_files.fn(home, sources, {})["words"]
    assert fetched.path == path
    assert fetch_files.fn(home, sources, {"words": fetched.sha256}) == {"words": fetched}
    with pytest.raises(SourceError, match=r"words\.txt"):
        fetch_files.fn(home, sources, {"words": "0" * 64})
