"""Bisection on a logarithmic scale: the smallest value that passes, in O(log n) trials.

LeWM's λ is its only effective hyper-parameter, so that it "can be found by bisection in O(log n)"
(LeWM, arXiv 2603.19312). The scale is a grid of n + 1 points whose neighbours differ by at most
``tolerance`` times: what trying all of them would tell, bisection tells in ⌈log₂(n + 2)⌉ trials.

It is assumed that whatever lies above a value that passes, passes too. Bisection alone never sees
that this is wrong, as it looks only between what fails and what passes; ``contradictions`` looks at
all trials there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

DIGITS = 6
"""Significant digits of a value: enough to tell neighbours apart, few enough to type."""


def rounded(value: float) -> float:
    """A value as it is trained, written and found again."""
    return float(f"{value:.{DIGITS}g}")


def log_grid(low: float, high: float, tolerance: float) -> list[float]:
    """Evenly spaced on a logarithmic scale from ``low`` to ``high``, at most ``tolerance`` apart.

    >>> log_grid(0.01, 1.0, 10.0), len(log_grid(1e-4, 10.0, 1.5))
    ([0.01, 0.1, 1.0], 30)
    """
    cells = max(1, math.ceil(math.log(high / low) / math.log(tolerance) - 1e-9))
    return even_grid(low, high, cells + 1)


def even_grid(low: float, high: float, points: int) -> list[float]:
    """So many points, evenly spaced on a logarithmic scale.

    >>> even_grid(0.01, 1.0, 3)
    [0.01, 0.1, 1.0]
    """
    if points == 1:
        return [rounded(math.sqrt(low * high))]
    step = math.log(high / low) / (points - 1)
    return [rounded(low * math.exp(step * k)) for k in range(points)]


def most_trials(points: int) -> int:
    """Trials that ``bisect`` takes at the most among so many points.

    >>> [most_trials(n) for n in (1, 2, 3, 30)]
    [1, 2, 2, 5]
    """
    return math.ceil(math.log2(points + 1))


@dataclass(frozen=True)
class Threshold:
    """Where values begin to pass.

    Attributes:
        passes: the smallest point that passes; None: none does.
        fails: the point below it, which fails; None: the smallest passes already.
        tried: points in the order in which they were tried.
    """

    passes: float | None
    fails: float | None
    tried: tuple[float, ...]


def bisect(points: list[float], passes: Callable[[float], bool]) -> Threshold:
    """The first of ascending ``points`` that passes.

    Neither end is tried beforehand: below the points all is taken to fail, above them to pass, so
    that "none" and "all" are answers like others.

    >>> bisect([0.01, 0.1, 1.0, 10.0], lambda value: value >= 0.5).passes
    1.0
    """
    fails, works = -1, len(points)
    tried = []
    while works - fails > 1:
        middle = (fails + works) // 2
        tried.append(points[middle])
        if passes(points[middle]):
            works = middle
        else:
            fails = middle
    return Threshold(
        points[works] if works < len(points) else None,
        points[fails] if fails >= 0 else None,
        tuple(tried),
    )


def contradictions(passed: Mapping[float, bool]) -> list[tuple[float, float]]:
    """Pairs (a smaller value that passes, a larger one that fails): where it is not monotone.

    Each failing value is named once, with the largest passing one below it.

    >>> contradictions({0.1: True, 0.2: False, 0.5: True, 1.0: True})
    [(0.1, 0.2)]
    """
    found, below = [], None
    for value in sorted(passed):
        if passed[value]:
            below = value
        elif below is not None:
            found.append((below, value))
    return found
