"""From texts to probabilities: the transformer against the functions it puts together."""

import numpy as np
import pytest
import yaml
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from tests.vocabsem.architectures import WORDS, save
from vocabsem import RidgeProbe, TextStates, VocabularyCalibrator, extract, load_model, semantic_anchors
from vocabsem.errors import BadInput, DataError, LabelWordError

TEMPLATE = "review : {text} sentiment :"
WORD_OF = {"negative": "bad", "positive": "positive"}
TEXTS = ["the good film", "a bad dull story", "great", "the plot of this film was moving and good"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text-states")
    card = save("llama", folder / "network")
    (folder / "model.yaml").write_text(yaml.safe_dump(card.model_dump(mode="json")))
    return folder, card


def reader(folder, **changes):
    options = {
        "template": TEMPLATE,
        "words": WORD_OF,
        "dtype": "float32",
        "device": "cpu",
        "cache": folder[0] / "cache",
    }
    return TextStates(str(folder[0] / "model.yaml"), **options | changes)


def test_states_are_those_of_the_prompts_one_by_one(folder):
    model = load_model(folder[1], folder[0] / "cache", dtype="float32", device="cpu")
    states = reader(folder, layers=(1, "last")).transform(TEXTS)
    for row, text in zip(states, TEXTS, strict=True):
        ids = model.tokenizer(TEMPLATE.format(text=text), add_special_tokens=False)["input_ids"]
        alone = extract(model, [ids], [1, model.layers])
        np.testing.assert_allclose(row, np.concatenate([alone[1][0], alone[model.layers][0]]), atol=1e-5)
    assert states.dtype == np.float32
    np.testing.assert_array_equal(states[:, 32:], reader(folder).transform(TEXTS))


def test_the_label_space_holds_the_anchors_of_the_words(folder):
    model = load_model(folder[1], folder[0] / "cache", dtype="float32", device="cpu")
    space = reader(folder).label_space()
    anchors = semantic_anchors(model.head.weight, bias=model.head.bias, rows=model.head.tokens).vectors
    for row, word in enumerate(WORD_OF.values()):
        (token,) = model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
        np.testing.assert_allclose(space.anchors[row], anchors[token], rtol=1e-5)
        np.testing.assert_array_equal(space.head[row], model.head.weight[token])
    whole = reader(folder).label_space(whole=True)
    assert whole.vocabulary.anchors.shape == anchors.shape
    assert space.vocabulary is None


def test_texts_go_through_a_pipeline_to_probabilities(folder):
    one = reader(folder)
    pipeline = make_pipeline(one, VocabularyCalibrator(one.label_space()))
    probabilities = pipeline.fit(TEXTS).predict_proba(TEXTS)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(4))
    method = VocabularyCalibrator(one.label_space()).fit(one.transform(TEXTS))
    np.testing.assert_array_equal(probabilities, method.predict_proba(one.transform(TEXTS)))


def test_a_search_over_layers_reads_texts_and_names_of_classes(folder):
    words = WORDS.split()
    texts = [f"{mood} {word}" for word in words for mood in ("good great", "bad dull")]
    names = ["praise", "blame"] * len(words)
    pipeline = make_pipeline(reader(folder, words=None), RidgeProbe())
    search = GridSearchCV(pipeline, {"textstates__layers": [(1,), ("last",)]}, cv=2).fit(texts, names)
    assert set(search.predict(texts)) <= {"praise", "blame"}
    assert search.best_score_ > 0.8
    assert clone(pipeline).get_params()["textstates__template"] == TEMPLATE


def test_several_fields_come_as_mappings(folder):
    pairs = [{"first": "good film", "second": "bad film"}, {"first": "great", "second": "dull"}]
    model = reader(folder).language_model
    states = reader(folder, template="{first} and {second} :").transform(pairs)
    ids = model.tokenizer("great and dull :", add_special_tokens=False)["input_ids"]
    np.testing.assert_allclose(states[1], extract(model, [ids], [model.layers])[model.layers][0], atol=1e-5)


def test_what_cannot_be_read_is_explained(folder):
    one = reader(folder)
    with pytest.raises(DataError, match="one text 'good film' was given: give a list of texts"):
        one.transform("good film")
    for wrong in ("", " ", None, 3, {"text": ""}):
        with pytest.raises(DataError, match=r"row 1 is .*: give a text"):
            one.transform(["good", wrong])
    with pytest.raises(DataError, match=r"a label space needs label words: give TextStates words="):
        reader(folder, words=None).label_space()
    with pytest.raises(LabelWordError, match=r"^label word 'nosuchword' is unknown|is . tokens"):
        reader(folder, words={"a": "bad", "b": "nosuchword"}).label_space()
    with pytest.raises(BadInput, match="the model has layers 0"):
        reader(folder, layers=(99,)).transform(TEXTS)
    with pytest.raises(BadInput, match="unknown model 'smollm2-135'"):
        TextStates("smollm2-135").transform(TEXTS)
