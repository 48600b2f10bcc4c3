"""Several label words of a class: from its card to label space, keys, word scores and fits."""

import numpy as np
import pytest
import yaml

from tasks.models.label_space import label_space, word_space
from tasks.models.loaded import label_ids, word_ids
from tasks.steps.kinds import spec_of
from tests.tasks.worlds import LABELS, World, compute
from vocabsem.cards.loader import load_card
from vocabsem.errors import CardError
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import matrix

SEVERAL = [LABELS[0] | {"word": ["bad", "film"]}, LABELS[1] | {"word": "positive"}, LABELS[2] | {"word": ["story"]}]
EXACT = {"method": "zero_shot", "scoring": "exact_mean"}


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    experiment = {"methods": ["zero_shot", EXACT], "shots": [0], "champion": False}
    plan = World(tmp_path_factory.mktemp("several"), dataset={"labels": SEVERAL}, experiment=experiment).plan()
    compute(plan, ["examples", "anchors", "states", "predictions"])
    return plan


def stored(plan, column):
    (pair,) = plan.pairs
    table = pair.anchors.partition(Lake(plan.home)).table(["token_id", column])
    assert table["token_id"].to_pylist() == list(range(len(table)))
    return matrix(table[column])


def test_the_label_space_has_the_mean_of_a_classs_words(plan):
    (pair,) = plan.pairs
    tokens = label_ids(pair.model, pair.dataset, plan.home)
    assert [len(ids) for ids in tokens] == [2, 1, 1]
    space = label_space(plan.home, pair.model, pair.dataset, pair.anchors.key)
    for name, rows in (("anchor", space.anchors), ("head", space.head)):
        expected = [stored(plan, name)[ids].mean(axis=0) for ids in tokens]
        np.testing.assert_allclose(rows, expected, rtol=1e-5)


def test_words_of_different_length_weigh_the_same(plan):
    (pair,) = plan.pairs
    labels = [pair.dataset.labels[0].model_copy(update={"word": ["bad", "good bad"]}), *pair.dataset.labels[1:]]
    card = pair.dataset.model_copy(update={"labels": labels, "word_tokens": "mean"})
    first, *_ = label_ids(pair.model, card, plan.home)
    alone = [
        label_ids(pair.model, card.model_copy(update={"labels": [each, *labels[1:]]}), plan.home)[0]
        for each in (labels[0].model_copy(update={"word": word}) for word in ("bad", "good bad"))
    ]
    head = stored(plan, "head")
    np.testing.assert_allclose(
        head[first].mean(axis=0), np.mean([head[ids].mean(axis=0) for ids in alone], axis=0), atol=1e-6
    )


def test_scores_of_all_words_are_averaged_by_class(plan):
    (pair,) = plan.pairs
    spec = pair.word_scores["test"].spec
    assert spec.words == ("bad", "film", "positive", "story")
    lengths = [len(ids) for ids in word_ids(pair.model, spec, plan.home)]
    exact = next(fit.predictions.spec for fit in pair.fits if fit.name == "zero_shot+exact-mean")
    scores = np.arange(8.0).reshape(2, 4)
    per_token = scores / lengths
    expected = np.stack([per_token[:, :2].mean(axis=1), per_token[:, 2], per_token[:, 3]], axis=1)
    np.testing.assert_allclose(word_space(plan.home, exact).label_logits(scores), expected, rtol=1e-6)


def test_the_words_are_in_the_keys_and_one_word_is_as_it_was(plan, tmp_path):
    (pair,) = plan.pairs
    spec = pair.fits[0].predictions.spec
    assert spec.words == (("bad", "film"), "positive", ("story",))
    assert spec_of(pair.fits[0].predictions.partition(Lake(plan.home)).manifest()) == spec
    keys = []
    for word in ("bad", ["bad", "film"], ["film", "bad"]):
        labels = [LABELS[0] | {"word": word}, *LABELS[1:]]
        (pair,) = World(tmp_path, dataset={"labels": labels}, experiment={"methods": ["zero_shot"]}).plan().pairs
        keys.append((pair.fits[0].predictions.key, pair.states["test"].key))
    assert len({fit for fit, _ in keys}) == 3
    assert len({states for _, states in keys}) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["", "good", "story"], r"labels\[0\].word: label word '': give a word without white space around it"),
        ([" bad", "good", "story"], r"labels\[0\].word: label word ' bad': give a word"),
        ([[], "good", "story"], r"labels\[0\].word: the class has no label word"),
        ([["bad", "bad"], "good", "story"], r"labels\[0\].word: label word 'bad' is given to one label twice"),
        ([["bad", "good"], "good", "story"], "label word 'good' is given to two labels"),
    ],
)
def test_words_that_are_none_or_shared_are_one_error(tmp_path, words, says):
    labels = [label | {"word": word} for label, word in zip(LABELS, words, strict=True)]
    world = World(tmp_path, dataset={"labels": labels})
    with pytest.raises(CardError, match=says) as caught:
        world.plan()
    assert len(str(caught.value).splitlines()) == 1


def test_a_variant_may_have_several_words(tmp_path):
    world = World(tmp_path, dataset={"words": {"more": [["bad", "film"], ["good", "great"], "plot"]}})
    path = str(tmp_path / "dataset.yaml")
    card = load_card("datasets", f"{path}@words-more")
    assert (card.label_words, card.all_words) == (["bad", "good", "plot"], ["bad", "film", "good", "great", "plot"])
    given = yaml.safe_load((tmp_path / "dataset.yaml").read_text())
    world.write_dataset(**(given | {"words": {"more": [["bad", "plot"], ["good"], "plot"]}}))
    with pytest.raises(CardError, match=r"label word of words\.more 'plot' is given to two labels"):
        load_card("datasets", f"{path}@words-more")
