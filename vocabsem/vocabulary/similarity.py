"""Similarity logits: how close a state lies to each anchor (paper §3.2, Algorithm 1)."""

from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vocabsem.errors import DataError

__all__ = ["Array", "SimilarityMetric", "as_tensor", "nearest_tokens", "similarity_logits"]

SimilarityMetric = Literal["cosine", "l2", "dot"]
Array = Tensor | NDArray[Any]

ROWS = 512  # states compared at a time: with 8,192 anchors 16 MB of similarities
GROUP = 32  # of them share a maximum


def as_tensor(array: Array) -> Tensor:
    """Return a tensor that shares the array's memory, or a copy where it is read-only, as Parquet's columns are.

    Parameters
    ----------
    array : tensor or ndarray
        Of any shape.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> as_tensor(np.zeros((2, 3))).shape
    torch.Size([2, 3])
    """
    return array if isinstance(array, Tensor) else torch.from_numpy(np.require(array, requirements="W"))


def similarity_logits(states: Array, anchors: Array, metric: SimilarityMetric = "cosine") -> Tensor:
    """Compute the similarity of states to anchors; differentiable in both (paper §3.2).

    Parameters
    ----------
    states : tensor or ndarray of shape (..., N, d)
        Hidden states h.
    anchors : tensor or ndarray of shape (..., C, d)
        Anchors s, with the same leading dimensions.
    metric : {"cosine", "l2", "dot"}
        cosine: cos(h, s), a zero vector having cosine 0 with everything; l2: −‖h − s‖; dot: h·s.

    Returns
    -------
    Tensor of shape (..., N, C)
        Logits, in the wider of the two dtypes.

    Raises
    ------
    DataError
        On another metric, or on shapes that do not match.

    Examples
    --------
    >>> similarity_logits(np.array([[3.0, 0.0]]), np.eye(2)).tolist()
    [[1.0, 0.0]]
    """
    h, s = as_tensor(states), as_tensor(anchors)
    if h.ndim < 2 or h.shape[:-2] != s.shape[:-2] or h.shape[-1] != s.shape[-1]:
        raise DataError(f"states {tuple(h.shape)} and anchors {tuple(s.shape)}: expected (…, N, d) and (…, C, d)")
    dtype = torch.promote_types(h.dtype, s.dtype)
    h, s = h.to(dtype), s.to(dtype)
    if metric == "cosine":
        return torch.nn.functional.normalize(h, dim=-1) @ torch.nn.functional.normalize(s, dim=-1).mT
    if metric == "l2":
        # ‖h‖² + ‖s‖² − 2h·s would lose the digits of nearby vectors in float32
        return -torch.cdist(h, s, compute_mode="donot_use_mm_for_euclid_dist")
    if metric == "dot":
        return h @ s.mT
    raise DataError(f"unknown metric {metric!r}: choose one of {', '.join(get_args(SimilarityMetric))}")


def nearest_tokens(
    states: Array, anchors: Array, k: int = 10, metric: SimilarityMetric = "cosine", block: int = 8192
) -> tuple[Tensor, Tensor]:
    """Return the k anchors most similar to each state.

    Blocks of anchors and of states are compared at a time, so that (N, V) never exists whole.

    Parameters
    ----------
    states : tensor or ndarray of shape (N, d)
        Hidden states.
    anchors : tensor or ndarray of shape (V, d)
        Anchors of the vocabulary.
    k : int
        Number of tokens, 1 to V.
    metric : {"cosine", "l2", "dot"}
        As in `similarity_logits`.
    block : int
        Anchors compared at a time.

    Returns
    -------
    values : Tensor of shape (N, k)
        Similarities, best first.
    ids : Tensor of shape (N, k), int64
        Token ids.

    Raises
    ------
    DataError
        Unless 1 ≤ k ≤ V.

    Examples
    --------
    >>> values, ids = nearest_tokens(np.array([[3.0, 0.1]]), np.eye(2), k=1)
    >>> ids.tolist()
    [[0]]
    """
    h, s = as_tensor(states), as_tensor(anchors)
    if not 1 <= k <= len(s):
        raise DataError(f"k = {k} nearest tokens of {len(s)}: expected 1 ≤ k ≤ {len(s)}")
    dtype = torch.promote_types(h.dtype, s.dtype)
    values = torch.full((len(h), k), -torch.inf, dtype=dtype, device=h.device)
    ids = torch.zeros((len(h), k), dtype=torch.int64, device=h.device)
    for first in range(0, len(s), block):
        some, compared = s[first : first + block].to(dtype), metric
        if metric == "cosine":
            some, compared = torch.nn.functional.normalize(some, dim=1), "dot"
        for row in range(0, len(h), ROWS):
            queries = h[row : row + ROWS].to(dtype)
            queries = torch.nn.functional.normalize(queries, dim=1) if metric == "cosine" else queries
            scores, columns = _topk(similarity_logits(queries, some, compared), k)
            scores = torch.cat([values[row : row + ROWS], scores], 1)
            columns = torch.cat([ids[row : row + ROWS], columns + first], 1)
            values[row : row + ROWS], order = scores.topk(k, dim=1)
            ids[row : row + ROWS] = columns.gather(1, order)
    return values, ids


def _topk(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest of each row of (N, C), or all where C < k: values and columns.

    The columns are dealt into groups of GROUP: the k largest lie in the k groups whose maxima are the largest, and a
    maximum is several times cheaper than a sort. The few columns beyond the last group are compared as well.
    """
    groups = scores.shape[1] // GROUP
    if groups <= k:
        best = scores.topk(min(k, scores.shape[1]), dim=1)
        return best.values, best.indices
    whole = groups * GROUP
    chosen = scores[:, :whole].unflatten(1, (GROUP, groups)).amax(1).topk(k, dim=1, sorted=False).indices  # (N, k)
    columns = (chosen[:, :, None] + torch.arange(0, whole, groups, device=scores.device)).flatten(1)  # (N, k·GROUP)
    rest = torch.arange(whole, scores.shape[1], device=scores.device).expand(len(scores), -1)
    columns = torch.cat([columns, rest], 1)
    best = scores.gather(1, columns).topk(k, dim=1)
    return best.values, columns.gather(1, best.indices)
