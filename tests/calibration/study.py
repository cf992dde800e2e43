"""What a study of simulated studies counts, and with which Monte-Carlo error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lewm_probe.stats.bootstrap import Estimate


@dataclass(frozen=True)
class Row:
    """One measured rate.

    Attributes:
        study: what was simulated.
        kind: ``test`` (false positives), ``interval`` (coverage), ``verdict``, ``sentence``,
            ``family`` (a null report holds a "yes") or ``power``.
        what: the function or statement.
        scenario: distribution and effect.
        n: trajectories.
        seeds: training seeds, ``3v3``; empty where there are none.
        value: the rate.
        error: its Monte-Carlo standard error.
        repeats: simulated studies.
        goal: the rate that is asked, null where it is printed as it comes.
        width: median width of an interval.
        too_high: share of intervals that lie wholly above the truth.
    """

    study: str
    kind: str
    what: str
    scenario: str
    n: int
    seeds: str
    value: float
    error: float
    repeats: int
    goal: float | None = None
    width: float | None = None
    too_high: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the measured rate meets its goal; null where there is none.

        What is asked of whole reports ("at most 5 %") is the nominal level itself, which a right
        test exceeds in half of all simulations: two Monte-Carlo errors are allowed there.
        """
        if self.goal is None:
            return None
        if self.kind == "interval":
            return self.value >= self.goal
        slack = 2 * self.error if self.kind == "family" else 0.0
        return self.value <= self.goal + slack

    def plain(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}


def rate(hits: Iterable[bool], **keys: Any) -> Row:
    """How often something happened."""
    found = np.asarray(list(hits), dtype=float)
    return Row(value=float(found.mean()), error=_error(found), repeats=len(found), **keys)


def coverage(intervals: Iterable[Estimate], truth: float, **keys: Any) -> Row:
    """How often an interval held the truth; one without ends never does."""
    ends = np.array(
        [
            (np.nan if e.low is None else e.low, np.nan if e.high is None else e.high)
            for e in intervals
        ]
    )  # (R, 2)
    low, high = ends.T
    slack = 1e-12
    inside = (low <= truth + slack) & (truth - slack <= high)
    return Row(
        kind="interval",
        value=float(inside.mean()),
        error=_error(inside),
        repeats=len(inside),
        width=float(np.nanmedian(high - low)),
        too_high=float((low > truth + slack).mean()),
        **keys,
    )


def _error(hits: np.ndarray) -> float:
    """Of a rate; a rate of 0 or 1 has that of one success more or less (rule of succession)."""
    smooth = (hits.sum() + 1) / (len(hits) + 2)
    return float(np.sqrt(smooth * (1 - smooth) / len(hits)))
