"""The direction of token frequency: against least squares by NumPy, and what is left without it."""

import numpy as np
import torch

from vocabsem.vocabulary.anchors import semantic_anchors
from vocabsem.vocabulary.frequency import frequency_direction, project_out

V, D = 300, 12


def head():
    """Rows of which one direction holds the logarithm of the token's number, and more."""
    rng = np.random.default_rng(0)
    planted = np.linalg.qr(rng.normal(size=(D, D)))[0][0]
    return rng.normal(size=(V, D)) + np.outer(-np.log(np.arange(1, V + 1)), planted)


def test_it_is_the_state_whose_logits_are_nearest_to_the_log_number():
    weight = head()
    values = -np.log(np.arange(1, V + 1))
    solution = np.linalg.lstsq(weight, values - values.mean(), rcond=None)[0]
    direction = frequency_direction(semantic_anchors(torch.from_numpy(weight)).vectors)
    np.testing.assert_allclose(direction.numpy(), solution / np.linalg.norm(solution), atol=1e-9)


def test_nothing_is_left_along_the_direction_and_the_rest_is_as_it_was():
    anchors = semantic_anchors(torch.from_numpy(head())).vectors.float()
    direction = frequency_direction(anchors)
    rest = project_out(anchors, direction)
    assert rest.dtype == torch.float32
    assert (rest.double() @ direction).abs().max() < 1e-6 * anchors.norm(dim=1).max(), "rounding of float32"
    others = torch.linalg.svd(direction[None])[2][1:]  # orthogonal to it
    torch.testing.assert_close(rest.double() @ others.T, anchors.double() @ others.T, rtol=1e-4, atol=1e-6)
