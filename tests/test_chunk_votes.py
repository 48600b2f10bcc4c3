"""Votes of chunks: means by hand; votes of log-probabilities are the mean of states where logits are linear."""

import numpy as np
import pytest

from scripts.chunk_votes import ASIDE, METHODS, SETTINGS, answers, per_text, plan_of, scores
from tests.conftest import ROOT
from tests.vocabsem.method_data import D, make_space
from vocabsem.methods.registry import build_method
from warehouse.home import Home

SIZES = np.array([1, 3, 2] * 60)
SHARED = "mean of states", "mean of log-probabilities"


@pytest.fixture(scope="module")
def texts():
    """A label space, states of chunks, chunks of each text, labels: classes apart by less than chunks of a text are."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, len(SIZES))
    centers = generator.standard_normal((3, D))
    states = centers[np.repeat(labels, SIZES)] + 2 * generator.standard_normal((SIZES.sum(), D))
    return make_space(), states.astype(np.float32), SIZES, labels


def test_means_are_those_of_each_text(texts):
    _, states, sizes, _ = texts
    ends = np.cumsum(sizes)
    by_hand = [states[end - size : end].astype(np.float64).mean(axis=0) for end, size in zip(ends, sizes, strict=True)]
    np.testing.assert_allclose(per_text(states, sizes), by_hand, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_votes_of_log_probabilities_are_the_mean_of_states(texts, name):
    space, states, sizes, labels = texts
    mean = per_text(states, sizes)
    method = build_method(name, {}, space, 0).fit(mean, *([] if name == "zero_shot" else [labels]))
    result = answers(method, mean, states, sizes)
    same = [(result[how] == result[SHARED[0]]).mean() for how in result]
    # but for ties within the rounding of float32
    assert same[list(result).index(SHARED[1])] > 0.99
    assert same[list(result).index("mean of probabilities")] < 1, "which is another vote"


def test_what_is_put_aside_is_not_learned(texts):
    space, states, sizes, labels = texts
    order = np.random.default_rng(5).permutation(len(labels))
    wrong = labels.copy()
    wrong[order[:ASIDE]] = (labels[order[:ASIDE]] + 1) % 3
    right, turned = (scores("ridge", space, states, sizes, each, 4, 0) for each in (labels, wrong))
    assert len(right) == 6
    assert all(0.5 < score <= 1 for score in right.values())
    assert all(turned[how] < 0.5 for how in right), "learned labels are the same, those scored are not"


def test_the_page_names_the_settings(tmp_path):
    page = (ROOT / "docs" / "method.md").read_text()
    command = next(line for line in page.splitlines() if line.startswith("vocabsem extract encoders"))
    limits = ", ".join(f"{split}: {rows}" for split, rows in SETTINGS["limits"].items())
    for setting in ("max_tokens=128", "max_chunks=6", f"limits={{{limits}}}", "datasets=[bbc_news]"):
        assert setting in command
    (pair,) = plan_of("minilm-l6", Home(tmp_path)).pairs
    spec = pair.states["train"].spec
    assert (pair.dataset.name, spec.max_chunks, spec.max_tokens) == ("bbc_news", 6, 128)
