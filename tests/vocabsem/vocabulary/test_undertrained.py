"""Under-trained tokens: planted in a head, found by norm and leverage."""

import numpy as np
import pytest
import torch

from vocabsem.errors import DataError
from vocabsem.vocabulary.anchors import semantic_anchors
from vocabsem.vocabulary.undertrained import undertrained

V, D, PLANTED = 400, 16, 20


def head():
    """Rows around a common mean, of which the last ones have never left it, whatever their length."""
    rng = np.random.default_rng(0)
    mean = 3 * np.ones(D)
    rows = mean + rng.normal(size=(V, D))
    rows[-PLANTED:] = (mean + 0.05 * rng.normal(size=(PLANTED, D))) * rng.uniform(0.5, 20, (PLANTED, 1))
    return torch.from_numpy(rows)


def test_rows_that_never_left_the_mean_are_found_whatever_their_length():
    weight = head()
    leverage = semantic_anchors(weight).leverage
    hidden = undertrained(leverage.numpy(), weight.norm(dim=1).numpy(), share=PLANTED / V)
    assert np.flatnonzero(hidden).tolist() == list(range(V - PLANTED, V))
    by_leverage = np.argsort(leverage.numpy())[:PLANTED]
    by_norm = np.argsort(weight.norm(dim=1).numpy())[:PLANTED]
    assert set(by_leverage) != set(np.flatnonzero(hidden)) != set(by_norm), "neither alone finds them"


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.5, 2), (0.74, 2), (0.99, 3)])
def test_the_share_is_rounded_down(share, count):
    assert undertrained([0.1, 0.2, 0.3, 0.4], np.ones(4), share).sum() == count


def test_a_row_of_zeros_comes_first():
    assert undertrained([0.0, 0.1], [0.0, 1.0], share=0.5).tolist() == [True, False]


@pytest.mark.parametrize("share", [-0.1, 1, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(DataError, match=r"share .* expected a number from 0 to below 1"):
        undertrained([0.1], [1.0], share)
