"""Random models that stand for real ones in the plan: as many weights as counted, timed by their own family."""

import pytest

from tasks.views import calibration
from tasks.views.calibration import Calibration, time_tokens
from tasks.views.random_models import layer_weights, random_model
from tests.tasks.worlds import model
from vocabsem.cards.loader import load_card
from vocabsem.cards.schema import ModelCard
from warehouse.home import Home

FAMILIES = ("causal", "masked", "encoder_decoder", "encoder")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("width", "inner"), [(128, 384), (312, 1200)])
def test_weights_are_those_of_the_layers(family, width, inner):
    network = random_model(family, width, inner, "float32", "cpu").network
    apart = ("embed", "shared", "lm_head", "pooler", "relative")  # vocabulary, and what takes no time for a token
    named = [(name, p) for name, p in network.named_parameters() if not any(part in name for part in apart)]
    counted = sum(p.numel() for _, p in named if p.ndim == 2)
    assert counted == layer_weights(family).weights(width, inner)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_inner_width_of_a_layer_is_found_from_its_weights(family):
    of = layer_weights(family)
    assert of.inner(of.weights(96, 250) / of.layers, 96) == pytest.approx(250)


@pytest.mark.parametrize("family", FAMILIES[1:])
def test_every_family_is_timed(family):
    assert 0 < time_tokens(64, 128, "float32", "cpu", family) < 1


def test_a_card_is_timed_as_its_family_with_its_own_shape(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(calibration, "time_tokens", lambda *given: calls.append(given) or 1e-6)
    timed = Calibration(Home(tmp_path))
    encoder = load_card("models", "minilm-l6")
    assert isinstance(encoder, ModelCard)
    cost = timed.token(encoder, "float32", "cpu")
    (width, inner, _, _, family), inside = calls[0], encoder.parameters - encoder.vocabulary_size * encoder.hidden_size
    assert (width, family) == (384, "encoder")
    assert inner == pytest.approx(1536, rel=0.15), "MiniLM's; positions, biases and the pooler are counted among layers"
    assert cost.seconds == pytest.approx(1e-6 * inside / (2 * (4 * 384**2 + 2 * 384 * inner)))
    timed.token(encoder.model_copy(update={"family": "causal"}), "float32", "cpu")
    timed.token(encoder, "float32", "cpu")
    assert [each[-1] for each in calls] == ["encoder", "causal"], "kept apart, each once"
    assert timed.token(model(), "float32", "cpu").measured is False
