"""A model with random weights: of the same shapes, drawn anew for a seed, and nothing of the given one."""

import numpy as np
import pytest
import torch

from tests.vocabsem.architectures import save
from vocabsem.models.language_model import load_model
from vocabsem.models.untrained import untrained


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def pair(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = load_model(save(request.param, folder), folder, dtype="bfloat16", device="cpu")
    return model, untrained(model, seed=1)


def test_shapes_and_settings_are_those_of_the_model(pair):
    model, made = pair
    shapes = [{name: (p.shape, p.dtype) for name, p in of.network.named_parameters()} for of in pair]
    assert shapes[0] == shapes[1]
    assert made.network.config == model.network.config
    assert not made.network.training
    assert not any(parameter.requires_grad for parameter in made.network.parameters())
    assert (made.name, made.tokenizer, made.layers) == (model.name, model.tokenizer, model.layers)


def test_weights_are_drawn_as_for_training_and_are_the_seeds(pair):
    model, made = pair
    before = torch.random.get_rng_state()
    again, other = (untrained(model, seed) for seed in (1, 2))
    assert torch.equal(torch.random.get_rng_state(), before), "draws of others are left as they were"
    for name, weight in made.network.named_parameters():
        if weight.ndim == 2:
            theirs = [dict(of.network.named_parameters())[name] for of in (again, other, model)]
            assert [torch.equal(weight, one) for one in theirs] == [True, False, False]
            residual = np.sqrt(6) if name.endswith("c_proj.weight") else 1  # as GPT-2 starts: root of twice its layers
            expected = model.network.config.initializer_range / residual
            assert float(weight.float().std()) == pytest.approx(expected, rel=0.25)
