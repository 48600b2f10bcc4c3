"""Rivals that need prompts of their own: demonstrations, content-free inputs, adapters, from the card to the table."""

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import log_softmax, softmax

from tasks.anchors import build_anchors
from tasks.demonstrations import publish_demonstrations
from tasks.examples import build_examples
from tasks.fetch import fetch_card
from tasks.fits import fit_method
from tasks.models.label_space import label_space
from tasks.models.loaded import loaded
from tasks.publish_states import publish_states
from tasks.states import extract_shard
from tasks.steps.lake_reads import prompt_count, read_states
from tests.tasks.worlds import World, fit_of, write_card
from vocabsem.datasets.shots import add_label_noise, choose_shots
from vocabsem.errors import DataError
from vocabsem.methods import Centroid
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

WORDS = ["bad", "positive", "story"]
ROUNDING = {"rtol": 1e-4, "atol": 1e-5}  # float32 sums in another order, over three layers


def computed(world, **overrides):
    """The plan of the card, its fits computed task by task without Prefect."""
    plan = world.plan(champion=False, **overrides)
    (pair,) = plan.pairs
    model, dataset = pair.model, pair.dataset
    build_examples.fn(plan.home, dataset, fetch_card.fn(plan.home, dataset), pair.examples)
    build_anchors.fn(plan.home, model, pair.anchors, "cpu")
    for step in pair.demonstrations.values():
        publish_demonstrations.fn(plan.home, model, dataset, step)
    for step in pair.states.values():
        rows = prompt_count(plan.home, step.spec)
        extract_shard.fn(plan.home, model, dataset, step, 0, rows, "cpu")
        publish_states.fn(plan.home, step, rows, rows)
    for fit in pair.fits:
        fit_method.fn(plan.home, model, dataset, fit.name, [fit.predictions])
    return plan


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    methods = [
        {"method": "zero_shot", "demonstrations": 2},
        {"method": "zero_shot", "demonstrations": "fit", "seeds": 1},
        {"method": "knn_prompting", "demonstrations": 1},
        {"method": "contextual_calibration"},
        {"method": "domain_calibration", "demonstrations": 1, "seeds": 1},
        {"method": "batch_calibration"},
        {"method": "zero_shot", "demonstrations": 2, "order": 1},
        {"method": "centroid", "label_noise": 0.4, "shots": [4]},
    ]
    return computed(World(tmp_path_factory.mktemp("rivals"), experiment={"methods": methods}))


def rows_of(plan, split):
    table = plan.pairs[0].examples.partition(Lake(plan.home)).table()
    return table.filter(pc.equal(table["split"], split)).to_pylist()


def predicted(plan, name, shots, seed):
    table = fit_of(plan, name, shots).predictions.partition(Lake(plan.home)).table()
    kept = table.filter(pc.and_(pc.equal(table["seed"], seed), pc.equal(table["split"], "test")))
    return np.stack(kept["probabilities"].to_numpy())


def seen(plan, name, shots, seed):
    """Ids of the labeled examples that the method saw."""
    path = fit_of(plan, name, shots).predictions.partition(Lake(plan.home)).file("training.parquet")
    table = pq.read_table(path)
    return table.filter(pc.equal(table["seed"], seed))["id"].to_pylist()


def own_answer(plan, text):
    """Log-probabilities of the label words after a text, by the whole model, one prompt, no cache: (C,)."""
    network = loaded(plan.pairs[0].model, plan.home, "float32", "cpu")
    ids = network.tokenizer(text, add_special_tokens=False)["input_ids"]
    words = [network.tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0] for word in WORDS]
    with torch.inference_mode():
        logits = network.network(torch.tensor([ids])).logits[0, -1]
    return log_softmax(logits[words].double().numpy())


def prompt(text, label=None):
    return f"review : {text} sentiment :" + ("" if label is None else f" {WORDS[label]}\n\n")


@pytest.mark.parametrize(("name", "seed"), [("demos-2", 0), ("demos-2", 1), ("demos-2+order-1", 1)])
def test_in_context_learning_is_the_models_answer_to_the_whole_prompt(plan, name, seed):
    train = {row["id"]: row for row in rows_of(plan, "train")}
    shown = [train[example] for example in seen(plan, f"zero_shot+{name}", 2, seed)]
    assert np.bincount([row["label"] for row in shown]).tolist() == [2, 2, 2]
    prefix = "".join(prompt(row["text"], row["label"]) for row in shown)
    expected = [own_answer(plan, prefix + prompt(row["text"])) for row in rows_of(plan, "test")[:6]]
    result = predicted(plan, f"zero_shot+{name}", 2, seed)[:6]
    np.testing.assert_allclose(result, np.exp(expected), **ROUNDING)


def test_demonstrations_are_the_shots_that_every_method_sees(plan):
    train = rows_of(plan, "train")
    labels = np.array([row["label"] for row in train])
    for seed in (0, 1):
        shots = {train[row]["id"] for row in choose_shots(labels, 2, seed, 3)}
        assert set(seen(plan, "zero_shot+demos-2", 2, seed)) == shots


@pytest.mark.parametrize("seed", [0, 1])
def test_an_order_shows_the_same_examples_otherwise(plan, seed):
    first, other = (seen(plan, f"zero_shot+demos-2{order}", 2, seed) for order in ("", "+order-1"))
    assert sorted(first) == sorted(other)
    assert first != other


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_in_the_labels_that_are_learned_from_and_in_no_others(plan, seed):
    pair = plan.pairs[0]
    train, test = (
        read_states(plan.home, pair.model.name, "made", split, pair.states[split].key) for split in ("train", "test")
    )
    chosen = choose_shots(train[1], 4, seed, 3)
    noisy = add_label_noise(train[1][chosen], 0.4, seed, 3)
    assert (noisy != train[1][chosen]).sum() == 5, "of twelve"
    space = label_space(plan.home, pair.model, pair.dataset, pair.anchors.key)
    expected = Centroid(space).fit(train[2][chosen], noisy, train[2]).predict_proba(test[2])
    np.testing.assert_allclose(predicted(plan, "centroid+noise-0.4", 4, seed), expected, atol=1e-6)
    assert sorted(seen(plan, "centroid+noise-0.4", 4, seed)) == sorted(train[0][row] for row in chosen)


@pytest.mark.parametrize("shots", [4, "all"])
def test_what_is_shown_is_not_learned_from_again(plan, shots):
    train = rows_of(plan, "train")
    labels = np.array([row["label"] for row in train])
    saw = seen(plan, "knn_prompting+demos-1", shots, 0)
    assert sorted(saw) == sorted(train[row]["id"] for row in choose_shots(labels, shots, 0, 3))
    inputs = fit_of(plan, "knn_prompting+demos-1", shots).predictions.inputs
    assert {role for role in inputs if role.startswith("states:")} == {
        f"states:{split}@{seed}" for split in ("train", "validation", "test") for seed in (0, 1)
    }


def test_without_labels_the_shots_are_those_it_shows(plan):
    shots = {fit.name: set() for fit in plan.pairs[0].fits}
    for fit in plan.pairs[0].fits:
        shots[fit.name].add(fit.shots)
    assert shots == {
        "zero_shot+demos-2": {2},
        "zero_shot+demos-fit": {"all"},
        "knn_prompting+demos-1": {4, "all"},
        "contextual_calibration": {0},
        "domain_calibration+demos-1": {1},
        "batch_calibration": {0},
        "zero_shot+demos-2+order-1": {2},
        "centroid+noise-0.4": {4},
    }


def test_as_many_as_fit_leave_room_for_the_question(plan):
    facts = fit_of(plan, "zero_shot+demos-fit", "all").predictions.inputs["states:test@0"]
    manifest = next(m for m in plan.lake.manifests("states") if m.key == facts)
    shown = manifest.facts["demonstrations"]
    model = plan.pairs[0].model
    assert len(shown) == len(rows_of(plan, "train")) or manifest.facts["tokens"] / 24 > model.context / 2
    assert manifest.facts["tokens"] / 24 <= model.context


def test_contextual_calibration_divides_by_the_answer_to_nothing(plan):
    nothing = np.mean([np.exp(own_answer(plan, prompt(text))) for text in ("N/A", "[MASK]", "")], axis=0)
    own = np.array([own_answer(plan, prompt(row["text"])) for row in rows_of(plan, "test")])
    expected = np.exp(own) / nothing
    result = predicted(plan, "contextual_calibration", 0, 0)
    np.testing.assert_allclose(result, expected / expected.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-4)


def test_batch_calibration_divides_by_the_mean_answer_to_the_training_texts(plan):
    batch = np.mean([np.exp(own_answer(plan, prompt(row["text"]))) for row in rows_of(plan, "train")], axis=0)
    own = np.array([own_answer(plan, prompt(row["text"])) for row in rows_of(plan, "test")])
    result = predicted(plan, "batch_calibration", 0, 0)
    np.testing.assert_allclose(result, softmax(own - np.log(batch), axis=1), rtol=1e-3, atol=1e-4)


def test_domain_words_stand_under_the_same_demonstrations(plan):
    (pair,) = plan.pairs
    step = pair.states["domain_words+demos-1@0"]
    ids, labels, states = read_states(plan.home, pair.model.name, "made", "domain_words", step.key)
    assert len(ids) == 20
    assert set(labels.tolist()) == {-1}
    assert np.isfinite(states).all()
    shown = [
        next(m for m in plan.lake.manifests("states") if m.key == pair.states[name].key).facts["demonstrations"]
        for name in ("domain_words+demos-1@0", "test+demos-1@0")
    ]
    assert shown[0] == shown[1]


def test_demonstrations_that_leave_no_room_are_refused(tmp_path):
    world = World(tmp_path)
    model = world.plan().pairs[0].model
    write_card(world.folder / "model.yaml", model.model_dump(mode="json") | {"context": 60})
    with pytest.raises(DataError, match=r"8 demonstrations per class of dataset 'made' are \d+ tokens, which leaves"):
        computed(world, methods=[{"method": "zero_shot", "demonstrations": 8}])
