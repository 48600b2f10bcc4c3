"""How states lie in space: do they cluster by label, and how do they look in a plane."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from vocabsem.errors import BadInput, DataError

__all__ = ["Projection", "adjusted_rand", "project_2d", "project_pca", "project_umap"]

Projection = Literal["pca", "umap"]


def adjusted_rand(states: ArrayLike, labels: ArrayLike, classes: int, random_state: int = 0) -> float:
    """Compute the adjusted Rand index of k-means clusters of states against labels, k = classes (Table 8).

    Parameters
    ----------
    states : array of shape (N, d)
        What is clustered.
    labels : array of shape (N,)
        Classes.
    classes : int
        k.
    random_state : int, default=0
        Of k-means.

    Returns
    -------
    float
        1 for clusters equal to the labels, about 0 for clusters that ignore them.

    Raises
    ------
    DataError
        Fewer states than classes.

    Examples
    --------
    >>> adjusted_rand([[0.0], [0.1], [9.0], [9.1]], [0, 0, 1, 1], classes=2)
    1.0
    """
    points = np.asarray(states, np.float32)
    if len(points) < classes:
        raise DataError(f"{len(points)} states cannot form {classes} clusters: evaluate on more examples")
    with threadpool_limits(1):  # a second thread waits for longer than these few products take
        clusters = KMeans(classes, n_init=4, random_state=random_state).fit_predict(points)
    return float(adjusted_rand_score(np.asarray(labels), clusters))


def project_2d(states: ArrayLike, projection: Projection) -> NDArray[np.float64]:
    """Return coordinates of states in two dimensions, by `project_pca` or `project_umap`.

    Parameters
    ----------
    states : array of shape (N, d)
        Points.
    projection : {"pca", "umap"}
        Which.

    Returns
    -------
    ndarray of shape (N, 2), float64

    Examples
    --------
    >>> project_2d([[0.0, 0.0], [2.0, 0.0], [2.0, 0.0]], "pca").shape
    (3, 2)
    """
    return project_pca(states) if projection == "pca" else project_umap(states)


def project_umap(states: ArrayLike) -> NDArray[np.float64]:
    """Return coordinates in which states of small cosine distance are near each other (McInnes et al., 2018; seeded).

    Distances between clusters mean little.

    Parameters
    ----------
    states : array of shape (N, d)
        Points.

    Returns
    -------
    ndarray of shape (N, 2), float64

    Raises
    ------
    BadInput
        umap-learn is not installed.

    Examples
    --------
    >>> project_umap(states).shape  # doctest: +SKIP
    (200, 2)
    """
    try:
        from umap import UMAP
    except ImportError:
        raise BadInput("projection 'umap' needs umap-learn: pip install umap-learn, or take 'pca'") from None
    return np.asarray(UMAP(metric="cosine", random_state=0, n_jobs=1).fit_transform(np.asarray(states)), np.float64)


def project_pca(states: ArrayLike) -> NDArray[np.float64]:
    """Return coordinates of states on the two directions in which they vary most.

    Directions are signed so that the point farthest out has a positive coordinate. A direction that is missing is 0.

    Parameters
    ----------
    states : array of shape (N, d)
        Points.

    Returns
    -------
    ndarray of shape (N, 2), float64

    Examples
    --------
    >>> project_pca([[0.0, 0.0], [0.0, 6.0], [0.0, 6.0]])[:, 0].round(6).tolist()
    [4.0, -2.0, -2.0]
    """
    points = np.asarray(states, np.float64)
    points = points - points.mean(0)
    with threadpool_limits(1):  # threads that wait for each other take longer than one
        left, lengths, _ = np.linalg.svd(points, full_matrices=False)
    projected = np.zeros((len(points), 2))
    projected[:, : min(2, len(lengths))] = left[:, :2] * lengths[:2]
    farthest = projected[np.abs(projected).argmax(0), [0, 1]]
    return np.asarray(projected * np.where(farthest < 0, -1, 1))
