"""Intervals over trajectories by the bootstrap.

The unit of analysis is the trajectory. Intervals are percentile bootstraps over trajectories:
the same resamples serve a mean, an AUROC and a difference of two models, so that paired differences
stay paired, and they extend to training seeds on top. BCa was not chosen: its acceleration needs a
jackknife that is 0/0 for a perfectly separated AUROC and is not defined for two levels, and at
n = 200 it moves the ends by less than the resampling error. A resample is a row of weights (how
often each trajectory was drawn, over n), which turns every interval into one matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


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


def mean(values: np.ndarray, weights: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Mean over trajectories (N,) with its interval; ``weights`` (S, N) from ``resamples``.

    NaN marks a trajectory without a value: it is left out, in each resample too.
    """
    there = np.isfinite(values)
    if not there.any():
        return Estimate(None, n=0)
    kept = np.where(there, values, 0.0)
    draws = weights @ kept
    if not there.all():
        total = weights @ there
        draws = np.divide(draws, total, out=np.full(len(total), np.nan), where=total > 0)
    return Estimate(float(kept.sum() / there.sum()), *interval(draws, confidence), int(there.sum()))
