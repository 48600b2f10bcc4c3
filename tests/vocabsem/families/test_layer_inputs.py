"""States of inner layers: those of the whole run, from a run that ends before the layers that nobody reads."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from tests.vocabsem.architectures import ARCHITECTURES, save
from vocabsem.families.layer_inputs import gives_states, layer_inputs
from vocabsem.models.language_model import load_model
from vocabsem.states.extraction import extract
from vocabsem.states.token_states import extract_tokens

RANDOM = np.random.default_rng(0)
PROMPTS = [RANDOM.integers(2, 350, size=n).tolist() for n in (3, 17, 1, 9)]
LONG_PREFIX = [[5, 4, 3, 7, *prompt] for prompt in PROMPTS]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return load_model(save(request.param, folder), folder / "cache", dtype="float32")


class Layer(nn.Module):
    """Adds one; counts its runs."""

    def __init__(self):
        super().__init__()
        self.runs = 0

    def forward(self, hidden_states, scale=1):
        self.runs += 1
        return hidden_states + 1 * scale


class Body(nn.Module):
    """Three layers; `reported` adds to the hidden states that it reports, as one that scales them would."""

    device = torch.device("cpu")

    def __init__(self, depth=3, reported=0.0):
        super().__init__()
        self.blocks, self.reported = nn.ModuleList(Layer() for _ in range(depth)), reported

    def forward(self, ids, output_hidden_states=False, **kwargs):
        states = [ids.float()[..., None]]
        for block in self.blocks:
            states.append(block(hidden_states=states[-1]))
        return SimpleNamespace(hidden_states=[each + self.reported for each in states])


@pytest.mark.parametrize("prompts", [PROMPTS, LONG_PREFIX], ids=["apart", "one prefix"])
@pytest.mark.parametrize("layers", [[0], [1], [2], [0, 2]])
def test_every_architecture_is_left_early_with_the_states_of_a_whole_run(model, prompts, layers):
    whole = extract(model, prompts, range(model.layers + 1), budget=40)
    means = extract(model, prompts, range(model.layers + 1), budget=40, pooling="mean")
    for pooling, expected in (("last", whole), ("mean", means)):
        own = extract(model, prompts, layers, budget=40, pooling=pooling)
        assert list(own) == layers
        for layer in layers:
            np.testing.assert_array_equal(own[layer], expected[layer])


def test_no_layer_after_the_last_wanted_one_runs(model):
    assert gives_states(model.network.base_model, model.layers)
    layers = next(m for m in model.network.base_model.modules() if isinstance(m, nn.ModuleList) and len(m) == 3)
    ran = [0] * 3
    hooks = [
        layer.register_forward_hook(lambda *_, n=n: ran.__setitem__(n, ran[n] + 1)) for n, layer in enumerate(layers)
    ]
    extract(model, PROMPTS, [1], budget=10_000)
    assert ran[0] > 0
    assert ran[1:] == [0, 0]
    extract(model, PROMPTS, ["last"], budget=10_000)
    for hook in hooks:
        hook.remove()
    assert ran[1] == ran[2] > 0


def test_states_of_all_tokens_are_those_of_a_whole_run(model):
    whole = extract_tokens(model, PROMPTS, [1, model.layers])
    np.testing.assert_array_equal(extract_tokens(model, PROMPTS, [1])[1], whole[1])


def test_what_layers_are_given_by_name_is_kept_until_the_last():
    body = Body()
    assert gives_states(body, 3)
    before = [block.runs for block in body.blocks]
    with layer_inputs([0, 2]) as given:
        body(torch.tensor([[4, 5]]))
    assert {number: states.flatten().tolist() for number, states in given.items()} == {0: [4, 5], 2: [6, 7]}
    assert [block.runs - runs for block, runs in zip(body.blocks, before, strict=True)] == [1, 1, 0]
    body(torch.tensor([[4, 5]]))
    assert set(given) == {0, 2}, "a run outside of the block is whole, and adds nothing"
    assert body.blocks[2].runs == before[2] + 1


@pytest.mark.parametrize(("body", "depth"), [(Body(reported=0.5), 3), (Body(depth=2), 3), (nn.Linear(2, 2), 1)])
def test_a_body_whose_layers_are_given_other_vectors_is_run_whole(body, depth):
    assert not gives_states(body, depth)


def test_an_error_of_a_layer_is_raised_and_the_next_run_is_whole():
    body = Body()
    assert gives_states(body, 3)
    with pytest.raises(ZeroDivisionError), layer_inputs([1]):
        _ = 1 / 0
    before = body.blocks[2].runs
    body(torch.tensor([[1]]))
    assert body.blocks[2].runs == before + 1


def test_threads_do_not_see_each_others_layers():
    body = Body()
    assert gives_states(body, 3)

    def run(number):
        with layer_inputs([number % 3]) as given:
            body(torch.tensor([[number]]))
        return {layer: states.item() for layer, states in given.items()}

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(60))) == [{n % 3: n + n % 3} for n in range(60)]


def test_hooks_are_there_once_however_many_threads_ask():
    body = Body()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: gives_states(body, 3), range(40)))
    assert [len(block._forward_pre_hooks) for block in body.blocks] == [1, 1, 1]
