"""Shares of the same cases: whether one way succeeds more often than another.

Pairs of outcomes that agree say nothing of a difference; what counts are the cases in which one way
succeeded and the other did not (McNemar 1947, Psychometrika 12:153).
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from lewm_probe.stats.bootstrap import Estimate
from lewm_probe.stats.ranks import wilson


def matched_difference(ours: np.ndarray, theirs: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Difference of two shares over the same cases, with Newcombe's interval for paired data.

    Wilson's intervals of both joined by their correlation (Newcombe 1998, Stat. Med. 17:2635,
    method 10, with the continuity correction of φ), which keeps within −1 and 1 and is defined
    where all succeed.

    Args:
        ours: bool (N,).
        theirs: bool (N,).
        confidence: of the interval.
    """
    n = len(ours)
    if n == 0:
        return Estimate(None, n=0)
    both, neither = int((ours & theirs).sum()), int((~ours & ~theirs).sum())
    first, second = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    p1, l1, u1, _ = wilson(both + first, n, confidence)
    p2, l2, u2, _ = wilson(both + second, n, confidence)
    assert p1 is not None and l1 is not None and u1 is not None
    assert p2 is not None and l2 is not None and u2 is not None
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    phi = 0.0
    if product:
        cross = both * neither - first * second
        shifted = max(cross - n / 2, 0.0) if cross > 0 else float(cross)
        phi = shifted / np.sqrt(product)
    down, up = p1 - l1, u2 - p2
    low = np.sqrt(down**2 - 2 * phi * down * up + up**2)
    up_, down_ = u1 - p1, p2 - l2
    high = np.sqrt(up_**2 - 2 * phi * up_ * down_ + down_**2)
    value = p1 - p2
    return Estimate(value, float(max(-1.0, value - low)), float(min(1.0, value + high)), n)


def matched_p(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The one-sided p that ours succeed no more often: McNemar's exact test, mid-p.

    Mid-p keeps its level on average and is less timid than the exact test with few discordant
    cases (Fagerland, Lydersen & Laake 2013, BMC Med. Res. Methodol. 13:91).
    """
    first, second = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    n = first + second
    if n == 0:
        return 0.5
    above = float(special.bdtrc(first - 1, n, 0.5)) if first > 0 else 1.0  # P(X ≥ first)
    return above - 0.5 * float(stats.binom.pmf(first, n, 0.5))
