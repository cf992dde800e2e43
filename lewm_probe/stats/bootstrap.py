"""Intervals and tests over trajectories: numpy, scipy and statsmodels, no models.

The unit of analysis is the trajectory. Intervals are percentile bootstraps over trajectories:
the same resamples serve a mean, an AUROC and a difference of two models, so that paired differences
stay paired, and they extend to training seeds on top. BCa was not chosen: its acceleration needs a
jackknife that is 0/0 for a perfectly separated AUROC and is not defined for two levels, and at
n = 200 it moves the ends by less than the resampling error. A resample is a row of weights (how
often each trajectory was drawn, over n), which turns every interval into one matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint


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


# ---- ranks


def comparisons(perturbed: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(N,), (M,) → (N, M): 1 where the perturbed is larger, ½ where they tie, else 0."""
    above = perturbed[:, None] > reference[None, :]
    ties = perturbed[:, None] == reference[None, :]
    return above + 0.5 * ties


def auroc(perturbed: np.ndarray, reference: np.ndarray) -> float:
    """Chance that a perturbed trajectory is more surprising than a reference; ties count half."""
    return float(comparisons(perturbed, reference).mean())


def auroc_draws(compared: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUROC of each resample: matched cases are drawn together, (N, N), (S, N) → (S,)."""
    return np.einsum("sn,sn->s", weights @ compared, weights)


def auroc_estimate(compared: np.ndarray, weights: np.ndarray, confidence: float = 0.95) -> Estimate:
    """AUROC of matched cases with its interval, from ``comparisons`` (N, N).

    When the groups are wholly apart every resample is too, and the bootstrap's interval has no
    width; Wilson's bound for N successes in N trials is given instead, which is wider than needed.
    """
    value, n = float(compared.mean()), len(compared)
    low, high = interval(auroc_draws(compared, weights), confidence)
    if value in (0.0, 1.0):
        low, high = wilson(round(value * n), n, confidence)[1:3]
    return Estimate(value, low, high, n)


def auroc_difference(
    first: np.ndarray, second: np.ndarray, weights: np.ndarray, confidence: float = 0.95
) -> Estimate:
    """AUROC of one score minus that of another on the same cases and the same resamples."""
    draws = auroc_draws(first, weights) - auroc_draws(second, weights)
    value = float(first.mean() - second.mean())
    return Estimate(value, *interval(draws, confidence), len(first))


def pairwise_accuracy(
    perturbed: np.ndarray, reference: np.ndarray, weights: np.ndarray, confidence: float = 0.95
) -> Estimate:
    """Share of cases whose perturbed trajectory is the more surprising one; ties count half.

    The interval is Wilson's where no case ties (a plain proportion), else the bootstrap's.
    """
    wins = (perturbed > reference) + 0.5 * (perturbed == reference)
    if ((wins == 0) | (wins == 1)).all():
        return wilson(int(wins.sum()), len(wins), confidence)
    return mean(wins, weights, confidence)


def threshold_at(clean: np.ndarray, false_positives: float = 0.05) -> float:
    """The smallest value that at most a share ``false_positives`` of ``clean`` exceeds."""
    return float(np.quantile(clean, 1 - false_positives, method="higher"))


def detection_rate(scores: np.ndarray, threshold: float, confidence: float = 0.95) -> Estimate:
    """Share of scores above a threshold that was set on other trajectories; Wilson interval."""
    return wilson(int((scores > threshold).sum()), len(scores), confidence)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Estimate:
    """A proportion with Wilson's interval."""
    if trials == 0:
        return Estimate(None, n=0)
    low, high = proportion_confint(successes, trials, alpha=1 - confidence, method="wilson")
    return Estimate(successes / trials, float(low), float(high), trials)


# ---- paired differences


def d_z(differences: np.ndarray, weights: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Mean of paired differences over their SD (Cohen's d_z); None when they do not vary."""
    n = len(differences)
    spread = _sd(differences)
    if spread is None:
        return Estimate(None, n=n)
    # Deviations from the mean keep the weighted variance exact for large offsets.
    centre = differences.mean()
    moved = differences - centre
    first, second = weights @ moved, weights @ np.square(moved)
    variance = (second - np.square(first)) * n / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = (centre + first) / np.sqrt(np.maximum(variance, 0))
    return Estimate(float(centre / spread), *interval(draws, confidence), n)


def paired_t(differences: np.ndarray, one_sided: bool = False) -> float | None:
    """The p of the paired t-test that the mean difference is 0 (one-sided: not above 0)."""
    if _sd(differences) is None:
        return None
    tail = "greater" if one_sided else "two-sided"
    return float(stats.ttest_1samp(differences, 0.0, alternative=tail).pvalue)


def wilcoxon(differences: np.ndarray, one_sided: bool = False) -> float | None:
    """The p of Wilcoxon's signed-rank test without zero differences; None when all are zero."""
    nonzero = differences[differences != 0]
    if not nonzero.size:
        return None
    tail = "greater" if one_sided else "two-sided"
    return float(stats.wilcoxon(nonzero, alternative=tail).pvalue)


def tost(differences: np.ndarray, bound: float) -> float | None:
    """The p of the two one-sided t-tests that the mean difference lies within ± ``bound``.

    Small p shows equivalence. Differences that do not vary are equivalent beyond doubt when they
    lie within the bound (p = 0), which is what a blind score gives.
    """
    if len(differences) < 2:
        return None
    if _sd(differences) is None:
        return 0.0 if abs(float(differences.mean())) < bound else 1.0
    above = stats.ttest_1samp(differences, -bound, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, bound, alternative="less").pvalue
    return float(max(above, below))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm-adjusted p-values of one family; None (no test possible) stays and is not counted."""
    there = [i for i, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    if there:
        _, corrected, *_ = multipletests([p_values[i] for i in there], method="holm")
        for i, p in zip(there, corrected, strict=True):
            adjusted[i] = float(p)
    return adjusted


def smallest_detectable_d_z(
    n: int, family: int = 1, alpha: float = 0.05, power: float = 0.8, one_sided: bool = False
) -> float | None:
    """The d_z that a paired t-test of n trajectories finds with this power.

    At Holm's strictest step: level ``alpha`` over the size of the family.
    """
    if n < 3:
        return None
    tail = "larger" if one_sided else "two-sided"
    found = TTestPower().solve_power(
        nobs=n, alpha=alpha / max(1, family), power=power, alternative=tail
    )
    return float(np.squeeze(found))


# ---- training seeds on top


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


def _sd(differences: np.ndarray) -> float | None:
    if len(differences) < 2:
        return None
    spread = float(differences.std(ddof=1))
    # Differences equal up to rounding have no spread that a test could lean on.
    scale = max(float(np.abs(differences).max()), 1e-300)
    return spread if spread > 1e-12 * scale else None
