"""How much of who is whose neighbour two spaces share.

Two numbers, both of the k nearest others of each point: the share of a point's neighbours in the
second space that are its neighbours in the first, and trustworthiness (Venna & Kaski 2001), which
counts by how many ranks the others intrude:

    T = 1 − 2 / (n k (2n − 3k − 1)) · Σ_i Σ_{j ∈ U_k(i)} max(0, r(i, j) − k)

with U_k(i) the k nearest of i in the second space and r(i, j) the rank of j among the neighbours of
i in the first. Without ties it equals ``sklearn.manifold.trustworthiness``.

On a regular grid distances are tied everywhere, and whoever breaks ties by position in memory
measures that position. Here, in the first space all that are as near share the best rank, so that
each of them counts as a neighbour; in the second space ties are broken at random, and the number is
the mean over all ways of breaking them. A copy of a space then has 1, and a collapsed one, in which
all is tied, has exactly what chance has.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import euclidean_distances

EQUAL = 1e-9
"""Distances that differ by less than this share of themselves are tied."""


def distances(points: np.ndarray) -> np.ndarray:
    """Euclidean distances between points (N, D): float64 (N, N), infinite to oneself.

    Whole numbers, such as grey levels, go through one matrix product, which is exact for them.
    """
    wide = points.astype(np.float64)
    found = euclidean_distances(wide) if points.dtype.kind in "iu" else cdist(wide, wide)
    np.fill_diagonal(found, np.inf)
    return found


def near(apart: np.ndarray, k: int) -> np.ndarray:
    """Whether one is as near as the k-th nearest: distances (N, N) → bool (N, N)."""
    return apart <= _kth(apart, k) * (1 + EQUAL)


def chances(apart: np.ndarray, k: int) -> np.ndarray:
    """Chance to be among the k nearest, ties broken at random, (N, N); rows sum to k."""
    kth = _kth(apart, k)
    nearer = apart < kth * (1 - EQUAL)
    tied = near(apart, k) & ~nearer
    left = k - nearer.sum(axis=1, keepdims=True)
    return np.where(nearer, 1.0, tied * (left / tied.sum(axis=1, keepdims=True)))


def anyone(count: int, k: int) -> np.ndarray:
    """The same for neighbours drawn at random, (count, count)."""
    found = np.full((count, count), k / (count - 1))
    np.fill_diagonal(found, 0.0)
    return found


def overlap(first: np.ndarray, drawn: np.ndarray, k: int) -> float:
    """Share of neighbours ``drawn`` in the second space that are near in the first, 0 to 1.

    Args:
        first: distances in the first space, (N, N).
        drawn: chances in the second space, (N, N).
        k: neighbours of each.
    """
    return float((drawn * near(first, k)).sum() / (k * len(first)))


def trustworthiness(first: np.ndarray, drawn: np.ndarray, k: int) -> float:
    """Venna and Kaski's trustworthiness of the second space, 1 at best; arguments as ``overlap``.

    Raises:
        ValueError: k is not below half of the points, where the measure has no scale.
    """
    n = len(first)
    if not k < n / 2:
        raise ValueError(f"k = {k} of {n} points")
    intrusions = np.maximum(_ranks(first) - k, 0)
    return 1 - float((drawn * intrusions).sum()) * 2 / (n * k * (2 * n - 3 * k - 1))


def _ranks(apart: np.ndarray) -> np.ndarray:
    """1 + how many are nearer, (N, N); all that are as near share the best rank."""
    order = np.sort(apart, axis=1)
    found = [
        np.searchsorted(row, mine * (1 - EQUAL)) for row, mine in zip(order, apart, strict=True)
    ]
    return np.stack(found) + 1


def _kth(apart: np.ndarray, k: int) -> np.ndarray:
    """Distance to the k-th nearest, (N, 1)."""
    return np.partition(apart, k - 1, axis=1)[:, k - 1 : k]
