"""Scores of words against transformers' own forward over prompt and word, in float64; and that prompts run once."""

import numpy as np
import pytest
import torch

from tests.vocabsem.architectures import ARCHITECTURES, save
from tests.vocabsem.test_extraction import LONG_PREFIX, PROMPTS
from vocabsem.errors import ComputationFailed, DataError
from vocabsem.extraction import keeps_keys_and_values
from vocabsem.language_model import load_model
from vocabsem.word_scores import score_words

WHOLLY_DOUBLE = {"gpt2", "opt"}  # others have norms, rotations or softmaxes in float32 whatever the dtype
WORDS = [[7], [12, 5], [12, 5, 9, 20], [3, 3], [44, 12, 5]]  # one begins with another, one has a token twice


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return load_model(save(request.param, folder), folder / "cache", dtype="float32")


def plainly(model, prompts, words):
    """(N, W) from the logits of each prompt with each word behind it, no batch, no cache, in float64."""
    scores = np.zeros((len(prompts), len(words)))
    network = model.network.double()
    for n, prompt in enumerate(prompts):
        for w, word in enumerate(words):
            log_p = network(torch.tensor([[*prompt, *word]])).logits[0].double().log_softmax(-1)
            scores[n, w] = sum(float(log_p[len(prompt) - 1 + t, token]) for t, token in enumerate(word))
    network.float()
    return scores


@pytest.mark.parametrize("prompts", [PROMPTS, LONG_PREFIX, PROMPTS[:1]], ids=["plain", "shared prefix", "one"])
def test_scores_equal_a_whole_forward_of_prompt_and_word(model, prompts):
    with torch.inference_mode():
        expected = plainly(model, prompts, WORDS)
        in_float64 = (model.network.double(), score_words(model, prompts, WORDS, budget=60))[1]
        model.network.float()
        in_float32 = score_words(model, prompts, WORDS)
    assert in_float32.shape == (len(prompts), len(WORDS))
    assert (in_float32 < 0).all()
    np.testing.assert_allclose(in_float32, expected, rtol=1e-4, atol=1e-4)  # rounding of float32 through three layers
    within = 1e-12 if model.network.config.model_type in WHOLLY_DOUBLE else 1e-6
    np.testing.assert_allclose(in_float64, expected, rtol=within)


def test_the_prompt_runs_once_for_all_words_and_a_word_without_its_last_token(model):
    computed = []
    hook = model.network.get_input_embeddings().register_forward_hook(lambda *call: computed.append(call[1][0].shape))
    score_words(model, LONG_PREFIX, WORDS)
    hook.remove()
    prompts, suffixes = len(LONG_PREFIX), sum(map(len, PROMPTS))
    if keeps_keys_and_values(model.network):  # 4 words of several tokens, padded to 3 after each prompt
        assert sum(rows * tokens for rows, tokens in computed) == 7 + suffixes + prompts * 4 * 3
    else:
        whole = sum(map(len, LONG_PREFIX))
        assert sum(rows * tokens for rows, tokens in computed) == whole + 4 * (whole + prompts * 3)


def test_the_order_of_the_prompts_and_the_budget_do_not_matter(model):
    seen = []
    alone = score_words(model, PROMPTS, WORDS, budget=1, progress=lambda *done: seen.append(done))
    assert tuple(np.sum(seen, axis=0)) == (len(PROMPTS), sum(map(len, PROMPTS)))
    assert len(seen) == len(PROMPTS)
    np.testing.assert_allclose(score_words(model, PROMPTS[::-1], WORDS)[::-1], alone, rtol=1e-4)  # float32


def test_words_of_one_token_run_no_word_and_are_the_softmax_of_the_head(model):
    words = [[token] for token in range(model.vocabulary_size)]
    passes = []
    hook = model.network.base_model.register_forward_hook(lambda *_: passes.append(1))
    scores = score_words(model, PROMPTS[:1], words)
    hook.remove()
    assert len(passes) == 1
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, rtol=1e-5)


def test_a_word_without_tokens_and_scores_that_are_not_finite_are_refused(tmp_path):
    model = load_model(save("llama", tmp_path), tmp_path / "cache", dtype="float32")
    with pytest.raises(DataError, match="label word 1 has no tokens"):
        score_words(model, PROMPTS, [[4], []])
    with torch.no_grad():
        model.network.model.embed_tokens.weight[360] = torch.nan
    with pytest.raises(ComputationFailed, match="a label word after prompt 1 has a score that is not finite"):
        score_words(model, [PROMPTS[0], [7, 360, 9], PROMPTS[1]], WORDS)
