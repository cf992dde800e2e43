"""Planning once more: rates, distances and tests out of what became of every pair."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tests.recompute import numbers
from tests.recompute.numbers import Answer
from tests.recompute.stored import Metric, Stored, Who, keys_of

FLOORS = (
    "random_policy",
    "do_nothing",
    "copy_action",
    "random_weights",
    "pixel_pca",
    "other_goal",
)


class Planning:
    """What one checkpoint's rows say of planning."""

    def __init__(self, stored: Stored, who: Who) -> None:
        self.stored, self.who = stored, who

    @property
    def confidence(self) -> float:
        """Of intervals."""
        return float(self.stored.suite(self.who.world)["statistics"]["confidence"])

    def answer(self, m: Metric) -> Answer | None:
        """What the rows say that a metric is."""
        name = m["metric"]
        at = keys_of(m, "subject", "window", "control", "method", "features", "dose")
        if name == "success_rate":
            won = self._series("success", **at)
            return wilson(int(won.sum()), len(won), self.confidence)
        if name == "success_seed_sd":
            won, seeds = self._series("success", **at), self._series("pair_seed")
            rates = won.groupby(seeds.loc[won.index].to_numpy()).mean()
            return Answer(float(np.std(rates, ddof=1)))
        if name in ("steps_used", "start_distance", "cost_distance_spearman"):
            found = self._part(name, **at)
            values = np.zeros(0) if found is None else found["value"].to_numpy(float)
            return numbers.student(values, self.confidence)
        if name == "final_distance":
            part = self._part("distance", **at)
            assert part is not None
            ends = part[part["frame"] == part["frame"].max()]
            return numbers.student(ends["value"].to_numpy(float), self.confidence)
        if name in ("plan_seconds", "plan_seconds_p95"):
            part = self._part("plan_seconds", **at)
            assert part is not None
            q = 0.5 if name == "plan_seconds" else 0.95
            return Answer(float(np.quantile(part["value"].to_numpy(float), q)))
        own = self._series("success", **{**at, "control": None})
        others = self._floors(at)
        if name == "success_rate_over_floor":
            best = max(others.values(), key=lambda one: one.mean())
            assert others[m["versus"]].mean() == best.mean()
            return newcombe(own, others[m["versus"]], self.confidence)
        assert name in ("p_noticed", "p_beyond"), name
        return Answer(max(mid_p(own, other) for other in others.values()))

    def _floors(self, at: dict[str, Any]) -> dict[str, pd.Series]:
        found = {}
        for control in FLOORS:
            for method in (None, at["method"]):
                part = self._part("success", **{**at, "control": control, "method": method})
                if part is not None:
                    found[control] = by_id(part)
        return found

    def _series(self, metric: str, **keys: Any) -> pd.Series:
        part = self._part(metric, **keys)
        assert part is not None, (metric, keys)
        return by_id(part)

    def _part(self, metric: str, **keys: Any) -> pd.DataFrame | None:
        return self.stored.part(self.who, analysis="plan", metric=metric, **keys)


def by_id(part: pd.DataFrame) -> pd.Series:
    """A value for each pair."""
    return pd.Series(part["value"].to_numpy(float), index=part["trajectory_id"].to_numpy())


def wilson(won: int, n: int, confidence: float) -> Answer:
    """Wilson's score interval, solved by hand."""
    z, p = float(stats.norm.isf((1 - confidence) / 2)), won / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Answer(p, centre - half, centre + half, n)


def newcombe(own: pd.Series, other: pd.Series, confidence: float) -> Answer:
    """Newcombe's method 10 for shares of the same pairs."""
    a = own.to_numpy() > 0.5
    b = other.loc[own.index].to_numpy() > 0.5
    n = len(a)
    first = wilson(int(a.sum()), n, confidence)
    second = wilson(int(b.sum()), n, confidence)
    e, f = int((a & b).sum()), int((a & ~b).sum())
    g, h = int((~a & b).sum()), int((~a & ~b).sum())
    below = math.sqrt((e + f) * (g + h) * (e + g) * (f + h))
    cross = e * h - f * g
    phi = 0.0 if below == 0 else (max(cross - n / 2, 0) if cross > 0 else cross) / below
    assert None not in (*first, *second)
    d1, u1 = first.value - first.low, first.high - first.value  # type: ignore[operator]
    d2, u2 = second.value - second.low, second.high - second.value  # type: ignore[operator]
    value = first.value - second.value  # type: ignore[operator]
    low = value - math.sqrt(d1**2 - 2 * phi * d1 * u2 + u2**2)
    high = value + math.sqrt(u1**2 - 2 * phi * u1 * d2 + d2**2)
    return Answer(value, max(-1.0, low), min(1.0, high), n)


def mid_p(own: pd.Series, other: pd.Series) -> float:
    """McNemar's test of one side, half of what was seen counted."""
    a = own.to_numpy() > 0.5
    b = other.loc[own.index].to_numpy() > 0.5
    f, g = int((a & ~b).sum()), int((~a & b).sum())
    return float(stats.binom.sf(f, f + g, 0.5) + 0.5 * stats.binom.pmf(f, f + g, 0.5))
