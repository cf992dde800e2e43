"""Intervals over trajectories: Student's t for means, BCa and the jackknife for what is no mean.

The unit of analysis is the trajectory. A mean has Student's t, which covers as well as any
bootstrap in every distribution that was simulated (``reports/calibration``). Other statistics have
the bias-corrected and accelerated bootstrap (Efron 1987, J. Am. Stat. Assoc. 82:171, whose
acceleration comes from leaving one trajectory out), or, where a bootstrap is biased by its repeated
trajectories, the jackknife. A resample is a row of weights (how often each trajectory was drawn,
over n), which turns many statistics into one matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special, stats


class Estimate(NamedTuple):
    """A number with its interval; None where it is not defined (no spread, no trajectories)."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


def resamples(n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Weights of ``count`` bootstrap resamples of ``n`` trajectories: (count, n), rows sum to 1."""
    return rng.multinomial(n, np.full(n, 1 / n), size=count) / n


def interval(draws: np.ndarray, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Percentile interval of bootstrap draws; (None, None) when none is finite."""
    draws = draws[np.isfinite(draws)]
    if not draws.size:
        return None, None
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def mean(values: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Mean over trajectories (N,) with Student's t interval.

    NaN marks a trajectory without a value: it is left out. One value has no interval.
    """
    there = values[np.isfinite(values)]
    n = len(there)
    if n == 0:
        return Estimate(None, n=0)
    centre = float(there.mean())
    if n == 1:
        return Estimate(centre, n=1)
    half = float(-special.stdtrit(n - 1, (1 - confidence) / 2) * there.std(ddof=1) / np.sqrt(n))
    return Estimate(centre, centre - half, centre + half, n)


def bca(
    value: float, draws: np.ndarray, jackknife: np.ndarray, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """Efron's BCa interval of a statistic.

    Args:
        value: the statistic of all trajectories.
        draws: the same in each resample, (R,).
        jackknife: the same with each trajectory left out, (N,).
        confidence: of the interval.

    Returns:
        Its ends; (None, None) when no draw is finite.
    """
    draws = draws[np.isfinite(draws)]
    if not draws.size or not np.isfinite(value):
        return None, None
    below = float(np.mean(draws < value) + 0.5 * np.mean(draws == value))
    bound = 0.5 / len(draws)  # a share of 0 or 1 would put the correction at infinity
    bias = stats.norm.ppf(np.clip(below, bound, 1 - bound))
    left = jackknife[np.isfinite(jackknife)]
    away = left.mean() - left if left.size else np.zeros(1)
    spread = np.square(away).sum()
    acceleration = float((away**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0
    tails = stats.norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    shifted = bias + tails
    levels = stats.norm.cdf(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-3))
    low, high = np.quantile(draws, levels)
    return float(low), float(high)


def jackknife(
    without: np.ndarray, whole: float, confidence: float = 0.95
) -> tuple[Estimate, np.ndarray]:
    """The bias-corrected value of a statistic, and the pseudo-values that it is the mean of.

    Quenouille's and Tukey's jackknife: n θ − (n − 1) θ₋ᵢ of each trajectory, whose mean has lost
    the bias of order 1/n and whose spread gives Student's t interval.

    Args:
        without: the statistic with each trajectory left out, (N,).
        whole: the statistic of all.
        confidence: of the interval.

    Returns:
        The estimate, and the pseudo-values (N,).
    """
    n = len(without)
    pseudo = n * whole - (n - 1) * np.asarray(without, dtype=np.float64)
    return mean(pseudo, confidence), pseudo
