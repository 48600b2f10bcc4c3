"""Clusters and planes against their definitions."""

import sys

import numpy as np
import pytest

from vocabsem.errors import BadInput, DataError
from vocabsem.vocabulary.geometry import adjusted_rand, project_2d, project_pca


def blobs(distance, n=240, classes=3, d=8, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return generator.standard_normal((n, d)) + distance * np.eye(classes, d)[labels], labels


def test_clusters_equal_to_the_labels():
    states, labels = blobs(30)
    assert adjusted_rand(states, labels, 3) == 1.0
    assert adjusted_rand(states, (labels + 1) % 3, 3) == 1.0  # names of clusters do not matter


def test_clusters_that_ignore_the_labels():
    states, labels = blobs(0)
    assert abs(adjusted_rand(states, labels, 3)) < 0.05


def test_same_seed_same_figure():
    states, labels = blobs(2)
    assert adjusted_rand(states, labels, 3, random_state=5) == adjusted_rand(states, labels, 3, random_state=5)
    assert 0.1 < adjusted_rand(states, labels, 3) < 0.95


def test_refuses_too_few_states():
    with pytest.raises(DataError, match="2 states cannot form 3 clusters"):
        adjusted_rand(np.zeros((2, 3)), [0, 1], 3)


def test_the_principal_plane_is_that_of_scikit_learn_and_its_signs_are_fixed():
    from sklearn.decomposition import PCA

    states = np.random.default_rng(0).standard_normal((40, 12)) * np.arange(1, 13)
    projected = project_pca(states)
    np.testing.assert_allclose(np.abs(projected), np.abs(PCA(2).fit_transform(states)), atol=1e-9)
    np.testing.assert_allclose(project_pca(-states + 7), projected, atol=1e-9)
    assert (projected[np.abs(projected).argmax(0), [0, 1]] > 0).all()


def test_states_on_a_line_have_no_second_direction():
    np.testing.assert_allclose(project_pca([[1.0], [2.0], [4.0]])[:, 1], 0)
    assert project_pca([[3.0, 4.0]]).tolist() == [[0.0, 0.0]]


def test_umap_keeps_neighbors_together():
    pytest.importorskip("umap.umap_", reason="umap-learn is an extra")
    states, labels = blobs(30)
    sampled = project_2d(states, "umap")
    assert sampled.shape == (len(states), 2)
    nearest = np.argsort(np.linalg.norm(sampled[:, None] - sampled, axis=2), axis=1)[:, 1]
    assert (labels[nearest] == labels).all()
    assert (sampled == project_2d(states, "umap")).all()


def test_umap_is_refused_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(BadInput, match="needs umap-learn: pip install umap-learn, or take 'pca'"):
        project_2d(blobs(2)[0], "umap")
