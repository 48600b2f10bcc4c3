"""Word scores as partitions: equal to scoring directly, resumed by shards; and the fits that read them."""

import numpy as np
import pytest
from scipy.special import softmax

from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from tasks.models.loaded import loaded, word_ids
from tasks.models.prompts import encode_fields
from tasks.publish_word_scores import publish_word_scores
from tasks.steps.facts import WordScoresFacts, facts_of
from tasks.steps.kinds import spec_of
from tasks.steps.lake_reads import prompt_rows, read_states
from tasks.steps.shards import resumed_shards, shards
from tasks.steps.specs import WordScoresFitSpec
from tasks.word_scores import score_shard
from tests.tasks.worlds import LABELS, SPLITS, World, compute, fit_of, half_written, sentences, write_rows
from vocabsem.cards.loader import load_card
from vocabsem.errors import CardError, LabelWordError
from vocabsem.states.word_scores import score_words
from warehouse.lake.partition import Lake

PHRASES = [label | {"word": word} for label, word in zip(LABELS, ["not good", "moving plot", "a story"], strict=True)]
METHODS = [
    {"method": "zero_shot", "scoring": "exact"},
    {"method": "zero_shot", "scoring": "exact_mean"},
    {"method": "batch_calibration", "scoring": "exact"},
    {"method": "linc", "scoring": "exact"},
]
EXPERIMENT = {"methods": METHODS, "shots": [0, 4], "champion": False}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Labels of several tokens, which nothing but exact scores could read."""
    return World(tmp_path_factory.mktemp("words"), dataset={"labels": PHRASES}, experiment=EXPERIMENT)


@pytest.fixture(scope="module")
def plan(world):
    plan = world.plan()
    compute(plan, ["examples", "states", "predictions"])
    return plan


def direct(plan, split):
    """(N, C) of a split, scored without the lake."""
    (pair,), spec = plan.pairs, plan.pairs[0].word_scores[split].spec
    fields = [dict(each) for each in prompt_rows(plan.home, spec)["fields"].to_pylist()]
    prompts = encode_fields(plan.home, pair.model, fields, spec).prompts
    words = word_ids(pair.model, spec, plan.home)
    assert all(len(ids) > 2 for ids in words)
    return score_words(loaded(pair.model, plan.home, "float32", "cpu"), prompts.token_ids, words)


def probabilities(plan, name, shots=0, split="test"):
    rows = fit_of(plan, name, shots).predictions.partition(Lake(plan.home)).table().to_pylist()
    return np.array([row["probabilities"] for row in rows if row["split"] == split and row["seed"] == 0])


def test_shards_equal_scoring_directly(plan):
    (pair,) = plan.pairs
    for split in ("train", "validation", "test"):
        step = pair.word_scores[split]
        ids, labels, scores = read_states(plan.home, "tiny-llama", "made", split, step.key, "word_scores")
        rows = prompt_rows(plan.home, step.spec)
        assert (ids, labels.tolist()) == (rows["id"].to_pylist(), rows["label"].to_pylist())
        np.testing.assert_allclose(scores, direct(plan, split), rtol=1e-4)  # float32
        manifest = step.partition(Lake(plan.home)).manifest()
        assert spec_of(manifest) == step.spec
        facts = facts_of(manifest, WordScoresFacts)
        assert facts.words == tuple(map(tuple, word_ids(pair.model, step.spec, plan.home)))
        assert facts.tokens > len(ids)


def test_fits_read_them_as_the_models_predictions(plan):
    scores, (pair,) = direct(plan, "test"), plan.pairs
    lengths = [len(ids) for ids in word_ids(pair.model, pair.word_scores["test"].spec, plan.home)]
    np.testing.assert_allclose(probabilities(plan, "zero_shot+exact"), softmax(scores, axis=1), atol=1e-4)
    np.testing.assert_allclose(
        probabilities(plan, "zero_shot+exact-mean"), softmax(scores / lengths, axis=1), atol=1e-4
    )
    prior = softmax(direct(plan, "train"), axis=1).mean(axis=0)
    calibrated = softmax(scores - np.log(prior), axis=1)
    np.testing.assert_allclose(probabilities(plan, "batch_calibration+exact"), calibrated, atol=1e-4)
    assert probabilities(plan, "linc+exact", 4).shape == (SPLITS["test"], 3)
    for fit in plan.fits:
        manifest = fit.predictions.partition(Lake(plan.home)).manifest()
        assert isinstance(fit.predictions.spec, WordScoresFitSpec)
        assert spec_of(manifest) == fit.predictions.spec
        assert {name.partition(":")[0] for name in fit.predictions.inputs} == {"word_scores"}
        assert fit.servable


def test_a_killed_run_goes_on_behind_its_last_shard(world, tmp_path):
    plan = World(tmp_path, dataset={"labels": PHRASES}, experiment=EXPERIMENT).plan()
    compute(plan, ["examples"])
    (pair,), size = plan.pairs, plan.experiment.shard_rows
    step = pair.word_scores["train"]
    first, *rest = shards(SPLITS["train"], size)
    score_shard.fn(plan.home, pair.model, step, *first, "cpu")
    with pytest.raises(RuntimeError, match="vanished while the run was going"):
        publish_word_scores.fn(plan.home, pair.model, step, SPLITS["train"], size)
    assert [span for span, entry in resumed_shards(plan.home, step, SPLITS["train"], size).items() if not entry] == rest
    for span in rest:
        score_shard.fn(plan.home, pair.model, step, *span, "cpu")
    assert publish_word_scores.fn(plan.home, pair.model, step, SPLITS["train"], size) == step.key
    assert plan.published(step)
    assert not half_written(plan.home)


def test_words_that_a_model_cannot_score_are_named_before_anything_runs(world):
    (pair,) = world.plan().pairs
    spec = pair.word_scores["test"].spec
    for words, model, says in (
        (("good", "good"), {}, "label words 'good' and 'good' of dataset 'made' share the token"),
        (("good", " ".join(["bad"] * 40)), {"context": 100}, r"is 40 tokens, 104 with a prompt of 64, and"),
    ):
        with pytest.raises(LabelWordError, match=says):
            word_ids(pair.model.model_copy(update=model), spec.model_copy(update={"words": words}), world.home)


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        ([{"method": "zero_shot", "scoring": "longest"}], "Input should be 'exact', 'exact_mean'"),
        ([{"method": "ridge", "scoring": "exact"}], "method ridge.exact has scoring: ridge reads more of a prompt"),
    ],
)
def test_modes_and_methods_that_do_not_go_together_are_refused(world, methods, says):
    with pytest.raises(CardError, match=says):
        world.plan(methods=methods)


def test_other_words_and_modes_are_other_partitions_and_the_mode_is_none_of_the_scores(tmp_path):
    def keys(**changes):
        world = World(tmp_path, dataset={"labels": PHRASES} | changes, experiment=EXPERIMENT)
        (pair,) = world.plan().pairs
        return pair.word_scores["test"].key, [fit.predictions.key for fit in pair.fits]

    (scores, fits), (others, other_fits) = keys(), keys(labels=[PHRASES[0] | {"word": "bad"}, *PHRASES[1:]])
    assert scores != others
    assert len({*fits, *other_fits}) == 2 * len(fits)


def test_the_papers_words_are_scored_whole_where_the_users_copy_of_the_data_is(tmp_path):
    """WebSS: eight classes, three of them named by words with hyphens."""
    world, card = (
        World(tmp_path, experiment=EXPERIMENT | {"datasets": ["webss"], "shots": [0]}),
        load_card("datasets", "webss"),
    )
    folder = tmp_path / "copies" / "webss"
    folder.mkdir(parents=True)
    rows = [{"sentence": row["text"], "label": card.labels[i % 8].value} for i, row in enumerate(sentences())]
    write_rows(folder / "train.jsonl", rows[:64])
    write_rows(folder / "test.jsonl", rows[64:96])
    plan = make_plan(load_experiment(world.card), world.home, tmp_path / "copies")
    compute(plan, ["examples", "states", "predictions"])
    (pair,) = plan.pairs
    spec = pair.word_scores["test"].spec
    assert spec.words[2] == "culture-arts-entertainment"
    assert len(word_ids(pair.model, spec, plan.home)[2]) > 3
    assert probabilities(plan, "zero_shot+exact").shape == (32, 8)
