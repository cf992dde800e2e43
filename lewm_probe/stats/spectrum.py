"""How many directions a cloud of latents really uses."""

from __future__ import annotations

import numpy as np

from lewm_probe.stats.bootstrap import Estimate, jackknife

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


def rank_estimate(view: np.ndarray, confidence: float = 0.95) -> tuple[Estimate, np.ndarray]:
    """``effective_rank`` of a population of trajectories, its bias removed, with an interval.

    Args:
        view: latents (N, T, D) of N trajectories.
        confidence: of the interval.

    Returns:
        The estimate, and the pseudo-values of 1 / rank, (N,): see ``reciprocal_jackknife``.
    """
    z = np.asarray(view, dtype=np.float64)
    total = np.einsum("ntd,nte->de", z, z, optimize=True)
    without = np.array([rank_of_moments(total - one.T @ one) for one in z])
    return reciprocal_jackknife(without, rank_of_moments(total), z.shape[-1], confidence)


def participation_estimate(
    view: np.ndarray, confidence: float = 0.95
) -> tuple[Estimate, np.ndarray]:
    """``participation_ratio`` of the population, as ``rank_estimate`` gives the rank."""
    z = np.asarray(view, dtype=np.float64)
    z = z - z.mean(axis=(0, 1))  # moments about the mean lose no digits
    n, frames, width = z.shape
    total, summed = np.einsum("ntd,nte->de", z, z, optimize=True), z.sum(axis=1)  # (N, D)

    def ratio(second: np.ndarray, first: np.ndarray, count: int) -> float:
        centre = first / count
        return participation_ratio(second / count - np.outer(centre, centre))

    whole = ratio(total, summed.sum(axis=0), n * frames)
    if n < 2 or not whole > 0:
        return Estimate(whole, n=n), np.full(n, np.nan)
    rest = summed.sum(axis=0) - summed
    without = np.array([ratio(total - z[i].T @ z[i], rest[i], (n - 1) * frames) for i in range(n)])
    return reciprocal_jackknife(without, whole, width, confidence)


def reciprocal_jackknife(
    without: np.ndarray, whole: float, most: float, confidence: float = 0.95
) -> tuple[Estimate, np.ndarray]:
    """A count of directions, 1 … ``most``: the delete-one jackknife of its reciprocal.

    The fewer the trajectories, the fewer directions they fill: at 200 of them with 20 frames in 128
    axes the plain value is some 6 % too low, and a bootstrap, which holds fewer different ones
    still, covers 35 %. The bias of the reciprocal is of order 1/n almost wholly (that of the
    participation ratio, tr C² / tr² C, is), so that one jackknife removes it. Simulated, at 50, 100
    and 200 trajectories: it covers 95–99 % in 64 axes, and 90–100 % in 128 axes at 100 and 200. In
    128 axes at 50, where frames hang together so much that axes outnumber what is independent,
    1–2 directions are still missing and a rank's interval covers 30–85 %.

    Args:
        without: the count with each trajectory left out, (N,).
        whole: of all.
        most: the largest possible.
        confidence: of the interval.

    Returns:
        The estimate, and the pseudo-values of the reciprocal, (N,): 1 over their mean is the value,
        1 over the ends of their Student's t interval are its ends, each at most ``most``.
    """
    n = len(without)
    if n < 2:
        return Estimate(whole, n=n), np.full(n, np.nan)
    found, pseudo = jackknife(1 / without, 1 / whole, confidence)
    ends = [
        None if end is None else float(min(most, 1 / end) if end > 0 else most)
        for end in (found.value, found.high, found.low)
    ]
    return Estimate(ends[0], ends[1], ends[2], n), pseudo
