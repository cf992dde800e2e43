"""Two-dimensional views of points: principal components, and t-SNE."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

NOTHING = 1e-6
"""Points whose SD is below this share of their size, float32's rounding, are one point."""

MOST_AXES = 50
"""Principal components that t-SNE is given of wider points, as van der Maaten and Hinton did."""


def collapsed(points: np.ndarray) -> bool:
    """Whether points (N, D) are all the same up to rounding."""
    wide = points.astype(np.float64)
    size = max(1e-30, float(np.abs(wide).max()))
    return float(wide.std(axis=0).max()) < NOTHING * size


def components(points: np.ndarray, width: int, seed: int) -> tuple[np.ndarray, float]:
    """Points (N, D) → principal components (N, ≤ width), and the share of the first two."""
    solver = "randomized" if points.shape[1] > 1000 else "full"
    pca = PCA(min(width, *points.shape), svd_solver=solver, random_state=seed % 2**32)
    found = pca.fit_transform(points.astype(np.float64))
    return found, float(pca.explained_variance_ratio_[:2].sum())


def tsne(points: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    """t-SNE (van der Maaten & Hinton 2008) of points (N, D): (N, 2), the same for the same seed.

    Begun from principal components, so that the layout as a whole is no matter of chance. Wider
    points are reduced to ``MOST_AXES`` components first. One thread: with several, sums come out
    in another order each time.
    """
    narrow = points if points.shape[1] <= MOST_AXES else components(points, MOST_AXES, seed)[0]
    laid = TSNE(2, perplexity=perplexity, init="pca", random_state=seed % 2**32)
    with threadpool_limits(1):
        found: np.ndarray = laid.fit_transform(narrow.astype(np.float64))
    return found
