"""Golden-section search on a logarithmic scale: the best value in a range, one trial a step.

Two trials inside the range divide it so that, whichever end is left behind, one of them divides
what remains in the same way. Each further trial leaves 0.618 of the range. A score with a single
valley is assumed, and trusted no further than its noise: where the trainings' seeds make the
difference between the two trials as uncertain as it is large, the search ends and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lewm_probe.search.tuning.bisection import rounded

RATIO = (math.sqrt(5) - 1) / 2
"""0.618: what a step leaves of the range."""

Costs = Sequence[float] | None
"""What is made small, a value a training seed; None: not to be chosen, whatever it costs."""

Ended = Literal["resolution", "noise", "trials"]


@dataclass(frozen=True)
class Valley:
    """Where the best value lies.

    Attributes:
        low: of the range that is left.
        high: likewise.
        tried: values in the order in which they were tried.
        ended: ``resolution`` (what is left is within the tolerance), ``noise`` between seeds, or
            ``trials`` (no more were allowed).
        why: the same in words.
    """

    low: float
    high: float
    tried: tuple[float, ...]
    ended: Ended
    why: str


def most_trials(low: float, high: float, tolerance: float) -> int:
    """Trials that ``golden_section`` takes at the most.

    >>> most_trials(0.1, 1.0, 1.5), most_trials(0.9, 1.0, 1.5)
    (5, 0)
    """
    width, least = math.log(high / low), math.log(tolerance)
    if width <= least:
        return 0
    return 1 + math.ceil(math.log(width / least) / -math.log(RATIO) - 1e-9)


def golden_section(
    low: float,
    high: float,
    tolerance: float,
    measure: Callable[[Sequence[float]], list[Costs]],
    most: int,
) -> Valley:
    """Narrow a range to where ``measure`` is smallest.

    Args:
        low: of the range, above 0.
        high: of the range.
        tolerance: factor between the ends of what is left.
        measure: costs of values, all of them asked for at once where they are independent; one
            value a training seed, in the same order each time.
        most: trials allowed.

    >>> def costs(values): return [[abs(math.log(v / 0.3))] for v in values]
    >>> valley = golden_section(0.01, 10.0, 1.2, costs, most=20)
    >>> valley.low < 0.3 < valley.high, valley.high / valley.low < 1.2, valley.ended
    (True, True, 'resolution')
    """
    a, b, least = math.log(low), math.log(high), math.log(tolerance)
    tried: list[float] = []

    def ended(kind: Ended, why: str) -> Valley:
        ends = rounded(math.exp(a)), rounded(math.exp(b))
        return Valley(*ends, tuple(tried), kind, why)

    def ask(*places: float) -> list[Costs]:
        values = [rounded(math.exp(place)) for place in places]
        tried.extend(values)
        return measure(values)

    within = f"what is left spans no more than a factor of {tolerance:g}"
    if b - a <= least:
        return ended("resolution", within)
    if most < 2:
        return ended("trials", "no trials are left for the two that divide the range")
    c, d = b - RATIO * (b - a), a + RATIO * (b - a)
    at_c, at_d = ask(c, d)
    while True:
        if (noise := indistinct(at_c, at_d)) is not None:
            values = f"{rounded(math.exp(c)):g} and {rounded(math.exp(d)):g}"
            return ended("noise", f"between {values} {noise}")
        if _cost(at_c) <= _cost(at_d):
            b, d, at_d = d, c, at_c
            c, new = b - RATIO * (b - a), "c"
        else:
            a, c, at_c = c, d, at_d
            d, new = a + RATIO * (b - a), "d"
        if b - a <= least:
            return ended("resolution", within)
        if len(tried) >= most:
            return ended("trials", "no trials are left")
        if new == "c":
            (at_c,) = ask(c)
        else:
            (at_d,) = ask(d)


def indistinct(first: Costs, second: Costs) -> str | None:
    """Why two trials cannot be told apart: their difference is no larger than its standard error.

    Seeds are shared, so that differences are taken seed by seed. None: they can be told apart, or
    nothing says how uncertain they are (one seed, or one of them is not to be chosen).

    >>> indistinct([1.0, 2.0], [1.1, 2.1]) is None, indistinct([1.0], [1.0]) is None
    (True, True)
    >>> indistinct([1.0, 2.0], [1.5, 1.0])
    'the scores differ by 0.25 with a standard error of 0.75 between 2 seeds: more than is sought'
    """
    if first is None or second is None or min(len(first), len(second)) < 2:
        return None
    differences = np.subtract(first, second)
    if not np.isfinite(differences).all():
        return None
    difference = float(differences.mean())
    error = float(differences.std(ddof=1) / math.sqrt(len(differences)))
    if abs(difference) > error:
        return None
    return (
        f"the scores differ by {abs(difference):.3g} with a standard error of {error:.3g} between "
        f"{len(differences)} seeds: more than is sought"
    )


def _cost(costs: Costs) -> float:
    """Mean over seeds; infinite for what is not to be chosen, so that the range moves downwards."""
    mean = math.inf if costs is None or not len(costs) else float(np.mean(costs))
    return mean if math.isfinite(mean) else math.inf
