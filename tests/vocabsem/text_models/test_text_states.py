"""From texts to probabilities: the transformer against the functions it puts together."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from tests.vocabsem.architectures import WORDS, save
from vocabsem import (
    RidgeProbe,
    TextStates,
    VocabularyCalibrator,
    extract,
    load_model,
    semantic_anchors,
)
from vocabsem.errors import DataError, GuardFailed, LabelWordError
from vocabsem.models import language_model
from vocabsem.text_models import text_states

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


def test_a_long_text_is_the_mean_of_its_prompts(folder):
    limit = folder[1].max_tokens
    half = " ".join(["the good film"] * (limit // 8))
    (state,) = reader(folder, max_chunks=4).transform([f"{half} {half}"])
    np.testing.assert_allclose(state, reader(folder).transform([half, half]).mean(axis=0), atol=1e-5)
    assert not np.allclose(state, reader(folder).transform([f"{half} {half}"])[0], atol=1e-3)


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


def test_a_series_and_a_single_column_are_read_as_a_list(folder):
    one = reader(folder)
    expected = one.transform(TEXTS)
    frame = pd.DataFrame({"text": TEXTS})
    for form in (
        tuple(TEXTS),
        np.array(TEXTS),
        frame["text"],
        frame,
        frame.to_numpy(),
        [f" {each}\n" for each in TEXTS],
    ):
        np.testing.assert_array_equal(one.transform(form), expected)
    np.testing.assert_array_equal(reader(folder, template="review : {film} sentiment :").transform(TEXTS), expected)
    selected = ColumnTransformer([("states", one, ["text"])])
    np.testing.assert_array_equal(selected.fit_transform(frame.assign(title="bad")), expected)


TWO = pd.DataFrame({"title": ["good film", "bad film"], "text": ["I loved it", "I hated it"]})


@pytest.mark.parametrize(
    "given",
    [
        *("good film", b"good", {"text": TEXTS}, {"a", "b"}, {"a": 1}.keys(), 3, None),
        *(TWO, TWO.columns, TWO[[]], TWO.to_numpy(), np.array([[["a"]]])),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_column_of_texts_is_refused(folder, given):
    with pytest.raises(DataError, match=r"was given: give .*column of texts"):
        reader(folder).transform(given)


@pytest.mark.parametrize(
    "wrong", ["", " ", "\u200b", None, 3, float("nan"), ["a"], {"text": ""}, {"sentence": "a"}, "bad \ud83d"]
)
def test_a_row_that_is_no_text_is_named(folder, wrong):
    for form in (["good", wrong], pd.Series(["good", wrong], dtype=object), iter(["good", wrong])):
        with pytest.raises(DataError, match=r"^row 1(: text)? (is|has) .*: (give|name|decode)"):
            reader(folder).transform(form)
    with pytest.raises(DataError, match="row 0 is 'good': give a text for each of the fields 'first', 'second'"):
        reader(folder, template="{first} and {second} :").transform(["good"])


def test_no_texts_have_no_states(folder):
    assert reader(folder).transform([]).shape == (0, 32)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"template": "hello"}, "has no field: write {text}"),
        ({"template": "{text} is "}, "ends in white space"),
        ({"template": "<|im_start|>{text}<|im_end|>\n"}, "ends in white space"),
        ({"template": "{}"}, "has the field {}: write only plain names"),
        ({"template": '{"text": "{text}"}'}, "template"),
        ({"template": "{text:>9}"}, "write only plain names"),
        ({"template": None}, "template None"),
        ({"words": {"a": "", "b": "bad"}}, "the label word of class 'a' is ''"),
        ({"words": {"a": "bad", "b": "bad"}}, "label word 'bad' is given to two classes"),
        ({"words": {"a": "bad", "b": None}}, "the label word of class 'b' is None"),
        ({"words": ["good", "bad"]}, "give a mapping of two or more classes"),
        ({"words": {"a": "good"}}, "give a mapping of two or more classes"),
        ({"layers": 30}, "layers is 30: give a list"),
        ({"layers": "last"}, "layers is 'last': give a list"),
        ({"layers": [1.5]}, "give a list of numbers"),
        ({"layers": (99,)}, "the model has layers 0"),
        ({"dtype": "float16"}, "dtype is 'float16': choose one of 'auto', 'float32', 'bfloat16'"),
        ({"word_tokens": "last"}, "word_tokens is 'last': choose one of"),
        ({"max_chunks": 0}, "max_chunks is 0: give a whole number"),
        ({"device": "foo"}, "device is 'foo': give auto, cpu, cuda"),
        ({"device": "offload:much"}, "offload:8GB"),
        ({"device": 5.0}, "device is 5.0: give auto, cpu, cuda"),
        ({"model": 5}, "model is 5: give a card's name or path"),
        ({"model": "smollm2-135"}, "unknown model 'smollm2-135'"),
        ({"template": "a {mask} in {text}"}, "has its {mask} before the end"),
    ],
)
def test_settings_that_a_card_could_not_have_are_refused(folder, setting, message):
    one = reader(folder).set_params(**setting)
    with pytest.raises(DataError, match=re.escape(message)):
        (one.label_space if "words" in setting else lambda: one.transform(TEXTS))()


def test_a_model_whose_head_is_not_that_of_its_states_is_refused(folder, monkeypatch):
    monkeypatch.setattr(language_model.Head, "logits", lambda self, states: states @ self.weight.T + 1)
    text_states._loaded.cache_clear()
    with pytest.raises(GuardFailed, match="differs from the model's own logits"):
        reader(folder).transform(TEXTS)


def test_a_home_in_a_bucket_has_no_folder_of_downloads(folder, monkeypatch):
    monkeypatch.setenv("VOCABSEM_HOME", "s3://bucket/home")
    with pytest.raises(DataError, match="is a bucket: give the folder of downloads by cache"):
        reader(folder, cache=None).transform(TEXTS)
    assert reader(folder).transform(TEXTS).shape == (len(TEXTS), 32)


def test_what_cannot_be_read_is_explained(folder):
    with pytest.raises(DataError, match=r"a label space needs label words: give TextStates words="):
        reader(folder, words=None).label_space()
    with pytest.raises(LabelWordError, match=r"^label word 'nosuchword' is unknown|is . tokens"):
        reader(folder, words={"a": "bad", "b": "nosuchword"}).label_space()
    if not torch.cuda.is_available():
        with pytest.raises(DataError, match=r"device 'cuda' is not available: torch .* use device 'cpu'"):
            reader(folder, device="cuda").transform(TEXTS)
