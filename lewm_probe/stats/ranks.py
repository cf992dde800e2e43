"""Ranks and rates of matched cases: AUROC, its gain over a baseline, detection, proportions.

An AUROC is read as a proportion of so many independent comparisons: A (1 − A) over its variance by
DeLong's placements (DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837), where the perturbed
and the reference placement of a case count together, since they share a trajectory. Wilson's score
interval on that many is defined at 0 and 1 and changes continuously towards them. A gain of one
AUROC over another has the MOVER interval of the two (Zou & Donner 2008, Stat. Med. 27:1693), which
inherits both. What all this covers is measured in ``reports/calibration``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, special
from statsmodels.stats.proportion import proportion_confint

from lewm_probe.stats.bootstrap import Estimate

RESOLUTION = 2
"""Comparisons that a case is good for where a score never errs. An estimated variance vanishes
there before the uncertainty does, so ``resolution`` is added to it, and one success and one failure
to the cases in A (1 − A): about ``RESOLUTION`` n comparisons are left at A = 0 or 1, and little
changes elsewhere. With 3 a mixture of noticed and unnoticed cases is covered in 92 %, with 1
intervals near 1 are half as wide again."""

LARGEST_Z = 8.0
"""Where the search for a p-value ends: it is below 1e-15 there."""


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
    low, high = area.bounds((1 - confidence) / 2)
    return Estimate(area.value, low, high, len(compared))


def auroc_p(compared: np.ndarray) -> float:
    """The one-sided p that an AUROC is not above 0.5: the score test of ``auroc_estimate``."""
    area = _Area.of([compared])
    z = (area.value - 0.5) / np.sqrt(0.25 / area.effective)
    return float(special.stdtr(max(1, len(compared) - 1), -z))


def gain_estimate(
    own: np.ndarray, others: Sequence[np.ndarray], confidence: float = 0.95
) -> Estimate:
    """AUROC minus the mean AUROC of a baseline's seeds, on the same cases.

    Args:
        own: ``comparisons`` of the model, (N, N).
        others: the same of each seed of the baseline; their spread is a part of the interval that
            has Student's t of its own, by Howe's rule (1974, J. Am. Stat. Assoc. 69:789).
        confidence: of the interval.
    """
    gain = _Gain.of(own, others)
    tail = (1 - confidence) / 2
    return Estimate(gain.value, gain.low(tail), gain.high(tail), len(own))


def gain_p(own: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """The one-sided p that a gain is not above 0: where the end of ``gain_estimate`` meets 0."""
    gain = _Gain.of(own, others)
    if gain.value == 0:
        return 0.5
    side = gain.low if gain.value > 0 else gain.high

    def end(z: float) -> float:
        return side(float(special.ndtr(-z)))

    z = LARGEST_Z
    if end(z) * gain.value < 0:
        z = float(optimize.brentq(end, 0.0, z, xtol=1e-6))
    tail = float(special.ndtr(-z))
    return tail if gain.value > 0 else 1 - tail


def pairwise_accuracy(
    perturbed: np.ndarray, reference: np.ndarray, confidence: float = 0.95
) -> Estimate:
    """Share of cases whose perturbed trajectory is the more surprising one; ties count half.

    Agresti and Coull's interval (1998, Am. Stat. 52:119): Wilson's covers 91 % where a share is
    near 1, as accuracies are. With ties it is wider than needed.
    """
    wins = (perturbed > reference) + 0.5 * (perturbed == reference)
    alpha, n = 1 - confidence, len(wins)
    low, high = proportion_confint(wins.sum(), n, alpha=alpha, method="agresti_coull")
    return Estimate(float(wins.mean()), float(low), float(high), n)


def threshold_at(clean: np.ndarray, false_positives: float = 0.05) -> float:
    """The order statistic at or above the quantile 1 − ``false_positives`` of ``clean``.

    Places count from 0 to M − 1, so that of 200 values 9 lie above it, not 10.
    """
    return float(np.quantile(clean, 1 - false_positives, method="higher"))


def detection_rate(
    scores: np.ndarray,
    clean: np.ndarray,
    false_positives: float = 0.05,
    confidence: float = 0.95,
) -> Estimate:
    """Share of scores above a threshold that other trajectories set, whose own error counts.

    Between which order statistics of ``clean`` the true quantile lies is known from the Beta
    distribution of their ranks, whatever the values are distributed like (David & Nagaraja 2003,
    Order Statistics, 7.1). How far the rate would move if the threshold lay there, and Wilson's
    interval of the rate itself, are joined as MOVER does (``gain_estimate``).

    Args:
        scores: (N,), one a case.
        clean: (M,), one a trajectory that is not compared.
        false_positives: share of ``clean`` above the threshold.
        confidence: of the interval.
    """
    n, m = len(scores), len(clean)
    if n == 0 or m == 0:
        return Estimate(None, n=n)
    rate = float((scores > threshold_at(clean, false_positives)).mean())
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    above = m * false_positives
    shares = special.betaincinv(m - above + 0.5, above + 0.5, tails)
    lowest, highest = np.floor(m * shares).astype(int)  # ranks, of M
    levels = np.sort(clean)[[max(0, lowest - 1), min(m - 1, highest)]]
    most, least = (float((scores > level).mean()) for level in levels)
    low, high = _score_bounds(rate, n, -special.ndtri(tails[0]))
    low = rate - float(np.hypot(rate - low, rate - min(rate, least)))
    high = rate + float(np.hypot(high - rate, max(rate, most) - rate))
    return Estimate(rate, max(0.0, low), min(1.0, high), n)


def resolution(n: int) -> float:
    """The variance below which n cases cannot tell an AUROC."""
    return 1 / (RESOLUTION * n**2)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Estimate:
    """A proportion with Wilson's interval."""
    if trials == 0:
        return Estimate(None, n=0)
    low, high = proportion_confint(successes, trials, alpha=1 - confidence, method="wilson")
    return Estimate(successes / trials, float(low), float(high), trials)


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
        variance: over cases, and what so many cannot resolve.
        spread: variance of the mean because seeds differ, beyond what cases explain; 0 for one.
        seeds: how many.
    """

    value: float
    influence: np.ndarray
    variance: float
    spread: float
    seeds: int

    @classmethod
    def of(cls, compared: Sequence[np.ndarray]) -> _Area:
        values = np.array([one.mean() for one in compared])  # (S,)
        each = np.array([one.mean(axis=0) + one.mean(axis=1) for one in compared])
        each -= 2 * values[:, None]  # (S, N)
        influence, count = each.mean(axis=0), len(values)
        n = len(influence)
        pairs = n * max(1, n - 1)
        variance = float(influence @ influence) / pairs + resolution(n)
        spread = 0.0
        if count > 1:
            by_cases = np.square(each - influence).sum() / ((count - 1) * pairs)
            spread = max(0.0, float(values.var(ddof=1) - by_cases)) / count
        return cls(float(values.mean()), influence, variance, spread, count)

    @property
    def effective(self) -> float:
        """Independent comparisons that carry as much."""
        n = len(self.influence)
        share = (self.value * n + 1) / (n + 2)
        return share * (1 - share) / self.variance

    def bounds(self, tail: float) -> tuple[float, float]:
        """Wilson's interval with ``tail`` beyond either end, for one seed or these alone."""
        return _score_bounds(self.value, self.effective, _student(tail, len(self.influence) - 1))


class _Gain(NamedTuple):
    """One AUROC minus another on the same cases, and what its interval is made of."""

    own: _Area
    other: _Area
    correlation: float

    @classmethod
    def of(cls, own: np.ndarray, others: Sequence[np.ndarray]) -> _Gain:
        first, second = _Area.of([own]), _Area.of(others)
        n = len(own)
        shared = float(first.influence @ second.influence) / (n * max(1, n - 1))
        # What cannot be resolved is not shared either: equal scores keep an interval.
        correlation = shared / np.sqrt(first.variance * second.variance)
        return cls(first, second, float(correlation))

    @property
    def value(self) -> float:
        return self.own.value - self.other.value

    def low(self, tail: float) -> float:
        own, other = self.own.bounds(tail)[0], self.other.bounds(tail)[1]
        return self.value - self._reach(self.own.value - own, other - self.other.value, tail)

    def high(self, tail: float) -> float:
        own, other = self.own.bounds(tail)[1], self.other.bounds(tail)[0]
        return self.value + self._reach(own - self.own.value, self.other.value - other, tail)

    def _reach(self, first: float, second: float, tail: float) -> float:
        square = first**2 + second**2 - 2 * self.correlation * first * second
        if self.other.spread > 0:
            square += _student(tail, self.other.seeds - 1) ** 2 * self.other.spread
        return float(np.sqrt(max(0.0, square)))


def _student(tail: float, df: int) -> float:
    return float(-special.stdtrit(max(1, df), tail))
