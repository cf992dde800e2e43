"""Ranks and rates of matched cases: AUROC, detection, proportions."""

from __future__ import annotations

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from lewm_probe.stats.bootstrap import Estimate, interval, mean


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
