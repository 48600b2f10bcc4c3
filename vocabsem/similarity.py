"""Similarity logits: how close a state lies to each anchor (the paper's §3.2, Algorithm 1)."""

from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vocabsem.errors import DataError

Metric = Literal["cosine", "l2", "dot"]
Array = Tensor | NDArray[Any]

ROWS = 512  # states compared at a time: with 8,192 anchors 16 MB of similarities
GROUP = 32  # of them share a maximum


def as_tensor(array: Array) -> Tensor:
    """A tensor that shares the array's memory, or a copy where the array is read-only, as Parquet's columns are."""
    return array if isinstance(array, Tensor) else torch.from_numpy(np.require(array, requirements="W"))


def similarity_logits(states: Array, anchors: Array, metric: Metric = "cosine") -> Tensor:
    """States (…, N, d), anchors (…, C, d) → logits (…, N, C) in the wider of the two dtypes; differentiable in both.

    cosine: cos(h, s), a zero vector having cosine 0 with everything; l2: −‖h − s‖; dot: h·s.
    Raises DataError on another metric or on widths that differ.
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
    raise DataError(f"unknown metric {metric!r}: choose one of {', '.join(get_args(Metric))}")


def nearest_tokens(
    states: Array, anchors: Array, k: int = 10, metric: Metric = "cosine", block: int = 8192
) -> tuple[Tensor, Tensor]:
    """The k anchors most similar to each state: values (N, k), best first, and ids (N, k) int64.

    states (N, d), anchors (V, d). `block` anchors by ROWS states are compared at a time, so that (N, V) never exists
    whole. Raises DataError unless 1 ≤ k ≤ V.
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
            asked = h[row : row + ROWS].to(dtype)
            asked = torch.nn.functional.normalize(asked, dim=1) if metric == "cosine" else asked
            found, place = _best(similarity_logits(asked, some, compared), k)
            found = torch.cat([values[row : row + ROWS], found], 1)
            place = torch.cat([ids[row : row + ROWS], place + first], 1)
            values[row : row + ROWS], order = found.topk(k, dim=1)
            ids[row : row + ROWS] = place.gather(1, order)
    return values, ids


def _best(found: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row of (N, C), or all where C < k: values and columns.

    The columns are dealt into groups of GROUP: the k largest lie in the k groups whose maxima are the largest, and to
    find a maximum is several times cheaper than to sort. The few columns beyond the last group are asked as well.
    """
    groups = found.shape[1] // GROUP
    if groups <= k:
        best = found.topk(min(k, found.shape[1]), dim=1)
        return best.values, best.indices
    whole = groups * GROUP
    chosen = found[:, :whole].unflatten(1, (GROUP, groups)).amax(1).topk(k, dim=1, sorted=False).indices  # (N, k)
    columns = (chosen[:, :, None] + torch.arange(0, whole, groups, device=found.device)).flatten(1)  # (N, k·GROUP)
    rest = torch.arange(whole, found.shape[1], device=found.device).expand(len(found), -1)
    columns = torch.cat([columns, rest], 1)
    best = found.gather(1, columns).topk(k, dim=1)
    return best.values, columns.gather(1, best.indices)
