"""Gaussian classes of one covariance, regularized towards a multiple of the identity, and exactly without each row."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vocabsem.arrays import Floats, Ints
from vocabsem.blocks import block_slices
from vocabsem.methods._solvers.principal_axes import axes_of_gram, principal_axes
from vocabsem.methods._solvers.transformed_rows import Rows

Precision = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""(trace of the within-class scatter, number of rows) → (factor, ridge) of the precision factor · (S + ridge · I)⁻¹."""


class SharedGaussian:
    """Discriminants x W + b of rows z (N, D) with labels (N,): W = P μ, b = log π − ½ μᵀPμ.

    μ (C, D) are the class means, S the scatter within classes, P = factor (S + ridge I)⁻¹ and π_c = (n_c + 1)/(N + C).
    A class without rows has w = 0 and the other classes' mean of μᵀPμ. All of it lies in the span of the rows, in whose
    principal axes of S it is computed. Rows are read in blocks, one of which is held at a time, where there are more of
    them than columns.
    """

    def __init__(self, z: Rows, labels: Ints, classes: int) -> None:
        self.z, self.labels = z, labels
        self.counts = np.bincount(labels, minlength=classes).astype(np.float64)
        self.blocks, span = [slice(0, len(z))], None
        if len(z) > z.shape[1]:
            self.blocks = block_slices(z)
        else:
            span = principal_axes(z[self.blocks[0]])[1]
        sums, total = np.zeros((classes, z.shape[1])), 0.0
        for part in self.blocks:
            rows = z[part]
            sums += np.eye(classes)[labels[part]].T @ rows
            total += float((rows**2).sum())
        means = sums / np.maximum(self.counts, 1)[:, None]
        self.squares, self.axes = axes_of_gram(self._scatter(means, span))
        if span is not None:
            self.axes = span @ self.axes
        self.means = means @ self.axes
        self.least = 1e-6 * total  # where each class has one row there is no scatter

    def _scatter(self, means: Floats, span: Floats | None) -> NDArray[np.float64]:
        """S along the axes `span` (D, r), which hold all rows, or along the columns."""
        width = means.shape[1] if span is None else span.shape[1]
        scatter = np.zeros((width, width))
        for part in self.blocks:
            residuals = self.z[part] - means[self.labels[part]]
            along = residuals if span is None else residuals @ span
            scatter += along.T @ along
        return scatter

    def fit(self, precision: Precision) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return W (D, C) and b (C,)."""
        trace = np.maximum(self.squares.sum(), self.least)
        factor, ridge = precision(np.asarray(trace), np.asarray(float(len(self.z))))
        scaled = factor * self.means / (self.squares + ridge)
        shares = (self.counts + 1) / (self.counts + 1).sum()
        return self.axes @ scaled.T, np.log(shares) - 0.5 * _filled((scaled * self.means).sum(axis=1), self.counts)

    def left_out(self, precisions: Sequence[Precision]) -> list[NDArray[np.float64]]:
        """Return each row's discriminants (N, C) by a fit to the others, of each precision.

        Without row i, of class c, S loses κ r rᵀ, r = x_i − μ_c, κ = n_c/(n_c − 1): an update of rank one.
        """
        estimates = [np.empty((len(self.z), len(self.counts))) for _ in precisions]
        for part in self.blocks:
            rows = self.z[part] @ self.axes
            for estimate, precision in zip(estimates, precisions, strict=True):
                estimate[part] = self._left_out(rows, self.labels[part], precision)
        return estimates

    def _left_out(self, rows: Floats, labels: Ints, precision: Precision) -> NDArray[np.float64]:
        n = self.counts[labels]
        residuals = rows - self.means[labels]
        kappa = np.where(n > 1, n / np.maximum(n - 1, 1), 0.0)  # the only row of its class leaves no scatter
        trace = np.maximum(self.squares.sum() - kappa * (residuals**2).sum(axis=1), self.least)
        factor, ridge = precision(trace, np.full(len(n), len(self.z) - 1.0))
        diagonal = 1 / (self.squares + np.broadcast_to(ridge, n.shape)[:, None])  # (N, r)
        of_residual = diagonal * residuals
        update = kappa / (1 - kappa * (residuals * of_residual).sum(axis=1))  # P/factor = D + update · D r rᵀ D

        own = np.arange(len(n)), labels
        others = np.where(n > 1, -1 / np.maximum(n - 1, 1), 0.0)[:, None] * residuals  # what the own mean moves by
        gone = (n == 1)[:, None]
        mean = np.where(gone, 0.0, self.means[labels] + others)  # (N, r) of the own class without the row

        def product(left: Floats, right: Floats) -> NDArray[np.float64]:
            return np.asarray((left * diagonal * right).sum(axis=1))

        along = of_residual @ self.means.T  # rᵀ D μ, (N, C)
        along[own] = (of_residual * mean).sum(axis=1)
        first = (rows * diagonal) @ self.means.T
        first[own] = product(rows, mean)
        square = diagonal @ (self.means**2).T
        square[own] = product(mean, mean)
        row = (rows * of_residual).sum(axis=1)
        linear = first + (update * row)[:, None] * along
        quadratic = square + update[:, None] * along**2
        counts = np.tile(self.counts + 1, (len(n), 1))
        counts[own] -= 1
        shares = counts / counts.sum(axis=1, keepdims=True)
        quadratic = _filled(quadratic, counts - 1)
        return np.asarray(np.log(shares) + np.broadcast_to(factor, n.shape)[:, None] * (linear - 0.5 * quadratic))


def _filled(squares: Floats, counts: Floats) -> NDArray[np.float64]:
    """μᵀPμ (…, C) with the mean of the classes that have rows for those that have none."""
    present = counts > 0
    mean = (squares * present).sum(axis=-1, keepdims=True) / present.sum(axis=-1, keepdims=True)
    return np.where(present, squares, mean)
