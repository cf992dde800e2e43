"""One method minus another: the one engine of all differences, fresh or from stored rows.

A sample is values of each trajectory and the statistic that makes one number of them, so that the
same number can be computed from any resample of the trajectories. Everything that is compared is
made of samples: probes, straightness and surprise of models that run now, and rows that were stored
years ago.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lewm_probe.stats import ranks, seeds
from lewm_probe.stats.bootstrap import Estimate

Key = tuple[tuple[str, Any], ...]
"""Keys of ``Metric`` that say what was measured, as pairs, ``metric`` among them."""

Statistic = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]
"""Values (N, columns) and bootstrap weights (R, N) → the number, and the same in each resample."""

ResampleWeights = Callable[[Sequence[str], str], np.ndarray]
"""Trajectory ids (N) and the side they are of (``shared``, ``ours`` or ``theirs``) → (R, N)."""

ENOUGH = 0.5
"""A difference is paired when the two sides share this part of the smaller one's trajectories."""

OF_RANKS = ("auroc",)
"""Statistics whose spread over resamples vanishes at their ends before the uncertainty does."""


@dataclass(frozen=True)
class Sample:
    """Values by trajectory and the statistic that makes a number of them.

    Attributes:
        values: a row a trajectory, its id in the index, a column each value; NaN for none.
        statistic: ``mean`` (of column 0), ``ratio`` (of the means of 0 and 1), ``auroc`` (0 above
            1), or a function at the top of a module.
    """

    values: pd.DataFrame
    statistic: str | Statistic

    @classmethod
    def of(cls, ids: Sequence[str], *columns: np.ndarray, statistic: str | Statistic) -> Sample:
        """Columns (N,) of trajectories in their order; equal trajectories get names of their own.

        >>> Sample.of(["a", "b", "a"], np.arange(3.0), statistic="mean").values.index.tolist()
        ['a', 'b', 'a#1']
        """
        seen: dict[str, int] = {}
        index = []
        for one in ids:
            count = seen[one] = seen.get(one, -1) + 1
            index.append(f"{one}#{count}" if count else one)
        return cls(pd.DataFrame(np.column_stack(columns), index=index), statistic)

    def ids(self) -> list[str]:
        """Trajectories that have all their values, in order."""
        return list(self.values.index[np.isfinite(self.values.to_numpy()).all(axis=1)])

    def over(self, ids: Sequence[str], weights: np.ndarray) -> tuple[float, np.ndarray]:
        """The number over these trajectories, and in each resample of them (R,)."""
        values = self.values.loc[list(ids)].to_numpy(np.float64)  # (N, columns)
        statistic = self.statistic
        return (STATISTICS[statistic] if isinstance(statistic, str) else statistic)(values, weights)


class Difference(NamedTuple):
    """One method minus another.

    Attributes:
        estimate: with its interval; n counts shared trajectories, or the fewer of two sides.
        paired: the sides were asked about the same trajectories.
        values: the number of each training seed, ours and theirs.
        p: two-sided, of no difference; null where there is no number.
        se: standard error.
        df: degrees of freedom; null: normal.
    """

    estimate: Estimate
    paired: bool
    values: tuple[list[float], list[float]]
    p: float | None = None
    se: float | None = None
    df: float | None = None


def difference(
    ours: Sequence[Sample],
    theirs: Sequence[Sample],
    *,
    weights: ResampleWeights,
    confidence: float = 0.95,
    apart: bool = False,
) -> Difference:
    """One method minus another: a pooled t over training seeds, trajectories added.

    With one checkpoint a side the interval is over trajectories and speaks of these checkpoints.
    The variance over trajectories is that of the difference in each resample, the checkpoints held
    fixed; an AUROC has the resolution of its cases added, so that it is known no better at 1.

    Args:
        ours: a sample a training seed.
        theirs: the same, of the same statistic.
        weights: bootstrap weights for trajectories; the caller's random stream keeps its name.
        confidence: of the interval.
        apart: resample the sides each on its own where they share fewer than ``ENOUGH``; otherwise
            whatever they share is compared.
    """
    ids = [_common(side) for side in (ours, theirs)]
    there = set(ids[1])
    shared = [i for i in ids[0] if i in there]
    paired = not apart or len(shared) >= max(2, ENOUGH * min(map(len, ids)))
    n = len(shared) if paired else min(map(len, ids))
    if n == 0:
        return Difference(Estimate(None, n=0), paired, ([], []))
    values, draws = [], []
    for side, own, name in zip((ours, theirs), ids, ("ours", "theirs"), strict=True):
        chosen, purpose = (shared, "shared") if paired else (own, name)
        drawn = [sample.over(chosen, weights(chosen, purpose)) for sample in side]
        values.append([value for value, _ in drawn])
        draws.append(np.mean([each for _, each in drawn], axis=0))  # (R,)
    moved = draws[0] - draws[1]
    moved = moved[np.isfinite(moved)]
    variance = float(moved.var(ddof=1)) if len(moved) > 1 else 0.0
    if ours[0].statistic in OF_RANKS:
        variance += 2 * ranks.resolution(n)
    found = seeds.pooled(values[0], values[1], variance, confidence)
    return Difference(
        found.estimate._replace(n=n), paired, (values[0], values[1]), found.p, found.se, found.df
    )


def reach(first: str, own: int, second: str, others: int, measures: int = 1) -> str:
    """What a difference between two names can be said of, in one sentence.

    Args:
        first: a name.
        own: its training seeds.
        second: the other name.
        others: its training seeds.
        measures: by how many of them methods are compared, all corrected together.
    """
    sides = f"{first} ({_seeds(own)}) against {second} ({_seeds(others)})"
    if min(own, others) < 2:
        return f"{sides}: differences speak of these checkpoints, not of the methods."
    smallest = seeds.smallest_permutation_p(own, others, measures)
    after = f" after Holm over {measures} measures" if measures > 1 else ""
    return (
        f"{sides}: methods are compared by a t-test over training seeds. The permutation test "
        f"beside it, which assumes less, cannot go below p = {smallest:.2g}{after}."
    )


def _seeds(count: int) -> str:
    return "1 training seed" if count == 1 else f"{count} training seeds"


def _common(side: Sequence[Sample]) -> list[str]:
    """Trajectories that every seed of a side has values for, in the order of the first."""
    first, *others = (sample.ids() for sample in side)
    everywhere = set(first).intersection(*others)
    return [i for i in first if i in everywhere]


# ---- statistics of one checkpoint


def _mean(values: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    return float(values[:, 0].mean()), weights @ values[:, 0]


def _ratio(values: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    above, below = weights @ values[:, 0], weights @ values[:, 1]
    draws = np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
    bottom = float(values[:, 1].mean())
    return float(values[:, 0].mean()) / bottom if bottom > 0 else float("nan"), draws


def _auroc(values: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    compared = ranks.comparisons(values[:, 0], values[:, 1])
    return float(compared.mean()), ranks.auroc_draws(compared, weights)


STATISTICS: Mapping[str, Statistic] = {
    "mean": _mean,
    "ratio": _ratio,
    "auroc": _auroc,
}
