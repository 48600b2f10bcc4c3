"""Similarity logits: how close a state lies to each anchor (the paper's §3.2, Algorithm 1)."""

from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vocabsem.errors import DataError

Metric = Literal["cosine", "l2", "dot"]
Array = Tensor | NDArray[Any]


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

    states (N, d), anchors (V, d). Anchors are read `block` rows at a time, so that (N, V) never exists whole.
    Raises DataError unless 1 ≤ k ≤ V.
    """
    h, s = as_tensor(states), as_tensor(anchors)
    if not 1 <= k <= len(s):
        raise DataError(f"k = {k} nearest tokens of {len(s)}: expected 1 ≤ k ≤ {len(s)}")
    values = torch.empty(len(h), 0, device=h.device)
    ids = torch.empty(len(h), 0, dtype=torch.int64, device=h.device)
    for start in range(0, len(s), block):
        found = similarity_logits(h, s[start : start + block], metric)
        place = torch.arange(start, start + found.shape[1], device=found.device).expand(len(h), -1)
        found, place = torch.cat([values.to(found.dtype), found], 1), torch.cat([ids, place], 1)
        values, order = found.topk(min(k, found.shape[1]), dim=1)
        ids = place.gather(1, order)
    return values, ids
