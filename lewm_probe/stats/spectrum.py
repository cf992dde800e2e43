"""How many directions a cloud of latents really uses."""

from __future__ import annotations

import numpy as np

RANKME_EPSILON = 1e-7
"""Added to each share of the spectrum before its logarithm (RankMe, arXiv 2210.02885, eq. 1)."""

NO_SPREAD = 1e-12
"""Share of the squares that float32 rounding leaves of a cloud that is one point."""


def effective_rank(latents: np.ndarray, *, centered: bool = False) -> float:
    """RankMe: exp of the entropy of the normalised singular values, (…, D) → a number up to D.

    By default of the uncentred matrix (samples, D), as in RankMe (arXiv 2210.02885): latents
    collapsed to one point have rank 1 even where rounding noise remains. ``centered`` takes the
    mean away first, so that such a point has rank 0. For N(3, 1) in 64 axes the one gives 36, the
    other 64: results call them ``effective_rank`` and ``centered_effective_rank``.

    >>> points = np.ones((100, 8))
    >>> round(effective_rank(points), 3), effective_rank(points, centered=True)
    (1.0, 0.0)
    """
    matrix = np.asarray(latents, dtype=np.float64).reshape(-1, np.shape(latents)[-1])
    if not centered:
        return rank_of_moments(matrix.T @ matrix)
    size = np.square(matrix).sum()
    matrix = matrix - matrix.mean(axis=0)
    if np.square(matrix).sum() <= NO_SPREAD * size:
        return 0.0
    return rank_of_moments(matrix.T @ matrix)


def rank_of_moments(moments: np.ndarray) -> float:
    """``effective_rank`` from the uncentred second moments ZᵀZ, (D, D)."""
    singular = np.sqrt(np.clip(np.linalg.eigvalsh(moments), 0, None))
    total = singular.sum()
    if not total > 0:
        return 1.0
    # Eigenvalues of ZᵀZ carry rounding of about 1e-16 of the largest; its root would read as rank.
    singular[singular < 1e-7 * singular.max()] = 0
    share = singular / total + RANKME_EPSILON
    return float(max(1.0, np.exp(-(share * np.log(share)).sum())))


def participation_ratio(covariance: np.ndarray) -> float:
    """(Σλ)² / Σλ² over the eigenvalues of a (D, D) covariance: 1 … D, and 0 when it is zero.

    >>> participation_ratio(np.eye(5))
    5.0
    """
    trace, square = np.trace(covariance), np.square(covariance).sum()  # Σλ, Σλ²
    return float(trace**2 / square) if square > 0 else 0.0
