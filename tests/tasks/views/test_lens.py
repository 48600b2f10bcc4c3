"""A prompt under the lens, against states and logits computed on their own."""

import math

import numpy as np
import pytest
import torch

from tasks.views.lens import inspect_prompt
from tests.tasks.worlds import World, compute, model
from vocabsem.errors import BadInput
from vocabsem.models.language_model import load_model
from vocabsem.vocabulary.anchors import semantic_anchors
from warehouse.catalog import catalog
from warehouse.home import Home
from warehouse.lake.partition import Lake

TEXT = "a great film and a good plot"
VALUES = ("cosine", "cosine_rank", "centered", "centered_rank", "log_probability", "log_probability_rank")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A world with examples and a catalog, but no anchors yet; and its data set's card."""
    world = World(tmp_path_factory.mktemp("lens"))
    plan = world.plan()
    compute(plan, ["examples"])
    catalog.rebuild(world.home)
    return world, plan.pairs[0].dataset


@pytest.fixture(scope="module")
def seen(stored):
    world, dataset = stored
    return inspect_prompt(world.home, model(), TEXT, dataset, None, k=4, center=True)


@pytest.fixture(scope="module", autouse=True)
def exact():
    """float32 also where the machine's fast format is bfloat16, so that the figures can be compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.views.lens.resolve_dtype", lambda _: "float32")
        yield


@pytest.fixture(scope="module")
def network(stored):
    world, _ = stored
    return load_model(model(), world.home.cache, dtype="float32", device="cpu")


def own_states(network, prompt):
    """Of the prompt's last token: the states of all layers through the model's norm, and its logits."""
    ids = torch.tensor([network.tokenizer(prompt, add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        result = network.network(ids, output_hidden_states=True)
        inner = [network.network.model.norm(h[0, -1]) for h in result.hidden_states[:-1]]
    return torch.stack([*inner, result.hidden_states[-1][0, -1]]).double(), result.logits[0, -1].double()


@pytest.fixture(scope="module")
def direct(network):
    return own_states(network, f"review : {TEXT} sentiment :")


def test_under_trained_tokens_are_hidden_and_the_frequency_projected_out_of_all_but_the_models_predictions(
    stored, seen
):
    world, dataset = stored
    given = (world.home, model(), TEXT, dataset, None)
    every = inspect_prompt(*given, k=10_000, center=True, hide=0)
    half = inspect_prompt(*given, k=10_000, center=True, hide=0.5)
    assert (every.hidden, half.hidden) == (0, every.tokens // 2)
    shown = [each["token"] for each in half.layers[-1]["nearest"] if math.isfinite(each["cosine"])]
    assert len(shown) == half.tokens - half.hidden
    assert [layer["words"] for layer in half.layers] == [layer["words"] for layer in every.layers]
    without = inspect_prompt(*given, k=4, center=True, project_frequency=True)
    assert [layer["model"] for layer in without.layers] == [layer["model"] for layer in seen.layers]
    assert without.layers[-1]["words"][0]["cosine"] != seen.layers[-1]["words"][0]["cosine"]
    with pytest.raises(BadInput, match="--hide 1: give a share of the vocabulary"):
        inspect_prompt(*given, k=4, center=True, hide=1)


def test_the_prompt_is_the_template_and_every_layer_is_read(seen):
    assert seen.prompt == f"review : {TEXT} sentiment :"
    assert [layer["layer"] for layer in seen.layers] == [0, 1, 2, 3]
    assert seen.words == ["bad", "positive", "story"]
    assert seen.label is None


def test_the_last_layer_is_the_models_prediction(seen, direct, network):
    _, logits = direct
    tokens = len(network.tokenizer)
    probabilities = logits[:tokens].softmax(0)
    best = probabilities.topk(4)
    result = seen.layers[-1]["model"]
    assert [each["token"] for each in result] == [network.tokenizer.decode([i]) for i in best.indices.tolist()]
    np.testing.assert_allclose([each["probability"] for each in result], best.values, rtol=1e-4)  # float32's rounding


def test_similarities_and_ranks_are_those_of_a_direct_computation(seen, direct, network):
    states, _ = direct
    head = network.head
    anchors = semantic_anchors(head.weight, rows=head.tokens).vectors
    ids = [network.tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in seen.words]
    for layer, state in zip(seen.layers, states, strict=True):
        cosines = torch.cosine_similarity(state[None], anchors)
        for word, (token,) in zip(layer["words"], ids, strict=True):
            assert word["cosine"] == pytest.approx(float(cosines[token]), abs=1e-5)
            assert word["cosine_rank"] == 1 + int((cosines > cosines[token]).sum())
        assert [e["cosine"] for e in layer["nearest"]] == pytest.approx(cosines.topk(4).values.tolist(), abs=1e-5)


def test_centered_is_without_the_mean_of_stored_training_texts(stored, seen, direct, network):
    world, _ = stored
    rows = catalog.query(world.home, "select text from examples where split = 'train'")["text"].to_pylist()
    assert seen.centered_on == len(rows) == 60
    mean = torch.stack([own_states(network, f"review : {text} sentiment :")[0] for text in rows]).mean(0)
    head = network.head
    anchors = semantic_anchors(head.weight, rows=head.tokens).vectors
    (token,) = network.tokenizer(" bad", add_special_tokens=False)["input_ids"]
    states, _ = direct
    for layer in (1, 2, 3):
        expected = torch.cosine_similarity(states[layer] - mean[layer], anchors[token], dim=0)
        assert seen.layers[layer]["words"][0]["centered"] == pytest.approx(float(expected), abs=1e-4)


def test_a_token_that_all_prompts_share_has_nothing_left_at_the_embedding(seen):
    assert [word["centered"] for word in seen.layers[0]["words"]] == [None] * 3
    assert [word["centered_rank"] for word in seen.layers[0]["words"]] == [None] * 3


def test_anchors_are_solved_once_and_then_read_from_the_lake(stored, seen):
    world, dataset = stored
    assert seen.solved
    assert len(list(Lake(world.home).manifests("anchors"))) == 1
    again = inspect_prompt(world.home, model(), TEXT, dataset, None, k=4, center=True)
    assert not again.solved
    assert again.layers == seen.layers


def test_a_stored_example_brings_its_text_and_its_class(stored):
    world, dataset = stored
    row = catalog.query(world.home, "from examples where split = 'test' order by id").to_pylist()[0]
    result = inspect_prompt(world.home, model(), None, dataset, row["id"], k=1, center=False)
    assert result.prompt == f"review : {row['text']} sentiment :"
    assert result.label == row["label_name"]
    assert result.centered_on == 0
    assert all(word["centered"] is None for layer in result.layers for word in layer["words"])


def test_without_a_data_set_the_text_is_the_prompt_and_the_models_prediction_is_followed(stored):
    world, _ = stored
    result = inspect_prompt(world.home, model(), "the film is", None, None, k=4, center=True)
    assert result.prompt == "the film is"
    assert result.words == [each["token"] for each in result.layers[-1]["model"]]
    assert [word["log_probability_rank"] for word in result.layers[-1]["words"]] == [1, 2, 3, 4]
    best = [math.exp(word["log_probability"]) for word in result.layers[-1]["words"]]
    assert best == pytest.approx([each["probability"] for each in result.layers[-1]["model"]])


def test_a_home_without_a_catalog_has_nothing_to_center_on(stored, tmp_path):
    _, dataset = stored
    assert inspect_prompt(Home(tmp_path), model(), TEXT, dataset, None, k=1, center=True).centered_on == 0


@pytest.mark.parametrize(
    ("text", "dataset", "example", "output"),
    [
        (" \n", None, None, "the text is empty"),
        ("a film " * 1000, None, None, "takes at most 1024: shorten it"),
        (None, "made", "test-999", "no example 'test-999' of data set 'made' is stored"),
        ("one text", "two", None, "has the fields a, b, not one text"),
    ],
)
def test_what_cannot_be_looked_at_is_reported(stored, text, dataset, example, output):
    world, made = stored
    two = made.model_copy(update={"fields": {"a": "a", "b": "b"}, "template": "{a} {b}"})
    card = {None: None, "made": made, "two": two}[dataset]
    with pytest.raises(BadInput, match=output):
        inspect_prompt(world.home, model(), text, card, example, k=1, center=True)


def test_every_value_is_there_for_scripts(seen):
    assert all(set(word) == {"word", *VALUES} for layer in seen.layers for word in layer["words"])


def test_a_model_on_the_disk_is_seen_as_one_in_memory(stored, seen):
    world, dataset = stored
    parted = inspect_prompt(world.home, model(), TEXT, dataset, None, k=4, center=True, device="offload:0MB")
    for one, other in zip(seen.layers, parted.layers, strict=True):
        assert [each["token"] for each in one["nearest"]] == [each["token"] for each in other["nearest"]]
        for mine, theirs in zip(one["words"], other["words"], strict=True):
            assert theirs["cosine"] == pytest.approx(mine["cosine"], abs=1e-5)
            assert theirs["log_probability"] == pytest.approx(mine["log_probability"], abs=1e-4)


def test_anchors_that_are_missing_are_solved_with_the_model_on_the_disk(stored, tmp_path):
    world, _ = stored
    solved = inspect_prompt(Home(tmp_path), model(), TEXT, None, None, k=4, center=False, device="offload:0MB")
    whole = inspect_prompt(world.home, model(), TEXT, None, None, k=4, center=False)
    assert solved.solved
    for one, other in zip(whole.layers, solved.layers, strict=True):
        for mine, theirs in zip(one["nearest"], other["nearest"], strict=True):
            assert (mine["token"], mine["cosine"]) == (theirs["token"], pytest.approx(theirs["cosine"], abs=1e-5))
