"""The Gram matrix of rows in blocks, and its factor, against NumPy and against the whole."""

import numpy as np
import pytest
import torch

from vocabsem.errors import DataError
from vocabsem.vocabulary.gram import REFINE_ABOVE, HeadRows, RankDeficientHead, factorize


def head_of(condition, rows=300, d=20):
    """A head with singular values spread evenly, in logarithm, from 1 down to 1/condition."""
    generator = np.random.default_rng(3)
    left, _ = np.linalg.qr(generator.standard_normal((rows, d)))
    right, _ = np.linalg.qr(generator.standard_normal((d, d)))
    return torch.from_numpy(left * np.geomspace(1, 1 / condition, d) @ right.T)


def assert_near(result, expected, rtol=1e-12):
    np.testing.assert_allclose(result, expected, rtol=0, atol=rtol * np.abs(np.asarray(expected)).max())


class Elsewhere:
    """Rows that are made when they are read."""

    device = torch.device("cpu")

    def __init__(self, head):
        self.head, self.shape = head, tuple(head.shape)

    def __getitem__(self, rows):
        return self.head[rows].clone()


@pytest.mark.parametrize("cut", [1, 7, 299])
def test_sums_of_blocks_add_up_to_that_of_all_rows(cut):
    head, weights = head_of(30), torch.linspace(-1, 2, 300, dtype=torch.float64)
    blocks = [(HeadRows(Elsewhere(head[a:b])), weights[a:b]) for a, b in ((0, cut), (cut, 300))]
    rows = head.numpy()
    assert_near(sum(block.gram() for block, _ in blocks), rows.T @ rows)
    assert_near(sum(block.total() for block, _ in blocks), rows.sum(0))
    assert_near(sum(block.weighted(mine) for block, mine in blocks), weights.numpy() @ rows)


def test_the_mean_is_subtracted_from_each_row():
    head = head_of(30)
    mean = HeadRows(head).total() / len(head)
    shifted = head.numpy() - head.numpy().mean(0)
    rows = HeadRows(head, mean=mean)
    assert_near(rows.gram(), shifted.T @ shifted)
    assert_near(rows.times(torch.eye(20, dtype=torch.float64))[0], shifted)


@pytest.mark.parametrize("condition", [1, 100, 2 * REFINE_ABOVE, 1e5])
def test_a_second_pass_is_wanted_where_it_adds_digits(condition):
    head = head_of(condition)
    first = factorize(HeadRows(head).gram(), len(head))
    assert first.is_refined_by_a_second_pass == (condition > REFINE_ABOVE)
    factor = first.refined(HeadRows(head).gram(first.whiten))
    expected = np.linalg.pinv(head.numpy(), rcond=1e-13).T
    errors = [
        np.linalg.norm((head @ each.inverse).numpy() - expected) / np.linalg.norm(expected) for each in (first, factor)
    ]
    assert errors[1] < 1e-9
    if condition > 1e4:
        assert errors[1] < errors[0] / 100
    assert factor.condition == pytest.approx(condition, rel=1e-4)
    assert factor.residual < 1e-9


def test_the_inverse_of_a_matrix_of_lower_rank_is_the_pseudo_inverse():
    head = head_of(5)
    head[:, -1] = head[:, 0] - head[:, 1]
    gram = (head.mT @ head).numpy()
    with pytest.warns(RankDeficientHead, match="300 rows span 19 of 20"):
        factor = factorize(torch.from_numpy(gram), 300)
    assert (factor.solver, factor.rank, factor.is_refined_by_a_second_pass) == ("eigh", 19, False)
    assert_near(factor.inverse, np.linalg.pinv(gram, rcond=1e-13, hermitian=True), 1e-9)
    assert_near(factor.root @ factor.root.mT, gram)


@pytest.mark.parametrize(("value", "message"), [(0.0, "zero in every row"), (float("inf"), "NaN or infinite")])
def test_refuses(value, message):
    with pytest.raises(DataError, match=message):
        factorize(torch.full((3, 3), value, dtype=torch.float64), 5)
