"""The project's statistics once more, from their papers: nothing here is imported from it.

Slower and plainer than what they check; scipy has what it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats


class Answer(NamedTuple):
    """A number as it comes out of rows; None for what has no closed form, or is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


def student(values: np.ndarray, confidence: float) -> Answer:
    """Mean with Student's t interval; NaN left out."""
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return Answer(None, n=0)
    if n == 1:
        return Answer(float(values[0]), n=1)
    centre, error = values.mean(), stats.sem(values)
    if error == 0:
        return Answer(float(centre), float(centre), float(centre), n)
    low, high = stats.t.interval(confidence, n - 1, loc=centre, scale=error)
    return Answer(float(centre), float(low), float(high), n)


# ---- ranks

Pair = tuple[np.ndarray, np.ndarray]
"""Perturbed (n,) and reference (n,) scores of the same cases."""


def area(pair: Pair) -> float:
    """AUROC: the share of pairings in which the perturbed one is larger, a tie counting half."""
    perturbed, reference = pair
    ordered = np.sort(reference)
    below = np.searchsorted(ordered, perturbed, "left")
    not_above = np.searchsorted(ordered, perturbed, "right")
    return float((below + not_above).mean() / 2 / len(reference))


def placements(pair: Pair, sign: int = 1) -> np.ndarray:
    """How much each case moves the AUROC (DeLong): both of its placements, centred, (n,)."""
    perturbed, reference = pair
    n = len(perturbed)
    below = stats.rankdata(np.concatenate(pair))
    # Ranks within both samples less ranks within one: how many of the other lie below.
    above = (below[:n] - stats.rankdata(perturbed)) / n
    under = 1 - (below[n:] - stats.rankdata(reference)) / n
    each = above + under
    return sign * (each - each.mean())


class Area(NamedTuple):
    """The mean AUROC of one or several seeds on the same cases, used as it is or flipped."""

    value: float
    moves: np.ndarray
    variance: float
    spread: float
    seeds: int

    @classmethod
    def of(cls, pairs: Sequence[Pair], sign: int = 1) -> Area:
        n = len(pairs[0][0])
        values = np.array([area(pair) if sign == 1 else 1 - area(pair) for pair in pairs])
        moves = np.array([placements(pair, sign) for pair in pairs])
        mean = moves.mean(axis=0)
        variance = float(np.var(mean, ddof=1)) / n if n > 1 else 0.0
        spread = 0.0
        if len(pairs) > 1:
            cases = float(np.square(moves - mean).sum()) / ((len(pairs) - 1) * n * (n - 1))
            spread = max(0.0, float(values.var(ddof=1)) - cases) / len(pairs)
        return cls(float(values.mean()), mean, variance + 1 / (2 * n**2), spread, len(pairs))

    @property
    def trials(self) -> float:
        n = len(self.moves)
        smooth = (self.value * n + 1) / (n + 2)
        return smooth * (1 - smooth) / self.variance

    def ends(self, tail: float) -> tuple[float, float]:
        z = float(stats.t.isf(tail, max(1, len(self.moves) - 1)))
        return wilson(self.value, self.trials, z)


def wilson(share: float, trials: float, z: float) -> tuple[float, float]:
    """Where (share − p)² = z² p (1 − p) / trials."""
    a, b, c = 1 + z * z / trials, 2 * share + z * z / trials, share * share
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return max(0.0, (b - root) / (2 * a)), min(1.0, (b + root) / (2 * a))


def auroc(found: Area, confidence: float) -> Answer:
    """AUROC with the score interval on the comparisons that its variance is worth."""
    return Answer(found.value, *found.ends((1 - confidence) / 2), len(found.moves))


def auroc_p(found: Area) -> float:
    """One-sided score test of AUROC <= 0.5."""
    z = (found.value - 0.5) * 2 * math.sqrt(found.trials)
    return float(stats.t.sf(z, max(1, len(found.moves) - 1)))


class Gain(NamedTuple):
    """One AUROC minus another by MOVER (Zou & Donner 2008)."""

    own: Area
    other: Area

    def end(self, tail: float, side: int) -> float:
        """The lower (−1) or upper (+1) end with ``tail`` beyond it."""
        own, other = self.own.ends(tail), self.other.ends(tail)
        first = abs(own[0 if side < 0 else 1] - self.own.value)
        second = abs(other[1 if side < 0 else 0] - self.other.value)
        n = len(self.own.moves)
        shared = float(np.cov(self.own.moves, self.other.moves)[0, 1]) / n
        rho = shared / math.sqrt(self.own.variance * self.other.variance)
        square = first**2 + second**2 - 2 * rho * first * second
        if self.other.spread > 0:
            square += float(stats.t.isf(tail, self.other.seeds - 1)) ** 2 * self.other.spread
        return self.value + side * math.sqrt(max(0.0, square))

    @property
    def value(self) -> float:
        return self.own.value - self.other.value

    def answer(self, confidence: float) -> Answer:
        tail = (1 - confidence) / 2
        return Answer(self.value, self.end(tail, -1), self.end(tail, 1), len(self.own.moves))

    @property
    def p(self) -> float:
        """One-sided, of no gain."""
        if self.value == 0:
            return 0.5
        side = -1 if self.value > 0 else 1

        def at(z: float) -> float:
            return self.end(float(stats.norm.sf(z)), side)

        z = 8.0 if at(8.0) * self.value >= 0 else float(optimize.brentq(at, 0, 8, xtol=1e-9))
        tail = float(stats.norm.sf(z))
        return tail if side < 0 else 1 - tail


def detection(scores: np.ndarray, calm: np.ndarray) -> float:
    """Share above the order statistic at or above the 95 % place between first and last."""
    place = math.ceil(0.95 * (len(calm) - 1) - 1e-9)
    return float(np.mean(scores > np.sort(calm)[place]))


# ---- paired differences


def varies(values: np.ndarray) -> bool:
    """Beyond rounding."""
    return len(values) > 1 and values.std(ddof=1) > 1e-12 * max(np.abs(values).max(), 1e-300)


def d_z(values: np.ndarray) -> float | None:
    """Cohen's, of paired differences."""
    return float(values.mean() / values.std(ddof=1)) if varies(values) else None


def hall_p(values: np.ndarray, mean: float = 0.0) -> float:
    """One-sided p of a mean not above ``mean``: Student's, or Hall's (1992) if that is larger."""
    n = len(values)
    u = (values.mean() - mean) / values.std(ddof=1)
    g = float(stats.skew(values))
    cubic = math.sqrt(n) * (u + g * u**2 / 3 + g**2 * u**3 / 27 + g / (6 * n))
    return float(max(stats.t.sf(math.sqrt(n) * u, n - 1), stats.t.sf(cubic, n - 1)))


def paired_p(values: np.ndarray, one_sided: bool) -> float | None:
    """The paired t-test."""
    if not varies(values):
        return None
    if one_sided:
        return hall_p(values)
    return min(1.0, 2 * min(hall_p(values), hall_p(-values)))


def tost(values: np.ndarray, bound: float) -> float | None:
    """Equivalence within ± ``bound``."""
    if not varies(values):
        return None if len(values) < 2 else float(abs(values.mean()) >= bound)
    return max(hall_p(values, -bound), hall_p(-values, -bound))


def wilcoxon(values: np.ndarray, one_sided: bool) -> float | None:
    """Signed ranks without zero differences."""
    values = values[values != 0]
    if not len(values):
        return None
    tail = "greater" if one_sided else "two-sided"
    return float(stats.wilcoxon(values, alternative=tail).pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, by their definition."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = largest
    return adjusted


# ---- others


def reciprocal(pseudo: np.ndarray, most: float, confidence: float) -> Answer:
    """One over the mean of pseudo-values, and over the ends of its interval."""
    found = student(pseudo, confidence)

    def turned(value: float | None) -> float | None:
        return None if value is None else most if value <= 0 else min(most, 1 / value)

    return Answer(turned(found.value), turned(found.high), turned(found.low), found.n)


def pooled_se(sides: Sequence[Sequence[float]], variance: float) -> tuple[float, float | None]:
    """Standard error of a difference over seeds, and its degrees of freedom."""
    m, n = map(len, sides)
    df = m + n - 2
    if not df:
        return math.sqrt(variance), None
    squares = sum((len(side) - 1) * np.var(side, ddof=1) for side in sides if len(side) > 1)
    return math.sqrt(squares / df * (1 / m + 1 / n) + variance), df


Source = Callable[[dict], "Answer | None"]
"""A metric → what rows say it is; None where they do not."""


def neighbourhoods(true: np.ndarray, view: np.ndarray, k: int) -> dict[str, float]:
    """Trustworthiness and share of kept neighbours of a view of places, (N, 2) both.

    Venna and Kaski's (2001). On a grid many places are as near: each takes the best of their ranks.
    """
    n = len(true)
    between = [np.hypot(*(p[:, None] - p[None]).transpose(2, 0, 1)) for p in (true, view)]
    kept, intruded = 0, 0
    for i in range(n):
        others = np.arange(n) != i
        apart, drawn = between[0][i][others], between[1][i][others]
        nearest = np.argsort(drawn, kind="stable")[:k]
        ranks = np.array([1 + np.sum(apart < apart[j] * (1 - 1e-5)) for j in nearest])
        kept += int((ranks <= k).sum())
        intruded += int(np.maximum(ranks - k, 0).sum())
    return {
        "neighbourhood_overlap": kept / (k * n),
        "trustworthiness": 1 - 2 * intruded / (n * k * (2 * n - 3 * k - 1)),
    }
