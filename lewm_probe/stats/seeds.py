"""What training seeds can carry: the level above trajectories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lewm_probe.stats.bootstrap import resamples


def seed_draws(values: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Hierarchical bootstrap of one method: training seeds are drawn, then trajectories.

    Args:
        values: for each training seed, its statistic in every resample of trajectories, (S,). All
            seeds share these resamples, since all were asked about the same trajectories.
        rng: draws the seeds.

    Returns:
        (S,): the mean over the drawn seeds in each resample.
    """
    table = np.stack(values)  # (seeds, S)
    drawn = resamples(len(table), table.shape[1], rng)  # (S, seeds)
    return np.einsum("rs,sr->r", drawn, table)


def permutation_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Exact two-sided permutation p of a difference of means between two groups of seeds.

    >>> permutation_p([3, 4, 5], [0, 1, 2])
    0.1
    """
    pooled = np.asarray([*first, *second], dtype=np.float64)
    size = len(first)
    observed = abs(np.mean(first) - np.mean(second))
    total = pooled.sum()
    extreme = 0
    splits = list(combinations(range(len(pooled)), size))
    for chosen in splits:
        inside = pooled[list(chosen)].sum()
        difference = abs(inside / size - (total - inside) / (len(pooled) - size))
        extreme += bool(difference >= observed - 1e-12)
    return extreme / len(splits)


def smallest_permutation_p(first: int, second: int) -> float:
    """The p that ``permutation_p`` cannot go below: three against three gives 0.1.

    Groups of equal size can be swapped, which counts twice on both sides.

    >>> smallest_permutation_p(3, 3), round(smallest_permutation_p(3, 4), 3)
    (0.1, 0.029)
    """
    ways = math.comb(first + second, first)
    return (2 if first == second else 1) / ways
