"""Texts to exact scores of label words of any length, and a classifier of them, against whole forward passes."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from scipy.special import log_softmax, softmax

from tests.vocabsem.text_models.test_text_states import TEMPLATE, TEXTS, folder, reader  # noqa: F401  # a fixture
from vocabsem import load_model
from vocabsem.errors import DataError
from vocabsem.methods import ZeroShot
from vocabsem.methods.persistence import to_arrays
from vocabsem.text_models.text_classifier import TextClassifier

PHRASES = {"negative": "not good", "positive": "moving plot", "neither": "film"}


@pytest.fixture(scope="module")
def model(folder):  # noqa: F811
    return load_model(folder[1], folder[0] / "cache", dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def expected(model):
    """log P(word | prompt) (N, 3) by one whole forward pass of transformers for each pair, and the words' tokens."""
    tokens = [model.tokenizer(f": {word}", add_special_tokens=False)["input_ids"][1:] for word in PHRASES.values()]
    assert len({len(each) for each in tokens}) > 1, "words of several lengths"
    scores = np.empty((len(TEXTS), len(tokens)))
    for row, text in enumerate(TEXTS):
        prompt = model.tokenizer(TEMPLATE.format(text=text), add_special_tokens=False)["input_ids"]
        for column, word in enumerate(tokens):
            with torch.no_grad():
                logits = model.network(torch.tensor([prompt + word])).logits[0].double().numpy()
            each = log_softmax(logits[len(prompt) - 1 : -1], axis=1)
            scores[row, column] = each[np.arange(len(word)), word].sum()
    return scores, tokens


def test_a_text_is_transformed_to_the_score_of_each_word(folder, expected):  # noqa: F811
    scores = reader(folder, words=PHRASES, scoring="exact").fit_transform(TEXTS)
    assert (scores.shape, scores.dtype) == ((len(TEXTS), 3), np.float32)
    np.testing.assert_allclose(scores, expected[0], rtol=1e-4)  # float32 sums


@pytest.mark.parametrize("scoring", ["exact", "exact_mean"])
def test_zero_shot_reads_the_scores_as_it_reads_states(folder, expected, scoring):  # noqa: F811
    texts = reader(folder, words=PHRASES, scoring=scoring)
    method = ZeroShot(texts.label_space()).fit(np.zeros((1, 3)))
    logits = expected[0] / ([len(each) for each in expected[1]] if scoring == "exact_mean" else 1)
    np.testing.assert_allclose(method.predict_proba(texts.transform(TEXTS)), softmax(logits, axis=1), atol=1e-4)


def test_what_cannot_be_scored_is_named(folder):  # noqa: F811
    with pytest.raises(DataError, match="scoring is 'letters': choose one of 'exact', 'exact_mean'"):
        reader(folder, scoring="letters").transform(TEXTS)
    with pytest.raises(DataError, match="scoring 'exact' is of label words: give TextStates words="):
        reader(folder, words=None, scoring="exact").transform(TEXTS)
    with pytest.raises(DataError, match="scoring 'exact_mean' has no vocabulary: leave out whole, or scoring"):
        reader(folder, scoring="exact_mean").label_space(whole=True)
    with pytest.raises(DataError, match=r"a label word of \d+ tokens is over the context of model 'tiny-llama'"):
        reader(folder, words={"a": "good", "b": "good " * 5000}, scoring="exact").transform(TEXTS)


def test_a_packaged_classifier_scores_words_in_shards(folder, model, expected, tmp_path):  # noqa: F811
    """As a registered model is stored: no state is read, and shards of two texts give what all give."""
    texts = reader(folder, words=PHRASES, scoring="exact")
    arrays, described = to_arrays(ZeroShot(texts.label_space()).fit(np.zeros((1, 3))))
    (tmp_path / "calibrator.safetensors").write_bytes(save(arrays, {"estimator": json.dumps(described)}))
    settings = {"dtype": "float32", "max_tokens": 24, "prepend_bos": False, "shard_rows": 2, "words": expected[1]}
    config = {
        "model": folder[1].model_dump(mode="json"), "digest": model.digest, "cache": str(folder[0] / "cache"),
        "dataset": "films", "template": TEMPLATE, "fields": ["text"], "labels": list(PHRASES), "settings": settings,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    classifier = TextClassifier(tmp_path)
    probabilities = classifier.predict_proba([{"text": text} for text in TEXTS])
    np.testing.assert_allclose(probabilities, softmax(expected[0], axis=1), atol=1e-4)
    assert classifier.answer == "label"
    assert classifier.decide(probabilities) == [list(PHRASES)[i] for i in expected[0].argmax(axis=1)]
    del settings["words"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="its settings lack layers, pooling"):
        TextClassifier(tmp_path)
