"""Scores of words against transformers' own forward over prompt and word, in float64; and that prompts run once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from tests.vocabsem.architectures import ARCHITECTURES, save
from tests.vocabsem.states.test_extraction import LONG_PREFIX, PROMPTS
from vocabsem.errors import ComputationFailed, DataError
from vocabsem.models.language_model import load_model
from vocabsem.states.extraction import keeps_keys_and_values
from vocabsem.states.word_scores import _batches, score_options, score_words

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
    with pytest.raises(ComputationFailed, match="label word 0 after prompt 1 has a score not finite"):
        score_words(model, [PROMPTS[0], [7, 360, 9], PROMPTS[1]], WORDS)


@pytest.fixture(scope="module", params=["llama", "mistral", "gemma2"])  # keys and values kept, in a window, softcapped
def one(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return load_model(save(request.param, folder), folder / "cache", dtype="float32")


def test_a_word_is_as_likely_as_all_its_continuations_together(one):
    """P(a b | prompt) summed over every token b is P(a | prompt): cached keys and values forget no token."""
    words = [[12, 5], [7]]
    every = [[*word, token] for word in words for token in range(one.vocabulary_size)]
    summed = logsumexp(score_words(one, PROMPTS[:2], every).reshape(2, len(words), -1), axis=2)
    np.testing.assert_allclose(summed, score_words(one, PROMPTS[:2], words), atol=1e-4)  # float32


def test_the_rest_of_a_word_is_scored_after_the_prompt_with_its_beginning(one):
    whole, begun = score_words(one, PROMPTS, [[12, 5, 9, 20], [12, 5]]).T
    rest = score_words(one, [[*prompt, 12, 5] for prompt in PROMPTS], [[9, 20]])[:, 0]
    np.testing.assert_allclose(whole, begun + rest, atol=1e-4)  # float32
    assert (whole < begun).all(), "each token more is a probability more"


def test_words_do_not_depend_on_the_words_beside_them_nor_prompts_on_those_they_begin_with(one):
    together = score_words(one, PROMPTS, WORDS)
    for w, word in enumerate(WORDS):
        np.testing.assert_allclose(score_words(one, PROMPTS, [word])[:, 0], together[:, w], atol=1e-4)
    np.testing.assert_allclose(score_words(one, PROMPTS, WORDS[::-1]), together[:, ::-1], atol=1e-4)
    twice = score_words(one, [PROMPTS[0], PROMPTS[0], PROMPTS[0]], WORDS)  # all of them but the last token is shared
    np.testing.assert_allclose(twice, np.tile(together[:1], (3, 1)), atol=1e-4)
    longer = [PROMPTS[0], [*PROMPTS[0], 7]]
    expected = np.concatenate([score_words(one, [prompt], WORDS) for prompt in longer])
    np.testing.assert_allclose(score_words(one, longer, WORDS), expected, atol=1e-4)


def test_no_prompts_have_no_scores(one):
    assert score_words(one, [], WORDS).shape == (0, len(WORDS))


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 20)), max_size=40), st.integers(1, 200))
def test_batches_hold_every_prompt_once_of_one_length_within_the_budget(sizes, budget):
    lengths, following = [length for length, _ in sizes], [tokens for _, tokens in sizes]
    batches = list(_batches(lengths, budget, following))
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    for rows in batches:
        assert len({lengths[row] for row in rows}) == 1
        assert len(rows) == 1 or sum(lengths[row] + following[row] for row in rows) <= budget
    assert [lengths[rows[0]] for rows in batches] == sorted((lengths[rows[0]] for rows in batches), reverse=True)


OPTIONS = [[[7], [12, 5]], [[44, 12, 5, 9], [3], [3, 3]], [[8, 8]], [[5, 6, 7], [12], [9, 20], [9]]]


def test_options_of_each_prompt_equal_a_whole_forward_of_prompt_and_option(model):
    """Whatever stands beside a prompt in its batch, alone in one, or behind a shared beginning."""
    for prompts in ([[4, 5, 6], [9, 2, 7], [3, 11, 12], [8, 1]], LONG_PREFIX[:4]):
        with torch.inference_mode():
            expected = [plainly(model, [p], mine)[0] for p, mine in zip(prompts, OPTIONS, strict=True)]
            in_float64 = (model.network.double(), score_options(model, prompts, OPTIONS))[1]
            model.network.float()
            alone = score_options(model, prompts, OPTIONS, budget=1)
        assert [len(row) for row in alone] == [2, 3, 1, 4]
        within = 1e-12 if model.network.config.model_type in WHOLLY_DOUBLE else 1e-6
        np.testing.assert_allclose(np.concatenate(in_float64), np.concatenate(expected), rtol=within)
        np.testing.assert_allclose(np.concatenate(alone), np.concatenate(expected), rtol=1e-4, atol=1e-4)  # float32


def test_more_prompts_than_a_block_of_logits_keep_their_scores(one):
    prompts = [[token, 5, 6] for token in range(3, 203)]
    options = [[[token], [7, token]] if token % 3 else [[token]] for token in range(3, 203)]
    together = score_options(one, prompts, options, budget=10_000)
    for row in (0, 127, 128, 199):
        np.testing.assert_allclose(together[row], score_options(one, [prompts[row]], [options[row]])[0], atol=1e-4)


def test_an_option_whose_score_is_not_finite_is_named(tmp_path):
    model = load_model(save("llama", tmp_path), tmp_path / "cache", dtype="float32")
    with torch.no_grad():
        model.network.model.embed_tokens.weight[360] = torch.nan
    with pytest.raises(ComputationFailed, match="option 1 after prompt 1 has a score not finite"):
        score_options(model, [[4, 5], [4, 7]], [[[4], [5]], [[4], [360, 7]]])
