"""Semantic anchors: the position of each vocabulary token in the space of the states.

The paper (§3.1) reads the one-hot row e_i as logits and maps it back through the head's pseudo-inverse: s_i = e_i W⁺.
For a head W (V, d) of full column rank W⁺ = (WᵀW)⁻¹Wᵀ, so all anchors are the rows of W (WᵀW)⁻¹: a d×d Gram matrix and
its Cholesky factor replace a singular value decomposition of V×d. The Gram matrix squares the condition number, hence
float64 throughout, and a second pass on the whitened head when the first could cost digits.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vocabsem.errors import DataError
from vocabsem.runtime.parallel import thread_limits
from vocabsem.vocabulary.gram import HeadRows, RankDeficientHead, Solver, factorize

__all__ = ["Anchors", "Gauge", "RankDeficientHead", "semantic_anchors"]

Gauge = Literal["raw", "centered"]


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
    solver: Solver | Literal["encoder"]


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
    with thread_limits(1, "blas"):  # a core works on a block of its own: more threads would only spin
        return _solve(weight[:rows], None if bias is None else bias[:rows], gauge, device)


def _solve(weight: Tensor, bias: Tensor | None, gauge: Gauge, device: torch.device | str | None) -> Anchors:
    head = HeadRows(weight, device)
    if gauge == "centered":
        head = HeadRows(weight, device, mean=head.total() / len(head))
    factor = factorize(head.gram(), len(head))
    if factor.is_refined_by_a_second_pass:
        factor = factor.refined(head.gram(factor.whiten))
    vectors, leverage = head.times(factor.inverse)
    if bias is not None:
        b = bias.detach().to(vectors.device, torch.float64)
        vectors -= (b if gauge == "raw" else b - b.mean()) @ vectors
    return Anchors(
        vectors=vectors,
        leverage=leverage,
        condition=factor.condition,
        residual=factor.residual,
        rank=factor.rank,
        gauge=gauge,
        solver=factor.solver,
    )
