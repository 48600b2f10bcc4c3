"""The Gram matrix G = WᵀW of a head W (V, d), summed over blocks of its rows, and its pseudo-inverse.

The rows need not be in one place: the sums of blocks add up, in the order of the blocks, and what is solved from their
sum is d × d. All is float64.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from vocabsem.errors import DataError
from vocabsem.runtime.parallel import matmul, parallel_map

__all__ = ["Factor", "HeadRows", "RankDeficientHead", "Solver", "factorize"]

Solver = Literal["cholesky", "eigh"]
_Result = TypeVar("_Result")

BLOCK = 512  # head rows in float64 at a time, on a core of its own: few enough to stay in its cache
MAX_CORES = 64  # each holds a block, and as many summands of the Gram matrix wait at most
REFINE_ABOVE = 1e3  # condition κ: one pass leaves an error of about κ²·1e-16, so 1e-10 here


class RankDeficientHead(UserWarning):
    """The head has fewer independent directions than the hidden size; the pseudo-inverse ignores the missing ones."""


class _Rows(Protocol):
    """Rows of a head, in memory or elsewhere."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, and their width d."""

    @property
    def device(self) -> torch.device:
        """Where a slice of them lies."""

    def __getitem__(self, rows: slice) -> Tensor:
        """Return some of them, (b, d)."""


class HeadRows:
    """Rows of a head in their gauge, in float64 blocks (b, d).

    Parameters
    ----------
    weight : Tensor of shape (V, d)
        The rows, of any float dtype; or what gives a slice of them as a tensor, and has `shape` and `device`.
    device : torch.device or str, optional
        Where to compute; by default where they lie.
    mean : Tensor of shape (d,), optional
        What is subtracted from each row, in the centered gauge.
    """

    def __init__(
        self, weight: Tensor | _Rows, device: torch.device | str | None = None, *, mean: Tensor | None = None
    ) -> None:
        self.weight: _Rows = weight
        self.device = torch.device(device) if device is not None else weight.device
        self.rows, self.d = weight.shape
        self.mean = None if mean is None else mean.to(self.device)

    def __len__(self) -> int:
        return self.rows

    def total(self) -> Tensor:
        """Return the sum of the rows, (d,).

        Returns
        -------
        Tensor of shape (d,), float64
        """
        return torch.stack(list(self._each(lambda _, block: block.sum(0)))).sum(0)

    def gram(self, whiten: Tensor | None = None) -> Tensor:
        """Return (WT)ᵀ(WT), with T = 1 where none is given.

        Parameters
        ----------
        whiten : Tensor of shape (d, d), optional
            T.

        Returns
        -------
        Tensor of shape (d, d), float64
        """

        def summand(_: slice, block: Tensor) -> Tensor:
            side = block if whiten is None else matmul(block, whiten)
            return matmul(side.mT, side)

        gram = torch.zeros(self.d, self.d, dtype=torch.float64, device=self.device)
        for product in self._each(summand, rows=max(8 * BLOCK, self.d)):  # a summand's size is d² whatever its rows
            gram += product
        return gram

    def weighted(self, weights: Tensor) -> Tensor:
        """Return the sum of the rows, each times its weight.

        Parameters
        ----------
        weights : Tensor of shape (V,), float64
            One a row.

        Returns
        -------
        Tensor of shape (d,), float64
        """
        there = weights.to(self.device)
        return torch.stack(list(self._each(lambda part, block: there[part] @ block))).sum(0)

    def times(self, inverse: Tensor) -> tuple[Tensor, Tensor]:
        """Return W G⁺ and w_i G⁺ w_iᵀ of each row, where the rows lie.

        Parameters
        ----------
        inverse : Tensor of shape (d, d), float64
            G⁺.

        Returns
        -------
        vectors : Tensor of shape (V, d), float64
        leverage : Tensor of shape (V,), float64
        """
        if self.device.type == "cpu":
            vectors = torch.from_numpy(np.empty((len(self), self.d)))  # NumPy asks for huge pages, torch does not
        else:
            vectors = torch.empty(len(self), self.d, dtype=torch.float64, device=self.device)
        leverage = torch.empty(len(self), dtype=torch.float64, device=self.device)

        def fill(part: slice, block: Tensor) -> None:
            matmul(block, inverse, out=vectors[part])
            leverage[part] = _rows_of(vectors[part], block)

        for _ in self._each(fill):
            pass
        return vectors.to(self.weight.device), leverage.to(self.weight.device)

    def _each(self, work: Callable[[slice, Tensor], _Result], rows: int = BLOCK) -> Iterator[_Result]:
        """Yield work(which rows, those rows) of every block, in order; on a CPU a core works on a block."""

        def of_block(start: int) -> _Result:
            part = slice(start, min(start + rows, len(self)))
            block = self.weight[part].detach().to(self.device, torch.float64)
            return work(part, block if self.mean is None else block - self.mean)

        with parallel_map(self.device, MAX_CORES) as each:
            yield from each(of_block, range(0, len(self), rows))


@dataclass(frozen=True, eq=False)
class Factor:
    """A Gram matrix G of rank r, factorized.

    Attributes
    ----------
    gram : Tensor of shape (d, d)
        G.
    root : Tensor of shape (d, r)
        R with R Rᵀ = G.
    whiten : Tensor of shape (d, r)
        T with TᵀGT = 1, so that W T has orthonormal columns.
    condition : float
        Largest over smallest singular value of W, over the kept directions.
    solver : {"cholesky", "eigh"}
        eigh for a G of lower rank than d.
    """

    gram: Tensor
    root: Tensor
    whiten: Tensor
    condition: float
    solver: Solver

    @property
    def rank(self) -> int:
        """Number r of independent directions kept."""
        return self.root.shape[1]

    @property
    def is_refined_by_a_second_pass(self) -> bool:
        """Whether `refined` adds digits, for which the rows are read again."""
        return self.solver == "cholesky" and self.condition > REFINE_ABOVE

    def refined(self, whitened: Tensor) -> "Factor":
        """Return the factor with the rounding of `whiten` removed.

        Parameters
        ----------
        whitened : Tensor of shape (d, d)
            (WT)ᵀ(WT), which would be the identity without rounding.

        Returns
        -------
        Factor
        """
        return replace(self, whiten=self.whiten @ _inverse_of_upper(torch.linalg.cholesky(whitened).mT))

    @cached_property
    def inverse(self) -> Tensor:
        """G⁺ = T Tᵀ."""
        return matmul(self.whiten, self.whiten.mT)

    @property
    def residual(self) -> float:
        """‖WᵀW W⁺ − Wᵀ‖ / ‖Wᵀ‖ (Frobenius), as ‖(G G⁺ − 1) R‖ / ‖R‖: in this order rounding grows with κ, not κ²."""
        miss = matmul(self.gram, matmul(self.whiten, matmul(self.whiten.mT, self.root))) - self.root
        return float(miss.norm() / self.root.norm())


def factorize(gram: Tensor, rows: int) -> Factor:
    """Factorize the Gram matrix of a head.

    A direction whose singular value is below √(V·2.2e-16) of the largest cannot be distinguished from rounding in the
    Gram matrix and counts as missing.

    Parameters
    ----------
    gram : Tensor of shape (d, d), float64
        The matrix.
    rows : int
        Number V of rows that it is summed over.

    Returns
    -------
    Factor

    Raises
    ------
    DataError
        For a matrix of zeros, or one that is not finite.

    Warns
    -----
    RankDeficientHead
        Where the head has fewer independent directions than d.

    Examples
    --------
    >>> factorize(4 * torch.eye(3, dtype=torch.float64), rows=3).inverse[0].tolist()
    [0.25, 0.0, 0.0]
    """
    if not bool(torch.isfinite(gram).all()):
        raise DataError("the head's weight holds NaN or infinite values: check the checkpoint it was loaded from")
    eigenvalues = _eigenvalues(gram)  # ascending
    kept = eigenvalues[eigenvalues > float(eigenvalues[-1]) * rows * torch.finfo(torch.float64).eps]
    rank = len(kept)
    if rank == 0:
        raise DataError("the head's weight is zero in every row: it has no anchors")
    condition = math.sqrt(float(eigenvalues[-1] / kept[0]))
    if rank == len(gram):
        root = torch.linalg.cholesky(gram)
        return Factor(gram, root, _inverse_of_upper(root.mT), condition, "cholesky")
    warnings.warn(
        f"the head's {rows} rows span {rank} of {len(gram)} dimensions: its pseudo-inverse is used, and states are"
        " compared within those dimensions only",
        RankDeficientHead,
        stacklevel=4,
    )
    values, directions = torch.linalg.eigh(gram)
    scale = values[-rank:].sqrt()
    return Factor(gram, directions[:, -rank:] * scale, directions[:, -rank:] / scale, condition, "eigh")


def _eigenvalues(gram: Tensor) -> Tensor:
    """Return the eigenvalues; on a CPU by NumPy in one thread: with more, 0.02 s became 8 s on a busy machine."""
    values = torch.linalg.eigvalsh(gram) if gram.device.type != "cpu" else np.linalg.eigvalsh(gram.numpy())
    return torch.as_tensor(values)


def _rows_of(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of each row of a (N, d) with that of b (N, d): (N,)."""
    if a.device.type != "cpu":
        products: Tensor = torch.linalg.vecdot(a, b)
        return products
    return torch.from_numpy(np.vecdot(a.numpy(), b.numpy()))


def _inverse_of_upper(matrix: Tensor) -> Tensor:
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    inverse: Tensor = torch.linalg.solve_triangular(matrix, identity, upper=True)
    return inverse
