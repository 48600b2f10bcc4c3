"""The same numbers on a GPU: `make test` leaves these out, `pytest -m gpu` runs them where there is one."""

import numpy as np
import pytest
import torch

from tests.vocabsem.architectures import ARCHITECTURES, save
from tests.vocabsem.states.test_extraction import LONG_PREFIX
from vocabsem.models.language_model import load_model
from vocabsem.states.extraction import check_head, extract
from vocabsem.vocabulary.anchors import semantic_anchors

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_states_are_those_of_the_processor(name, tmp_path):
    card = save(name, tmp_path)
    there = load_model(card, tmp_path / "cache", dtype="float32", device="cuda")
    here = load_model(card, tmp_path / "cache", dtype="float32", device="cpu")
    layers = list(range(here.layers + 1))
    on_gpu, on_processor = (extract(model, LONG_PREFIX, layers) for model in (there, here))
    for layer in layers:
        scale = np.abs(on_processor[layer]).max()
        np.testing.assert_allclose(on_gpu[layer], on_processor[layer], rtol=2e-3, atol=2e-3 * scale)
    assert check_head(there, LONG_PREFIX) < 5e-4


@pytest.mark.parametrize("gauge", ["raw", "centered"])
def test_anchors_are_those_of_the_processor(gauge):
    head = torch.randn(3000, 64, generator=torch.Generator().manual_seed(0))
    result = semantic_anchors(head, gauge=gauge, device="cuda")
    expected = semantic_anchors(head, gauge=gauge, device="cpu")
    assert result.vectors.device.type == "cpu"
    torch.testing.assert_close(result.vectors, expected.vectors, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(result.leverage, expected.leverage, rtol=1e-9, atol=1e-12)
