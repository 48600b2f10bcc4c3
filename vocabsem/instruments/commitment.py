"""When a text commits to a label: from which layer the nearest label anchor stays the same, and whether late is wrong.

States are compared with the anchors of the last layer at every layer, by cosine after centering: states on the mean of
the training states of their layer, anchors on their own mean. The null has random vectors in the anchors' place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from vocabsem.instruments.base import Item, Sampling, StudyResult, Value, percentiles

__all__ = ["Traces", "auroc", "commitment_study", "curvature", "trace"]

Floats = NDArray[np.floating]
Ints = NDArray[np.intp]
MAX_LISTED = 20  # examples that commit last


@dataclass(frozen=True, eq=False)
class Traces:
    """The way of N examples through the cells of C vectors, by L layers."""

    cells: Ints
    """Nearest vector at each layer, (L, N)."""
    commit: Ints
    """First of the L layers, from 0, from which the nearest vector is that of the last, (N,)."""
    margin: Floats
    """Cosine of the nearest minus that of the second, at the last layer, (N,)."""


def commitment_study(
    unit: str,
    states: Mapping[int, Floats],
    means: Floats,
    anchors: Floats,
    labels: Ints,
    confidence: Floats,
    ids: list[str],
    sampling: Sampling,
) -> StudyResult:
    """Measure when examples commit, how often they are right by then, and what predicts their errors.

    Parameters
    ----------
    unit : str
        Name of the data set.
    states : mapping of int to ndarray of shape (N, d)
        Of test examples, by layer, in order.
    means : ndarray of shape (L, d)
        Of training states at each layer.
    anchors : ndarray of shape (C, d)
        Of the label words.
    labels : ndarray of shape (N,)
        Classes.
    confidence : ndarray of shape (N,)
        The largest probability among the label words, by the model's own logits.
    ids : list of str
        Names of the examples.
    sampling : Sampling
        Resamples of examples; draws of random vectors, or for what has no vectors permutations of the errors.

    Returns
    -------
    StudyResult
        accuracy and committed (share) by layer; commit_layer, the mean; error_auroc of the errors of the nearest anchor
        at the last layer by commit_layer, margin, curvature and max_probability. No error_auroc where all or none are
        errors. The items are the examples that commit last.
    """
    centered = np.asarray(np.stack(list(states.values())) - means[:, None], np.float32)
    own = trace(centered, anchors)
    generator, norms = sampling.generator(1), np.linalg.norm(anchors - anchors.mean(axis=0), axis=1, keepdims=True)
    random = [generator.standard_normal(anchors.shape) for _ in range(sampling.null_draws)]
    nulls = [trace(centered, vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * norms) for vectors in random]
    layers, n = np.array(list(states)), len(labels)
    values: list[Value] = []

    def add(layer: int | None, variant: str, metric: str, of: Floats, chance: list[float]) -> None:
        value, interval = float(of.mean()), sampling.interval(lambda rows: float(of[rows].mean()), n)
        values.append(Value(unit, layer, variant, metric, value, interval, percentiles(chance), n))

    for at, layer in enumerate(states):
        chance = [float((null.cells[at] == labels).mean()) for null in nulls]
        add(layer, "anchors", "accuracy", (own.cells[at] == labels).astype(float), chance)
    for at, layer in enumerate(states):
        chance = [float((null.commit <= at).mean()) for null in nulls]
        add(layer, "anchors", "committed", (own.commit <= at).astype(float), chance)
    commit, chance = layers[own.commit].astype(float), [float(layers[null.commit].mean()) for null in nulls]
    add(None, "anchors", "commit_layer", commit, chance)
    errors = own.cells[-1] != labels
    if errors.any() and not errors.all():
        values += _predictors(unit, own, nulls, errors, curvature(centered), confidence, sampling)
    last = np.argsort(-own.commit, kind="stable")[:MAX_LISTED]
    items = (Item(f"{unit} commits last", None, rank, float(commit[row]), ids[row]) for rank, row in enumerate(last, 1))
    return StudyResult(tuple(values), tuple(items))


def trace(states: Floats, vectors: Floats) -> Traces:
    """Return the way of examples through the cells of vectors.

    Parameters
    ----------
    states : ndarray of shape (L, N, d)
        Centered.
    vectors : ndarray of shape (C, d)
        Centered here.

    Returns
    -------
    Traces
    """
    targets = vectors - vectors.mean(axis=0)
    targets = (targets / np.linalg.norm(targets, axis=1, keepdims=True)).astype(np.float32)
    cosines = states @ targets.T / np.maximum(np.linalg.norm(states, axis=2, keepdims=True), 1e-12)  # (L, N, C)
    cells = cosines.argmax(axis=2)
    other = cells != cells[-1]
    depth = len(cells)
    commit = np.where(other.any(axis=0), depth - other[::-1].argmax(axis=0), 0)
    second, first = np.sort(cosines[-1], axis=1)[:, -2:].T
    return Traces(cells, commit, first - second)


def curvature(states: Floats) -> Floats:
    """Return the mean angle between the steps of successive layers.

    Parameters
    ----------
    states : ndarray of shape (L, N, d)
        Of N examples.

    Returns
    -------
    ndarray of shape (N,)
        In radians; 0 with fewer than two steps.
    """
    steps = np.diff(states, axis=0)
    norms = np.maximum(np.linalg.norm(steps, axis=2), 1e-12)
    cosines = (steps[1:] * steps[:-1]).sum(axis=2) / (norms[1:] * norms[:-1])
    angles: Floats = np.arccos(np.clip(cosines, -1, 1))
    return angles.mean(axis=0) if len(angles) else np.zeros(states.shape[1])


def auroc(score: Floats, positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve: how often a positive scores above a negative, ties counting half.

    Parameters
    ----------
    score : ndarray of shape (N,)
        Higher for positives.
    positive : ndarray of shape (N,)
        Whether each is one.

    Returns
    -------
    float
        One half where all or none are positive.

    Examples
    --------
    >>> auroc(np.array([0.1, 0.4, 0.8]), np.array([False, False, True]))
    1.0
    """
    many = int(positive.sum())
    few = len(positive) - many
    if not many or not few:
        return 0.5
    return float((rankdata(score)[positive].sum() - many * (many + 1) / 2) / (many * few))


def _predictors(
    unit: str,
    own: Traces,
    nulls: list[Traces],
    errors: NDArray[np.bool_],
    angles: Floats,
    confidence: Floats,
    sampling: Sampling,
) -> Iterator[Value]:
    """Yield how well each score predicts errors; that of random vectors, or permuted errors, is the null."""
    generator, n = sampling.generator(2), len(errors)
    permuted = [generator.permutation(errors) for _ in range(sampling.null_draws)]
    scores = {
        "commit_layer": (own.commit.astype(float), [auroc(null.commit.astype(float), errors) for null in nulls]),
        "margin": (-own.margin, [auroc(-null.margin, errors) for null in nulls]),
        "curvature": (angles, [auroc(angles, other) for other in permuted]),
        "max_probability": (-confidence, [auroc(-confidence, other) for other in permuted]),
    }
    for variant, (score, chance) in scores.items():
        interval = sampling.interval(partial(_auroc_of, score=score, errors=errors), n)
        yield Value(unit, None, variant, "error_auroc", auroc(score, errors), interval, percentiles(chance), n)


def _auroc_of(rows: Ints, score: Floats, errors: NDArray[np.bool_]) -> float:
    return auroc(score[rows], errors[rows])
