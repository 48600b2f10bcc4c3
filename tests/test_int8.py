"""The int8 products of scripts/int8.py against float64: errors of rounding, and what columns kept take away."""

import numpy as np
import pytest
import torch

from scripts.int8 import Int8Linear, largest, quantize, states
from tests.vocabsem.architectures import save
from vocabsem.models.language_model import load_model
from vocabsem.states.extraction import extract

N, D, K = 24, 16, 8


def rounded(columns=()):
    """x (2, N/2, D) with a column a hundred times the others, W (K, D), and their product, int8 but for `columns`."""
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(2, N // 2, D, generator=generator), torch.randn(K, D, generator=generator)
    x[..., 3] *= 100
    product = Int8Linear(weight, torch.tensor(columns, dtype=torch.long))(x)
    return x.double().numpy(), weight.double().numpy(), product.double().numpy()


def test_with_all_columns_kept_it_is_the_product():
    x, weight, product = rounded(range(D))
    np.testing.assert_allclose(product, x @ weight.T, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("columns", [(), (3,)])
def test_its_error_is_that_of_rounding_rows_and_weights(columns):
    x, weight, product = rounded(columns)
    rest, kept = x.copy(), np.zeros_like(weight)
    rest[..., list(columns)] = 0
    kept[:, list(columns)] = weight[:, list(columns)]
    of_x = np.abs(rest).max(-1, keepdims=True) / 254  # half a step
    of_weight = np.abs(weight - kept).max(1) / 254
    bound = of_x * np.abs(weight).sum(1) + (np.abs(rest).sum(-1, keepdims=True) + D * of_x) * of_weight
    missed = np.abs(product - x @ weight.T)
    assert (missed <= 1.01 * bound + 1e-3).all()
    assert missed.max() > bound.min() / 100


def test_a_large_column_kept_makes_the_others_exact_to_their_own_scale():
    (x, weight, alone), (_, _, kept) = rounded(), rounded((3,))
    assert np.abs(kept - x @ weight.T).max() < np.abs(alone - x @ weight.T).max() / 10


@pytest.mark.medium
def test_all_linear_layers_but_the_head_are_replaced(tmp_path):
    model = load_model(save("llama", tmp_path), tmp_path, dtype="float32")
    prompts = [[5, 6, 7, 8], [9, 10, 11]]
    before, most = states(model, prompts), largest(model, prompts)
    assert all(torch.isfinite(each).all() and (each > 0).any() for each in most.values())
    quantized = quantize(model, most, 0.25)
    replaced = {name for name, each in quantized.network.named_modules() if isinstance(each, Int8Linear)}
    assert replaced == set(most)
    assert not any(
        isinstance(each, torch.nn.Linear) for name, each in quantized.network.named_modules() if "head" not in name
    )
    after = next(iter(extract(quantized, prompts, ["last"]).values()))
    cosine = (before * after).sum(1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    assert cosine.min() > 0.99
