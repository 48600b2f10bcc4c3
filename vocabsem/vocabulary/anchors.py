"""Semantic anchors: the position of each vocabulary token in the space of the states.

The paper (§3.1) reads the one-hot row e_i as logits and maps it back through the head's pseudo-inverse: s_i = e_i W⁺.
For a head W (V, d) of full column rank W⁺ = (WᵀW)⁻¹Wᵀ, so all anchors are the rows of W (WᵀW)⁻¹: a d×d Gram matrix and
its Cholesky factor replace a singular value decomposition of V×d. The Gram matrix squares the condition number, hence
float64 throughout, and a second pass on the whitened head when the first could cost digits.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from vocabsem.errors import DataError
from vocabsem.runtime.parallel import matmul, parallel_map, thread_limits

__all__ = ["Anchors", "Gauge", "RankDeficientHead", "semantic_anchors"]

Gauge = Literal["raw", "centered"]
_Result = TypeVar("_Result")

BLOCK = 512  # head rows in float64 at a time, on a core of its own: few enough to stay in its cache
MAX_CORES = 64  # each holds a block, and as many summands of the Gram matrix wait at most
REFINE_ABOVE = 1e3  # condition κ: one pass leaves an error of about κ²·1e-16, so 1e-10 here


class RankDeficientHead(UserWarning):
    """The head has fewer independent directions than the hidden size; the pseudo-inverse ignores the missing ones."""


@dataclass(frozen=True, eq=False)
class Anchors:
    """Anchors of V vocabulary rows, and how well they were solved.

    Attributes
    ----------
    vectors : Tensor of shape (V, d), float64
        Anchor of each row; with a head bias b, W⁺(e_i − b).
    leverage : Tensor of shape (V,), float64
        w_i (WᵀW)⁺ w_iᵀ in [0, 1], the share of e_i that the head can express; sums to the rank.
    condition : float
        Largest over smallest singular value of W, over the kept directions.
    residual : float
        ‖WᵀW W⁺ − Wᵀ‖ / ‖Wᵀ‖ (Frobenius): how far the normal equations are from being solved.
    rank : int
        Number of independent directions kept.
    gauge : {"raw", "centered"}
        raw: W as it is; centered: its mean row removed first (equal probabilities, other anchors).
    solver : {"cholesky", "eigh", "encoder"}
        eigh for a rank-deficient head; encoder where label words were encoded, and nothing was solved.
    """

    vectors: Tensor
    leverage: Tensor
    condition: float
    residual: float
    rank: int
    gauge: Gauge
    solver: Literal["cholesky", "eigh", "encoder"]


def semantic_anchors(
    weight: Tensor,
    *,
    bias: Tensor | None = None,
    gauge: Gauge = "raw",
    rows: int | None = None,
    device: torch.device | str | None = None,
) -> Anchors:
    """Solve the semantic anchors of a head, s_i = e_i W⁺ (paper §3.1).

    A direction whose singular value is below √(V·2.2e-16) of the largest cannot be distinguished from rounding in the
    Gram matrix and counts as missing. Blocks of rows keep the extra memory small beside the (V, d) result.

    Parameters
    ----------
    weight : Tensor of shape (V', d)
        The head W, of any float dtype.
    bias : Tensor of shape (V',), optional
        The head's bias b.
    gauge : {"raw", "centered"}
        Whether the mean row is removed first.
    rows : int, optional
        Number V of leading rows that belong to the tokenizer; the padding rows beyond them are excluded.
    device : torch.device or str, optional
        Where to compute; by default the weight's device, where the result lies in any case.

    Returns
    -------
    Anchors

    Raises
    ------
    DataError
        For a weight that is not a finite matrix, or rows outside it.

    Warns
    -----
    RankDeficientHead
        Where the head has fewer independent directions than d.

    Examples
    --------
    >>> semantic_anchors(2 * torch.eye(3)).vectors[0].tolist()
    [0.5, 0.0, 0.0]
    """
    if weight.ndim != 2 or 0 in weight.shape:
        raise DataError(f"the head's weight has shape {tuple(weight.shape)}: expected (vocabulary, hidden size)")
    if gauge not in ("raw", "centered"):
        raise DataError(f"unknown gauge {gauge!r}: choose 'raw' or 'centered'")
    if bias is not None and bias.shape != (len(weight),):
        raise DataError(f"the head's bias has shape {tuple(bias.shape)}: expected ({len(weight)},)")
    if rows is not None and not 1 <= rows <= len(weight):
        raise DataError(f"rows {rows} of a head with {len(weight)} rows: expected 1 to {len(weight)}")
    head = _Head(weight[:rows], gauge, torch.device(device) if device is not None else weight.device)
    with thread_limits(1, "blas"):  # a core works on a block of its own: more threads would only spin
        return _solve(head, None if bias is None else bias[:rows])


def _solve(head: "_Head", bias: Tensor | None) -> Anchors:
    gram = head.gram()
    if not bool(torch.isfinite(gram).all()):
        raise DataError("the head's weight holds NaN or infinite values: check the checkpoint it was loaded from")
    eigenvalues = _eigenvalues(gram)  # ascending
    cut = float(eigenvalues[-1]) * len(head) * torch.finfo(torch.float64).eps
    kept = eigenvalues[eigenvalues > cut]
    rank = len(kept)
    if rank == 0:
        raise DataError("the head's weight is zero in every row: it has no anchors")
    condition = math.sqrt(float(eigenvalues[-1] / kept[0]))

    if rank == head.d:
        root = torch.linalg.cholesky(gram)
        whiten = _inverse_of_upper(root.mT)  # T with TᵀGT = 1, so (WT) has orthonormal columns
        if condition > REFINE_ABOVE:
            whiten = whiten @ _inverse_of_upper(torch.linalg.cholesky(head.gram(whiten)).mT)
    else:
        warnings.warn(
            f"the head's {len(head)} rows span {rank} of {head.d} dimensions: its pseudo-inverse is used, and states "
            "are compared within those dimensions only",
            RankDeficientHead,
            stacklevel=3,
        )
        values, directions = torch.linalg.eigh(gram)
        root = directions[:, -rank:] * values[-rank:].sqrt()
        whiten = directions[:, -rank:] / values[-rank:].sqrt()

    # ‖(G G⁺ − 1) Wᵀ‖ = ‖(G G⁺ − 1) root‖, as root rootᵀ = G; in this order rounding grows with κ, not κ²
    miss = matmul(gram, matmul(whiten, matmul(whiten.mT, root))) - root
    vectors, leverage = head.times(matmul(whiten, whiten.mT))
    if bias is not None:
        b = bias.detach().to(vectors.device, torch.float64)
        vectors -= (b if head.gauge == "raw" else b - b.mean()) @ vectors
    return Anchors(
        vectors=vectors,
        leverage=leverage,
        condition=condition,
        residual=float(miss.norm() / root.norm()),
        rank=rank,
        gauge=head.gauge,
        solver="cholesky" if rank == head.d else "eigh",
    )


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


class _Head:
    """The rows of a head in their gauge, in float64 blocks (b, d)."""

    def __init__(self, weight: Tensor, gauge: Gauge, device: torch.device) -> None:
        self.weight, self.gauge, self.device, self.d = weight, gauge, device, weight.shape[1]
        self.mean = torch.zeros(self.d, dtype=torch.float64, device=device)
        if gauge == "centered":
            self.mean = torch.stack(list(self.each(lambda _, block: block.sum(0)))).sum(0) / len(self)

    def __len__(self) -> int:
        return len(self.weight)

    def each(self, work: Callable[[slice, Tensor], _Result], rows: int = BLOCK) -> Iterator[_Result]:
        """Yield work(which rows, those rows) of every block, in order; on a CPU a core works on a block."""

        def of_block(start: int) -> _Result:
            part = slice(start, min(start + rows, len(self)))
            block = self.weight[part].detach().to(self.device, torch.float64)
            return work(part, block if self.gauge == "raw" else block - self.mean)

        with parallel_map(self.device, MAX_CORES) as each:
            yield from each(of_block, range(0, len(self), rows))

    def gram(self, whiten: Tensor | None = None) -> Tensor:
        """Return (WT)ᵀ(WT), with T = 1 where none is given."""

        def summand(_: slice, block: Tensor) -> Tensor:
            side = block if whiten is None else matmul(block, whiten)
            return matmul(side.mT, side)

        gram = torch.zeros(self.d, self.d, dtype=torch.float64, device=self.device)
        for product in self.each(summand, rows=max(8 * BLOCK, self.d)):  # a summand's size is d² whatever its rows
            gram += product
        return gram

    def times(self, inverse: Tensor) -> tuple[Tensor, Tensor]:
        """Return W G⁺ (V, d) and the leverage of each row (V,)."""
        if self.device.type == "cpu":
            vectors = torch.from_numpy(np.empty((len(self), self.d)))  # NumPy asks for huge pages, torch does not
        else:
            vectors = torch.empty(len(self), self.d, dtype=torch.float64, device=self.device)
        leverage = torch.empty(len(self), dtype=torch.float64, device=self.device)

        def fill(part: slice, block: Tensor) -> None:
            matmul(block, inverse, out=vectors[part])
            leverage[part] = _rows_of(vectors[part], block)

        for _ in self.each(fill):
            pass
        return vectors.to(self.weight.device), leverage.to(self.weight.device)
