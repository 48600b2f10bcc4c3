"""Ridge regression that departs from an answer given beforehand; leave-one-out errors weigh how far, in closed form."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.methods.base import Floats

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # λ, beside rows of about unit length
TRUSTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)  # β: what the prior answer, of unit deviation, adds to a one-hot label
FREEDOMS = (1.0, 5.0)  # what the constant, the last column of z, is multiplied by: the intercept's prior deviation
DOUBT = 0.02  # the prior density of β is β + DOUBT: without evidence, keep to the prior answer


@dataclass(frozen=True, eq=False)
class Departure:
    """answer + rows: the estimate of y is trust · answer + z weights; `held_out` (N, C) are estimates for its rows."""

    trust: float
    weights: NDArray[np.float32]  # (D, C)
    held_out: NDArray[np.float64]


def depart(z: Floats, answer: Floats, y: Floats) -> Departure:
    """z (N, D), its last column a constant, answer (N, C) the prior answer, y (N, C) centered one-hot labels; or all
    rows times the roots of weights.

    For each β, λ and freedom f of the intercept, W minimizes ‖y − β answer − z W‖² + λ‖W / (1, …, 1, f)‖². With H the
    hat matrix of that ridge regression the leave-one-out errors are (1 − H) (y − β answer) / (1 − H_ii), exactly. The
    result is the mean of all fits, weighted by

        (β + DOUBT) · (Σ squared leave-one-out errors)^(−N(C − 1)/2),

    a Gaussian likelihood of unknown variance: with few rows the first factor rules, with many the second. The first
    spans a factor of 21: eight rows of two classes outweigh it if the prior answer little more than doubles the errors.
    """
    both = np.hstack([y, answer]).astype(np.float64)
    constant = z[:, -1].astype(np.float64)
    axes, left, lengths = _singular(z)
    projected, of_constant = left.T @ both, left.T @ constant  # (r, 2C), (r,)
    log_weight, errors, solutions = [], [], []
    for penalty in PENALTIES:
        share = lengths**2 / (lengths**2 + penalty)
        missed = both - left @ (share[:, None] * projected)  # (1 − H) both
        alone = constant - left @ (share * of_constant)  # (1 − H) constant
        free = 1 - (left**2) @ share  # 1 − H_ii
        for freedom in FREEDOMS:  # adds (f² − 1) constant constantᵀ to z zᵀ: an update of rank one
            pull = (freedom**2 - 1) / (penalty + (freedom**2 - 1) * constant @ alone)
            taken = pull * (constant @ missed)  # (2C,)
            errors_of_both = (missed - np.outer(alone, taken)) / (free - pull * alone**2)[:, None]
            of_y, of_answer = np.split(errors_of_both, 2, axis=1)
            solutions.append((share / lengths)[:, None] * (projected - np.outer(of_constant, taken)))
            for trust in TRUSTS:
                errors.append(of_y - trust * of_answer)
                evidence = -0.5 * y.size * (1 - 1 / y.shape[1]) * np.log((errors[-1] ** 2).sum() + 1e-9)
                log_weight.append(evidence + np.log(trust + DOUBT))
    weight = softmax(log_weight)
    held_out = y - sum(w * error for w, error in zip(weight, errors, strict=True))
    weight = weight.reshape(len(PENALTIES), len(FREEDOMS), len(TRUSTS))
    in_axes = np.reshape(solutions, (*weight.shape[:2], len(lengths), 2, -1))  # (penalties, freedoms, r, 2, C)
    parts = np.stack([weight.sum(axis=2), -(weight @ TRUSTS)], axis=2)  # of y's solution and of the answer's
    solved = axes @ np.einsum("pfrkc,pfk->frc", in_axes, parts)  # (freedoms, D, C)
    solved[:, -1] *= np.square(FREEDOMS)[:, None]
    return Departure(float(weight.sum(axis=(0, 1)) @ TRUSTS), solved.sum(axis=0).astype(np.float32), held_out)


def _singular(z: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Right (D, r) and left (N, r) singular vectors and singular values (r,) of z, from the smaller Gram matrix."""
    wide = len(z) <= z.shape[1]
    squares, vectors = np.linalg.eigh((z @ z.T if wide else z.T @ z).astype(np.float64))
    kept = squares > squares[-1] * 1e-6  # float32 products carry no more
    lengths, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    if wide:
        return (z.T @ vectors.astype(z.dtype)) / lengths, vectors, lengths
    return vectors, (z @ vectors.astype(z.dtype)) / lengths, lengths
