"""A probe of syntax trees in states of leaves: distance, constituent and unary probe in one subspace.

As in Hernández López et al. (AST-Probe, 2022): with B of r rows, z = B·state, a gap between leaves is as high as
|z' − z|², its label is read linearly from z' − z, that of a leaf alone from z. The loss is the pairwise hinge of
heights within a function (Shen et al., 2018), two cross-entropies, and what keeps the rows of B orthonormal.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["Leaves", "Predicted", "SyntaxProbe", "train_syntax_probe"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
BATCH = 10  # functions
RATE = 0.003


@dataclass(frozen=True, eq=False)
class Leaves:
    """T leaves of functions, one function after the other, with G gaps between leaves of the same.

    Attributes
    ----------
    function : ndarray of shape (T,)
        Number of each leaf's function, from 0.
    heights : ndarray of shape (G,)
        Of the gaps.
    gaps : ndarray of shape (G,)
        Classes of the gaps, from 0.
    alone : ndarray of shape (T,)
        Classes of the leaves, from 0.
    """

    function: Ints
    heights: Ints
    gaps: Ints
    alone: Ints

    @property
    def before(self) -> Ints:
        """The leaf before each gap, (G,)."""
        return np.flatnonzero(np.diff(self.function) == 0)


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a probe says of leaves: as `Leaves` has it, heights as numbers.

    Attributes
    ----------
    heights : ndarray of shape (G,)
        Of the gaps.
    gaps, alone : ndarray of shape (G,) and (T,)
        Classes.
    """

    heights: Floats
    gaps: Ints
    alone: Ints


@dataclass(frozen=True, eq=False)
class SyntaxProbe:
    """A trained probe.

    Attributes
    ----------
    mean, scale : ndarray of shape (d,)
        By which states are standardized.
    basis : ndarray of shape (r, d)
        Rows of the subspace, B.
    of_gaps, of_leaves : ndarray of shape (r, C)
        Weights of the classes.
    """

    mean: Floats
    scale: Floats
    basis: Floats
    of_gaps: Floats
    of_leaves: Floats

    def predict(self, states: Floats, before: Ints) -> Predicted:
        """Return what the probe says of leaves.

        Parameters
        ----------
        states : ndarray of shape (T, d)
            Of the leaves.
        before : ndarray of shape (G,)
            The leaf before each gap.

        Returns
        -------
        Predicted
        """
        inside = (states - self.mean) / self.scale @ self.basis.T
        steps = inside[before + 1] - inside[before]
        gaps, alone = (steps @ self.of_gaps).argmax(axis=1), (inside @ self.of_leaves).argmax(axis=1)
        return Predicted((steps**2).sum(axis=1), gaps, alone)


def train_syntax_probe(states: Floats, leaves: Leaves, *, rank: int, epochs: int, seed: int) -> SyntaxProbe:
    """Train a probe.

    Parameters
    ----------
    states : ndarray of shape (T, d)
        Of the leaves.
    leaves : Leaves
        Their functions, and what is to be predicted of them.
    rank : int
        Rows of B, d at most.
    epochs : int
        Passes over the functions.
    seed : int
        Of the start and of the order of functions.

    Returns
    -------
    SyntaxProbe
    """
    generator = torch.Generator().manual_seed(seed)
    mean, scale = states.mean(axis=0), np.maximum(states.std(axis=0), 1e-6)
    rows = torch.from_numpy(np.asarray((states - mean) / scale, np.float32))
    start = torch.linalg.qr(torch.randn(rows.shape[1], rank, generator=generator))[0].T
    basis = start.clone().requires_grad_()
    weights = [torch.zeros(rank, int(of.max()) + 1, requires_grad=True) for of in (leaves.gaps, leaves.alone)]
    optimizer = torch.optim.Adam([basis, *weights], RATE)
    steps = epochs * -(-int(leaves.function.max() + 1) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    parts = list(_parts(leaves))
    for _ in range(epochs):
        for some in torch.randperm(len(parts), generator=generator).split(BATCH):
            loss = _loss(rows, [parts[each] for each in some.tolist()], basis, weights)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return SyntaxProbe(mean, scale, *(each.detach().numpy() for each in (basis, *weights)))


Part = tuple[
    slice, Tensor, Tensor, Tensor
]  # leaves of a function; heights and classes of its gaps; classes of its leaves


def _parts(leaves: Leaves) -> Iterator[Part]:
    ends = np.cumsum(np.bincount(leaves.function))
    heights, gaps, alone = (torch.from_numpy(of) for of in (leaves.heights, leaves.gaps, leaves.alone))
    for number, stop in enumerate(ends.tolist()):
        first = int(ends[number - 1]) if number else 0
        of_gaps = slice(first - number, stop - number - 1)
        yield slice(first, stop), heights[of_gaps], gaps[of_gaps], alone[first:stop]


def _loss(rows: Tensor, parts: list[Part], basis: Tensor, weights: list[Tensor]) -> Tensor:
    inside = [rows[at] @ basis.T for at, *_ in parts]
    steps = [each.diff(dim=0) for each in inside]
    order = torch.stack([_hinge((step**2).sum(dim=1), of[1]) for step, of in zip(steps, parts, strict=True)]).mean()
    labels = functional.cross_entropy(torch.cat(steps) @ weights[0], torch.cat([of[2] for of in parts]))
    alone = functional.cross_entropy(torch.cat(inside) @ weights[1], torch.cat([of[3] for of in parts]))
    apart = (basis @ basis.T - torch.eye(len(basis))).square().sum() / len(basis)
    return order + labels + alone + apart


def _hinge(predicted: Tensor, true: Tensor) -> Tensor:
    """Return the mean hinge over the pairs of gaps of different heights."""
    higher = true[:, None] > true
    margins = (1 - predicted[:, None] + predicted).relu()
    return (margins * higher).sum() / higher.sum().clamp(min=1)
