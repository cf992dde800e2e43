"""One name against another: differences over seeds, and the permutation test beside them."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from tests.recompute import numbers
from tests.recompute.numbers import Answer
from tests.recompute.stored import Metric, Stored, Who, keys_of
from tests.recompute.surprise import Surprise

DIFFERENCES = ("auroc_difference", "mse", "cosine", "psnr", "ssim", "success_rate")
"""Metrics that say with ``versus`` another name how two differ."""


class Methods:
    """All checkpoints of a result."""

    def __init__(self, stored: Stored, surprise: dict[Who, Surprise]) -> None:
        self.stored, self.surprise = stored, surprise

    def answer(self, m: Metric) -> Answer:
        """The difference, or the p of its permutation test."""
        sides = [self.stored.seeds(m["world"], name) for name in (m["model"], m["versus"])]
        ranked = m["analysis"] == "voe"
        values, moves, n = self._ranks(m, sides) if ranked else self._means(m, sides)
        if m["metric"] == "p_permutation":
            return Answer(permutation(*values), n=n)
        value = float(np.mean(values[0]) - np.mean(values[1]))
        moved = np.mean(moves[0], axis=0) - np.mean(moves[1], axis=0)
        variance = float(moved.var(ddof=1)) / n + (1 / n**2 if ranked else 0.0)
        se, df = numbers.pooled_se(values, variance)
        confidence = self.stored.suite(m["world"])["statistics"]["confidence"]
        tail = (1 - confidence) / 2
        half = se * float(stats.norm.isf(tail) if df is None else stats.t.isf(tail, df))
        return Answer(value, value - half, value + half, n)

    def _ranks(self, m: Metric, sides: list[list[Who]]) -> tuple[list, list, int]:
        pairs = [[self.surprise[who].pairs(m["subject"])[0] for who in side] for side in sides]
        values = [[numbers.area(pair) for pair in side] for side in pairs]
        moves = [[numbers.placements(pair) for pair in side] for side in pairs]
        return values, moves, len(pairs[0][0][0])

    def _means(self, m: Metric, sides: list[list[Who]]) -> tuple[list, list, int]:
        keys: dict[str, Any] = keys_of(m, "analysis", "metric", "subject", "features", "method")
        keys |= keys_of(m, "stride", "horizon", "window")
        keys["metric"] = {"success_rate": "success"}.get(m["metric"], m["metric"])
        # Of an analysis that was asked of some training seeds alone, these.
        series = [
            [s for who in side if (s := self.stored.series(who, **keys)) is not None]
            for side in sides
        ]
        everyone = set.intersection(*(set(s.dropna().index) for side in series for s in side))
        ids = sorted(everyone)
        moves = [[s.loc[ids].to_numpy() for s in side] for side in series]
        values = [[float(s.mean()) for s in side] for side in moves]
        return values, moves, len(ids)


def permutation(first: list[float], second: list[float]) -> float | None:
    """Share of all splits of the seeds that lie as far apart."""
    every = np.array([*first, *second])
    m = len(first)
    if math.comb(len(every), m) > 20_000:
        return None
    observed = abs(np.mean(first) - np.mean(second)) - 1e-9 * np.abs(every).max()
    extreme = [
        abs(every[list(c)].mean() - np.delete(every, list(c)).mean()) >= observed
        for c in combinations(range(len(every)), m)
    ]
    return float(np.mean(extreme))
