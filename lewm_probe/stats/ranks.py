"""Ranks and rates of matched cases: AUROC, its gain over a baseline, detection, proportions.

An AUROC is read as a proportion of so many independent comparisons: A (1 − A) over its variance by
DeLong's placements (DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837), where the perturbed
and the reference placement of a case count together, since they share a trajectory. Wilson's score
interval on that many is defined at 0 and 1 and changes continuously towards them. A gain of one
AUROC over another has the MOVER interval of the two (Zou & Donner 2008, Stat. Med. 27:1693), which
inherits both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint

from lewm_probe.stats.bootstrap import Estimate

RESOLUTION = 3
"""Comparisons that a case counts for where all of them come out alike. There an estimated variance
vanishes before the uncertainty does: 1 / m² is added to it and 1 / m to A (1 − A), m = 3 n + 2,
which leaves m comparisons at A = 0 or 1 and changes little elsewhere (two groups without ties that
are not matched give 1.5 n at A = 0.5). What this covers is in ``reports/calibration``."""

LARGEST_Z = 40.0
"""Where the search for a p-value ends: it is below 1e-300 there."""


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


def auroc_estimate(compared: np.ndarray, confidence: float = 0.95) -> Estimate:
    """AUROC of matched cases with its score interval, from ``comparisons`` (N, N)."""
    area = _Area.of([compared])
    low, high = area.bounds(stats.norm.isf((1 - confidence) / 2))
    return Estimate(area.value, low, high, len(compared))


def auroc_p(compared: np.ndarray) -> float:
    """The one-sided p that an AUROC is not above 0.5: the score test of ``auroc_estimate``."""
    area = _Area.of([compared])
    return float(stats.norm.sf((area.value - 0.5) / np.sqrt(0.25 / area.effective)))


def gain_estimate(
    own: np.ndarray, others: Sequence[np.ndarray], confidence: float = 0.95
) -> Estimate:
    """AUROC minus the mean AUROC of a baseline's seeds, on the same cases.

    Args:
        own: ``comparisons`` of the model, (N, N).
        others: the same of each seed of the baseline; their spread is part of the interval, with
            Satterthwaite's degrees of freedom.
        confidence: of the interval.
    """
    gain = _Gain.of(own, others)
    multiplier = stats.t.isf((1 - confidence) / 2, gain.df)
    low, high = gain.low(multiplier), gain.high(multiplier)
    return Estimate(gain.value, low, high, len(own))


def gain_p(own: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """The one-sided p that a gain is not above 0: where the end of ``gain_estimate`` meets 0."""
    gain = _Gain.of(own, others)
    if gain.value == 0:
        return 0.5
    end = gain.low if gain.value > 0 else gain.high
    if end(LARGEST_Z) * gain.value > 0:
        z = LARGEST_Z
    else:
        z = float(optimize.brentq(end, 0.0, LARGEST_Z, xtol=1e-6))
    tail = float(stats.t.sf(z, gain.df))
    return tail if gain.value > 0 else 1 - tail


def pairwise_accuracy(
    perturbed: np.ndarray, reference: np.ndarray, confidence: float = 0.95
) -> Estimate:
    """Share of cases whose perturbed trajectory is the more surprising one; ties count half.

    Wilson's interval; with ties it is wider than needed.
    """
    wins = (perturbed > reference) + 0.5 * (perturbed == reference)
    share = float(wins.mean())
    return _wilson(share, len(wins), confidence)


def threshold_at(clean: np.ndarray, false_positives: float = 0.05) -> float:
    """The smallest value that at most a share ``false_positives`` of ``clean`` exceeds."""
    return float(np.quantile(clean, 1 - false_positives, method="higher"))


def detection_rate(
    scores: np.ndarray,
    clean: np.ndarray,
    false_positives: float = 0.05,
    confidence: float = 0.95,
) -> Estimate:
    """Share of scores above a threshold that other trajectories set, whose own error counts.

    The threshold is an order statistic of ``clean``; where it would have lain in another sample is
    known from the Beta distribution of its rank (Maritz & Jarrett 1978, J. Am. Stat. Assoc.
    73:194), and the variance that this adds makes n effectively smaller.

    Args:
        scores: (N,), one a case.
        clean: (M,), one a trajectory that is not compared.
        false_positives: share of ``clean`` above the threshold.
        confidence: of the interval.
    """
    n, m = len(scores), len(clean)
    if n == 0 or m == 0:
        return Estimate(None, n=n)
    ordered = np.sort(clean)
    threshold = threshold_at(clean, false_positives)
    rate = float((scores > threshold).mean())
    rank = int(np.searchsorted(ordered, threshold, side="right"))  # 1 … M
    ends = stats.beta.cdf(np.arange(m + 1) / m, rank, m - rank + 1)
    chance = np.diff(ends)  # (M,): of each order statistic to be the threshold
    rates = 1 - np.searchsorted(np.sort(scores), ordered, side="right") / n
    added = float(chance @ np.square(rates) - (chance @ rates) ** 2)
    smooth = (rate * n + 1) / (n + 2)
    binomial = smooth * (1 - smooth)
    effective = binomial / (binomial / n + max(added, 0.0))
    low, high = _score_bounds(rate, effective, stats.norm.isf((1 - confidence) / 2))
    return Estimate(rate, low, high, n)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Estimate:
    """A proportion with Wilson's interval."""
    if trials == 0:
        return Estimate(None, n=0)
    return _wilson(successes / trials, trials, confidence)


def _wilson(share: float, n: int, confidence: float) -> Estimate:
    low, high = proportion_confint(share * n, n, alpha=1 - confidence, method="wilson")
    return Estimate(share, float(low), float(high), n)


def _score_bounds(share: float, effective: float, z: float) -> tuple[float, float]:
    """Wilson's score interval of a share of ``effective`` trials, at ``z`` standard errors."""
    square = z * z / effective
    centre = (share + square / 2) / (1 + square)
    half = z * np.sqrt(share * (1 - share) / effective + square / (4 * effective)) / (1 + square)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


class _Area(NamedTuple):
    """The mean AUROC of some seeds on the same cases.

    Attributes:
        value: the mean.
        influence: of each case on it, (N,), mean 0.
        spread: variance of the mean by the spread of seeds; 0 for one.
        seeds: how many.
    """

    value: float
    influence: np.ndarray
    spread: float
    seeds: int

    @classmethod
    def of(cls, compared: Sequence[np.ndarray]) -> _Area:
        values = [float(one.mean()) for one in compared]
        value = float(np.mean(values))
        placements = [one.mean(axis=0) + one.mean(axis=1) for one in compared]
        influence = np.mean(placements, axis=0) - 2 * value
        count = len(values)
        spread = float(np.var(values, ddof=1)) / count if count > 1 else 0.0
        return cls(value, influence, spread, count)

    @property
    def sampling(self) -> float:
        """Variance over cases."""
        n = len(self.influence)
        return float(np.square(self.influence).sum() / (n * max(1, n - 1)))

    @property
    def effective(self) -> float:
        """Independent comparisons that carry as much."""
        return (self.value * (1 - self.value) + 1 / self._most) / self.variance

    @property
    def variance(self) -> float:
        """Of the value: over cases and seeds, and what so many cases cannot resolve."""
        return self.sampling + self.spread + 1 / self._most**2

    @property
    def _most(self) -> int:
        return RESOLUTION * len(self.influence) + 2

    def bounds(self, z: float) -> tuple[float, float]:
        return _score_bounds(self.value, self.effective, z)


class _Gain(NamedTuple):
    """One AUROC minus another on the same cases, and what its interval is made of."""

    own: _Area
    other: _Area
    correlation: float
    df: float

    @classmethod
    def of(cls, own: np.ndarray, others: Sequence[np.ndarray]) -> _Gain:
        first, second = _Area.of([own]), _Area.of(others)
        n = len(own)
        shared = float((first.influence * second.influence).sum() / (n * max(1, n - 1)))
        correlation = float(np.clip(shared / np.sqrt(first.variance * second.variance), -1, 1))
        # Satterthwaite: cases have n − 1 degrees of freedom, seeds one less than their number.
        cases = max(first.sampling + second.sampling - 2 * shared, 1e-12)
        below = cases**2 / max(1, n - 1)
        if second.seeds > 1:
            below += second.spread**2 / (second.seeds - 1)
        return cls(first, second, correlation, (cases + second.spread) ** 2 / below)

    @property
    def value(self) -> float:
        return self.own.value - self.other.value

    def low(self, z: float) -> float:
        return self.value - self._reach(
            self.own.value - self.own.bounds(z)[0], self.other.bounds(z)[1] - self.other.value
        )

    def high(self, z: float) -> float:
        return self.value + self._reach(
            self.own.bounds(z)[1] - self.own.value, self.other.value - self.other.bounds(z)[0]
        )

    def _reach(self, first: float, second: float) -> float:
        square = first**2 + second**2 - 2 * self.correlation * first * second
        return float(np.sqrt(max(0.0, square)))
