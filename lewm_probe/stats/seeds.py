"""What training seeds can carry: the level above trajectories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats

from lewm_probe.stats.bootstrap import Estimate

MOST_SPLITS = 20_000
"""Beyond this many splits (9 against 9 seeds) they are drawn at random."""

MOST_SEEDS = 100
"""Beyond this many seeds a side nobody is told that so many would do."""


class SeedDifference(NamedTuple):
    """One method minus another.

    Attributes:
        estimate: with its interval.
        p: two-sided, of no difference; null where there is nothing to test with.
        se: standard error.
        df: degrees of freedom; null: normal.
    """

    estimate: Estimate
    p: float | None
    se: float
    df: float | None


def pooled(
    first: Sequence[float], second: Sequence[float], variance: float, confidence: float = 0.95
) -> SeedDifference:
    """Difference of means of two groups of training seeds: a pooled t, trajectories added.

    SE² = s² (1/m + 1/n) + ``variance``, s² the pooled variance over seeds with m + n − 2 degrees of
    freedom. Seeds that all saw the same trajectories share their accidents, which no number of
    seeds averages out. One against one has no spread of seeds: the interval is over trajectories
    alone and speaks of these checkpoints.

    Args:
        first: the number of each training seed, m of them.
        second: n of them.
        variance: of the difference over trajectories, the seeds held fixed.
        confidence: of the interval.
    """
    m, n = len(first), len(second)
    value = float(np.mean(first) - np.mean(second))
    df = m + n - 2 or None
    square = variance
    if df:
        spread = sum(float(np.square(np.subtract(g, np.mean(g))).sum()) for g in (first, second))
        square += spread / df * (1 / m + 1 / n)
    se = math.sqrt(max(0.0, square))
    bounds = at_level(value, se, df, 1 - confidence)
    return SeedDifference(Estimate(value, *bounds), p_of(value, se, df), se, df)


def at_level(value: float, se: float, df: float | None, level: float) -> tuple[float, float]:
    """The interval of a difference at another level: 0.05 gives 95 %."""
    half = se * _quantile(df, level)
    return value - half, value + half


def p_of(value: float, se: float, df: float | None) -> float:
    """The two-sided p of no difference."""
    if se == 0:
        return 1.0 if value == 0 else 0.0
    z = abs(value) / se
    return float(2 * (stats.norm.sf(z) if df is None else stats.t.sf(z, df)))


def seeds_needed(value: float, sd: float, variance: float, level: float) -> int | None:
    """Seeds a side whose interval would exclude 0, were the difference as it was seen.

    Args:
        value: the difference.
        sd: over seeds, pooled.
        variance: over trajectories.
        level: of the interval, e.g. 0.05 over the number of measures.

    Returns:
        The fewest; None where ``MOST_SEEDS`` would not do.
    """
    for count in range(2, MOST_SEEDS + 1):
        half = _quantile(2 * count - 2, level) * math.sqrt(2 * sd**2 / count + variance)
        if half < abs(value):
            return count
    return None


def permutation_p(
    first: Sequence[float], second: Sequence[float], rng: np.random.Generator | None = None
) -> float:
    """Two-sided permutation p of a difference of means between two groups of seeds.

    Exact to ``MOST_SPLITS`` splits; beyond them as many are drawn at random, and p is
    (b + 1) / (B + 1) (Phipson & Smyth 2010), by the same random numbers each time without ``rng``.

    >>> permutation_p([3, 4, 5], [0, 1, 2])
    0.1
    """
    pooled = np.asarray([*first, *second], dtype=np.float64)
    size, count = len(first), len(pooled)
    observed = abs(np.mean(first) - np.mean(second))
    slack = 1e-9 * max(float(np.abs(pooled).max()), 1e-300)  # sums in another order round otherwise

    def extreme(chosen: np.ndarray) -> np.ndarray:  # (…, m) places
        inside = pooled[chosen].sum(axis=-1)
        difference = np.abs(inside / size - (pooled.sum() - inside) / (count - size))
        return np.asarray(difference >= observed - slack)

    if math.comb(count, size) <= MOST_SPLITS:
        splits = np.array(list(combinations(range(count), size)))
        return float(extreme(splits).mean())
    rng = rng or np.random.default_rng(0)
    drawn = rng.permuted(np.tile(np.arange(count), (MOST_SPLITS, 1)), axis=1)[:, :size]
    return float((extreme(drawn).sum() + 1) / (MOST_SPLITS + 1))


def smallest_permutation_p(first: int, second: int, family: int = 1) -> float:
    """The p that ``permutation_p`` cannot go below, after Holm over ``family`` measures.

    Groups of equal size can be swapped, which counts twice on both sides.

    >>> smallest_permutation_p(3, 3), round(smallest_permutation_p(3, 4), 3)
    (0.1, 0.029)
    >>> round(smallest_permutation_p(4, 4, family=6), 3)
    0.171
    """
    ways = math.comb(first + second, first)
    floor = 1 / (MOST_SPLITS + 1)
    if ways <= MOST_SPLITS:
        floor = (2 if first == second else 1) / ways
    return min(1.0, family * floor)


def _quantile(df: float | None, level: float) -> float:
    return float(stats.norm.isf(level / 2) if df is None else stats.t.isf(level / 2, df))
