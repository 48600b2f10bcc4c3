"""The lens against the models' own logits and against direct computations, on many architectures."""

import numpy as np
import pytest
import torch

from tests.vocabsem.architectures import ARCHITECTURES, network, tokenizer
from vocabsem.errors import ComputationFailed
from vocabsem.models.language_model import LanguageModel
from vocabsem.states.extraction import extract
from vocabsem.vocabulary.lens import ROW, anchor_lens, apply_final_norm, logit_lens

IDS = [[5, 6, 7, 8, 9], [9, 8, 7]]


@pytest.fixture(params=ARCHITECTURES)
def model(request):
    return LanguageModel(request.param, "0" * 64, network(request.param), tokenizer(), "float32")


def last_layer(model, ids):
    """What the last layer itself puts out, (d,) of the last token, before any norm."""
    body, seen = model.network.base_model, []
    stack = next(m for m in body.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == model.layers)
    hook = stack[-1].register_forward_hook(lambda _, __, out: seen.append(out[0] if isinstance(out, tuple) else out))
    with torch.inference_mode():
        model.network(torch.tensor([ids]))
    hook.remove()
    return seen[0][0, -1]


def label_logits(model, ids):
    with torch.inference_mode():
        return model.network(torch.tensor([ids])).logits[0, -1].double()


def test_the_last_layers_reading_is_the_models_prediction(model):
    states = extract(model, IDS, range(model.layers + 1))
    ended = apply_final_norm(model, states)
    reading = logit_lens(model.head.logits(ended[model.layers]), [[5], [6, 7]], k=4)
    for row, ids in enumerate(IDS):
        own = label_logits(model, ids)
        expected = own.log_softmax(0)
        # one rounding of float32 in a state moves a logit by about 1e-6 of the largest
        torch.testing.assert_close(reading.scores[row], expected.topk(4).values, rtol=0, atol=2e-5)
        torch.testing.assert_close(reading.word_scores[row, 0], expected[5], rtol=0, atol=2e-5)
        torch.testing.assert_close(reading.word_scores[row, 1], expected[[6, 7]].mean(), rtol=0, atol=2e-5)


def test_an_inner_state_goes_through_the_norm_once_and_the_last_through_none(model):
    """The last layer's own output, taken for an inner state, must end as the state that meets the head."""
    whole = extract(model, IDS, [model.layers])[model.layers]
    raw = torch.stack([last_layer(model, ids) for ids in IDS])
    ended = apply_final_norm(model, {1: raw, model.layers: whole})
    torch.testing.assert_close(ended[1], torch.from_numpy(whole), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ended[model.layers], torch.from_numpy(whole), rtol=0, atol=0)


def test_the_model_is_left_as_it_was(model):
    before = label_logits(model, IDS[0])
    states = extract(model, IDS, range(model.layers + 1))
    many = {layer: np.repeat(h, ROW // 2 + 1, axis=0) for layer, h in states.items()}  # several rows of states
    one, more = apply_final_norm(model, states), apply_final_norm(model, many)
    for layer in range(model.layers + 1):
        torch.testing.assert_close(more[layer][:: ROW // 2 + 1], one[layer], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(label_logits(model, IDS[0]), before, rtol=0, atol=0)
    assert list(apply_final_norm(model, {model.layers: states[model.layers]})) == [model.layers]


def test_a_model_without_a_stack_of_layers_is_refused():
    result = network("llama")
    result.base_model.layers = torch.nn.ModuleList(list(result.base_model.layers)[:2])
    with pytest.raises(ComputationFailed, match="no list of 3 layers"):
        apply_final_norm(
            LanguageModel("odd", "0" * 64, result, tokenizer(), "float32"), {1: np.zeros((1, 32), np.float32)}
        )


def test_nearness_to_anchors_and_ranks_are_those_of_a_direct_computation():
    rng = np.random.default_rng(0)
    vectors, anchors = rng.standard_normal((3, 8)), rng.standard_normal((50, 8))
    words = [[4], [7, 9]]
    reading = anchor_lens(vectors, anchors, words, k=5)
    for row, vector in enumerate(vectors):
        cosines = anchors @ vector / np.linalg.norm(anchors, axis=1) / np.linalg.norm(vector)
        order = np.argsort(-cosines)
        assert reading.ids[row].tolist() == order[:5].tolist()
        np.testing.assert_allclose(reading.scores[row], cosines[order[:5]], rtol=1e-12)
        mean = anchors[[7, 9]].mean(0)
        of_words = [cosines[4], mean @ vector / np.linalg.norm(mean) / np.linalg.norm(vector)]
        np.testing.assert_allclose(reading.word_scores[row], of_words, rtol=1e-12)
        assert reading.word_ranks[row].tolist() == [1 + (cosines > one).sum() for one in of_words]
        assert reading.word_ranks[row, 0] == 1 + order.tolist().index(4)


def test_log_probabilities_sum_to_one_and_no_words_are_no_columns():
    reading = logit_lens(torch.tensor([[1.0, 3.0, 2.0]]), [], k=10)
    assert reading.ids.tolist() == [[1, 2, 0]]
    np.testing.assert_allclose(reading.scores.exp().sum(), 1)
    assert reading.word_scores.shape == reading.word_ranks.shape == (1, 0)
    assert anchor_lens(np.eye(3), np.eye(3), [], k=1).word_ranks.shape == (3, 0)


def test_hidden_tokens_are_not_returned_and_count_in_ranks():
    vectors, anchors = np.eye(4)[:1], np.array([[1.0, 0, 0, 0], [0.9, 0.1, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0]])
    every = anchor_lens(vectors, anchors, [[2]], k=2)
    some = anchor_lens(vectors, anchors, [[2]], k=2, hidden=np.array([True, False, False, False]))
    assert (every.ids.tolist(), some.ids.tolist()) == ([[0, 1]], [[1, 2]])
    assert every.word_ranks.tolist() == some.word_ranks.tolist() == [[3]]
    assert torch.equal(every.word_scores, some.word_scores)
