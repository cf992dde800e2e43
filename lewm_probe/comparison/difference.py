"""One model against another on the same trajectories, for any number that each trajectory has."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Keys, Values
from lewm_probe.core.seeding import stream
from lewm_probe.stats import bootstrap, seeds
from lewm_probe.stats.bootstrap import Estimate


def write_differences(
    recorder: ResultRecorder,
    metric: str,
    checkpoints: Sequence[Checkpoint],
    values: Sequence[Values],
    weights: np.ndarray,
) -> None:
    """Write the mean of one model minus that of another, for each two names and each key.

    With one checkpoint each, the interval is over trajectories and speaks of these checkpoints.
    With more (training seeds), checkpoints are drawn before trajectories, and the metric carries no
    training seed or step. ``values`` hold a number for each trajectory, (N,), NaN for none;
    ``weights`` (R, N) come from ``bootstrap.resamples``.
    """
    grouped: dict[str, dict[Keys, list[np.ndarray]]] = {}
    for checkpoint, found in zip(checkpoints, values, strict=True):
        for key, each in found.items():
            grouped.setdefault(checkpoint.name, {}).setdefault(key, []).append(each)
    for first, second in combinations(grouped, 2):
        owner = next(s for s in checkpoints if s.name == first)
        for key, mine in grouped[first].items():
            theirs = grouped[second].get(key)
            if theirs is None:
                continue
            keys = dict(key, versus=second)
            if len(mine) == len(theirs) == 1:
                confidence = recorder.suite.statistics.confidence
                estimate = bootstrap.mean(mine[0] - theirs[0], weights, confidence)
            else:
                estimate = _between_methods(mine, theirs, weights, recorder)
                keys |= {"train_seed": None, "step": None}
            recorder.metric(owner, metric, estimate, **keys)


def _between_methods(
    mine: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    weights: np.ndarray,
    recorder: ResultRecorder,
) -> Estimate:
    """Checkpoints are drawn, then trajectories; those without a value anywhere are left out."""
    suite = recorder.suite
    there = np.isfinite(np.stack([*mine, *theirs])).all(axis=0)
    if not there.any():
        return Estimate(None, n=0)
    shares = weights[:, there]
    total = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, total, out=np.full_like(shares, np.nan), where=total > 0)
    rng = stream(suite.seed, recorder.analysis, "training seeds")
    draws = [seeds.seed_draws([shares @ v[there] for v in s], rng) for s in (mine, theirs)]
    value = float(np.mean([v[there] for v in mine]) - np.mean([v[there] for v in theirs]))
    bounds = bootstrap.interval(draws[0] - draws[1], suite.statistics.confidence)
    return Estimate(value, *bounds, int(there.sum()))
