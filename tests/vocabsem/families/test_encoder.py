"""Vectors of sentence encoders against transformers' own forward, and their cosines with label words."""

import json

import numpy as np
import pytest
import torch

from tests.vocabsem.bidirectional import save, tokenizer
from vocabsem import TextStates, ZeroShot
from vocabsem.errors import GuardFailed, SourceError
from vocabsem.families.encoder import COSINE_SCALE, read_pooling
from vocabsem.models.language_model import load_model
from vocabsem.states.extraction import check_head, extract

TEXTS = ["good film", "the story was dull and the plot was moving this way and that", "a", "great"]
WORDS = {"neg": "a bad and dull story", "pos": "good"}


def load(tmp_path, name="bert", pooling=None):
    card = save(name, tmp_path / name, family="encoder", pooling=pooling)
    return load_model(card, tmp_path / "cache", dtype="float32")


def unit(vector):
    return (vector / vector.norm()).detach().numpy()


@pytest.mark.parametrize("pooling", [None, "mean", "cls"])
@pytest.mark.parametrize("name", ["bert", "roberta", "modernbert", "distilbert"])
def test_vectors_equal_transformers_one_text_at_a_time(tmp_path, name, pooling):
    model, ids = load(tmp_path, name, pooling), tokenizer()(TEXTS)["input_ids"]
    result = extract(model, ids, [0, 2, "2:mean", "last"], budget=60)
    for row, prompt in enumerate(ids):
        hidden = model.network(torch.tensor([prompt]), output_hidden_states=True)
        of = {0: hidden.hidden_states[0], 2: hidden.hidden_states[2], 3: hidden.last_hidden_state}
        for layer, states in of.items():
            expected = unit(states[0, 0] if pooling == "cls" else states[0].mean(0))
            # unit vectors; float32 rounding through three layers and a batch of another length
            np.testing.assert_allclose(result[layer][row], expected, atol=1e-4)
        if pooling == "cls":
            np.testing.assert_allclose(result["2:mean"][row], unit(of[2][0].mean(0)), atol=1e-4)
    assert check_head(model, ids) < 1e-4


def test_the_guard_refuses_a_model_that_sees_padding(tmp_path, monkeypatch):
    model, ids = load(tmp_path), tokenizer()(TEXTS)["input_ids"]
    forward = model.network.forward
    monkeypatch.setattr(model.network, "forward", lambda ids, attention_mask=None, **rest: forward(ids, **rest))
    with pytest.raises(GuardFailed, match="sees padding"):
        check_head(model, ids)


def test_zero_shot_is_the_cosine_with_the_encoding_of_a_label_word_or_phrase(tmp_path):
    save("bert", tmp_path / "tiny", family="encoder")
    reader = TextStates(str(tmp_path / "tiny"), "review : {text}", WORDS, dtype="float32", cache=tmp_path)
    states, space = reader.transform(TEXTS), reader.label_space()
    words = TextStates(str(tmp_path / "tiny"), dtype="float32", cache=tmp_path).transform(list(WORDS.values()))
    cosines = states @ words.T  # the template is not read: texts and words are encoded alike
    np.testing.assert_allclose(np.linalg.norm(states, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(space.label_logits(states), COSINE_SCALE * cosines, atol=1e-4)
    assert ZeroShot(space).fit(states).predict(states).tolist() == cosines.argmax(1).tolist()


def test_pooling_that_is_not_read_is_refused(tmp_path):
    save("bert", tmp_path / "tiny", family="encoder", pooling="max")
    with pytest.raises(SourceError, match="pools by max: mean and cls are read"):
        read_pooling(tmp_path / "tiny")
    config = tmp_path / "tiny" / "1_Pooling" / "config.json"
    config.write_text(json.dumps({"pooling_mode": "cls"}))
    assert read_pooling(tmp_path / "tiny") == "cls"
    config.write_text("{")
    with pytest.raises(SourceError, match=r"1_Pooling.config\.json cannot be read"):
        read_pooling(tmp_path / "tiny")
    (tmp_path / "tiny" / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(SourceError, match="has the module 'Dense'"):
        read_pooling(tmp_path / "tiny")
