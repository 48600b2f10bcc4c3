"""One model a process, label words as tokens, and which errors are worth another try."""

import pytest

from tasks.fetch import fetch_card
from tasks.models.loaded import label_ids, loaded
from tests.tasks.worlds import LABELS, dataset_card, model
from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import LabelWordError, SourceError
from vocabsem.models.checkpoints import load_tokenizer
from warehouse.home import Home


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def dataset(tmp_path, words, **changes):
    labels = [label | {"word": word} for label, word in zip(LABELS, words, strict=True)]
    return DatasetCard.model_validate(dataset_card(tmp_path, labels=labels, **changes))


def test_a_model_is_loaded_once_for_all_shards(home):
    network = loaded(model(), home, "float32", "cpu")
    assert loaded(model().model_copy(), home, "float32", "cpu") is network
    assert loaded(model(), home, "bfloat16", "cpu").dtype == "bfloat16"


def test_label_words_become_the_tokens_that_spell_them(home, tmp_path):
    tokenizer = load_tokenizer(model(), home.cache)
    ids = label_ids(model(), dataset(tmp_path, ["bad", "positive", "story"]), home)
    assert [len(each) for each in ids] == [1, 1, 1]
    assert [tokenizer.convert_ids_to_tokens(each) for each in ids] == [["Ġbad"], ["Ġpositive"], ["Ġstory"]]


def test_words_of_several_tokens_and_words_that_collide_are_named(home, tmp_path):
    with pytest.raises(LabelWordError, match="'wonderful' of dataset 'made' is 10 tokens"):
        fetch_card.fn(home, model(), [dataset(tmp_path, ["bad", "wonderful", "story"])])
    collide = dataset(tmp_path, ["bad", "badness", "story"], word_tokens="first")
    with pytest.raises(LabelWordError, match=r"'bad' and 'badness' of dataset 'made' share the token"):
        fetch_card.fn(home, model(), [collide])


def test_a_source_that_is_not_there_is_named(home, tmp_path):
    with pytest.raises(SourceError, match="nowhere does not exist"):
        fetch_card.fn(home, model().model_copy(update={"source": f"file:{tmp_path}/nowhere"}), [])
