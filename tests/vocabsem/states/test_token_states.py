"""States of all tokens against transformers run one prompt at a time, and against the states of last tokens."""

import numpy as np
import pytest
import torch

from tests.vocabsem.architectures import save
from vocabsem.errors import ComputationFailed
from vocabsem.models.language_model import load_model
from vocabsem.states.extraction import extract
from vocabsem.states.token_states import extract_tokens

RANDOM = np.random.default_rng(0)
PROMPTS = [[5, 4, *RANDOM.integers(2, 350, size=n).tolist()] for n in (3, 17, 1, 9, 30, 2)]
BFLOAT16 = 2.0**-8  # half a unit of the last of its 8 bits


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return load_model(save(request.param, folder), folder / "cache", dtype="float32")


def test_states_equal_transformers_one_prompt_at_a_time_rounded_to_bfloat16(model):
    layers = range(model.layers + 1)
    result = extract_tokens(model, PROMPTS, layers, budget=40)
    with torch.inference_mode():
        alone = [model.network(torch.tensor([ids]), output_hidden_states=True).hidden_states for ids in PROMPTS]
    for layer in layers:
        expected = np.concatenate([hidden[layer][0].numpy() for hidden in alone])
        assert result[layer].shape == expected.shape
        assert result[layer].dtype == np.float32
        np.testing.assert_allclose(result[layer], expected, rtol=1.01 * BFLOAT16, atol=1e-4 * np.abs(expected).max())
        assert np.array_equal(torch.from_numpy(result[layer]).bfloat16().float().numpy(), result[layer])


def test_the_last_tokens_are_those_of_an_extraction_of_last_tokens(model):
    every = extract_tokens(model, PROMPTS, [1, model.layers])
    last = np.cumsum([len(ids) for ids in PROMPTS]) - 1
    for layer, states in extract(model, PROMPTS, [1, model.layers]).items():
        np.testing.assert_allclose(every[layer][last], states, rtol=1.01 * BFLOAT16, atol=1e-4 * np.abs(states).max())


def test_batches_report_their_prompts_and_tokens(model):
    reported = []
    extract_tokens(model, PROMPTS, [0], budget=16, progress=lambda *counts: reported.append(counts))
    assert len(reported) > 1
    assert [sum(of) for of in zip(*reported, strict=True)] == [len(PROMPTS), sum(map(len, PROMPTS))]


def test_a_state_that_is_not_finite_is_named_with_its_prompt(tmp_path):
    model = load_model(save("llama", tmp_path), tmp_path / "cache", dtype="float32")
    with torch.no_grad():
        model.network.get_input_embeddings().weight[351] = torch.inf
    with pytest.raises(ComputationFailed, match="layer 0: a state of prompt 1 is not finite in float32"):
        extract_tokens(model, [[5, 4], [3, 351, 2], [7]], [0])
