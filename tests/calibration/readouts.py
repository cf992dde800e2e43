"""Scores of probes, and counts of directions, over trajectories."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from lewm_probe.analyses.readout.scaling import Scaler
from lewm_probe.analyses.readout.scores import score
from lewm_probe.analyses.readout.targets import Target
from lewm_probe.stats import bootstrap, spectrum
from tests.calibration import scenarios
from tests.calibration.study import Row, coverage

FRAMES = 3
"""Frames of a test trajectory that are read, as in the suites."""


def _read(rng: np.random.Generator, kind: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A position (N, T, 2) and what a probe says of it; frames of a trajectory hang together."""
    start = rng.uniform(-1.5, 1.5, (n, 1, 2))
    true = start + 0.2 * rng.standard_normal((n, FRAMES, 2)).cumsum(axis=1)
    shape = (n, FRAMES, 2)
    if kind.startswith("real"):
        # Errors of any direction whose mean square is that of a stored trajectory.
        error = rng.standard_normal(shape)
        size = rng.choice(scenarios.errors(kind), (n, 1, 1))
        return true, true + error * np.sqrt(
            size / np.square(error).mean(axis=(1, 2), keepdims=True)
        )
    shared = scenarios.draw(kind, rng, (n, 1, 2))[0]
    own = scenarios.draw(kind, rng, shape)[0]
    return true, true + 0.3 * np.sqrt(0.5) * (shared + own)


@lru_cache
def _truth(kind: str) -> dict[str, float]:
    """Scores of 400,000 trajectories."""
    true, said = _read(np.random.default_rng(12), kind, 400_000)
    flat, guess = true.reshape(-1, 2), said.reshape(-1, 2)
    squared = np.square(flat - guess).mean(axis=0)
    r = [np.corrcoef(flat[:, k], guess[:, k])[0, 1] for k in range(2)]
    r2 = 1 - squared / flat.var(axis=0)
    return {"mse": float(squared.mean()), "pearson_r": float(np.mean(r)), "r2": float(r2.mean())}


def probes(rng: np.random.Generator, repeats: int, kind: str, n: int) -> Iterator[Row]:
    """MSE, r and R² of a probe."""
    scaler = Scaler(np.zeros(2), np.ones(2))
    found: dict[str, list] = {name: [] for name in _truth(kind)}
    for _ in range(repeats):
        true, said = _read(rng, kind, n)
        target = Target("position", true, ("x", "y"), "px", "position")
        weights = bootstrap.resamples(n, 400, rng)
        scores = score(target, said[None], scaler, weights)
        for name, estimates in found.items():
            estimates.append(scores.estimates[name])
    for name, truth in _truth(kind).items():
        yield coverage(found[name], truth, study="probe scores", what=name, scenario=kind, n=n,
                       seeds="", goal=scenarios.goal_of_interval(kind))  # fmt: skip


WIDTH, TIMES = 64, 20


def _latents(rng: np.random.Generator, n: int, heavy: bool) -> np.ndarray:
    """Paths of an autoregression whose axes have decaying scales, (N, T, D)."""
    scale = np.exp(-np.arange(WIDTH) / 16)
    z = rng.standard_normal((n, TIMES, WIDTH))
    for t in range(1, TIMES):
        z[:, t] = 0.7 * z[:, t - 1] + np.sqrt(1 - 0.7**2) * z[:, t]
    if heavy:  # some trajectories reach three times as far
        z *= np.where(rng.random((n, 1, 1)) < 0.05, 3.0, 1.0)
    return z * scale


def ranks_of_latents(rng: np.random.Generator, repeats: int, n: int, heavy: bool) -> Iterator[Row]:
    """Effective rank and participation ratio of a population whose covariance is known."""
    scale = np.exp(-np.arange(WIDTH) / 16)
    factor = 1 + 0.05 * (9 - 1) if heavy else 1.0
    moments = np.diag(factor * scale**2)
    truths = {
        "effective rank": spectrum.rank_of_moments(moments),
        "participation ratio": spectrum.participation_ratio(moments),
    }
    found: dict[str, list] = {name: [] for name in truths}
    for _ in range(repeats):
        z = _latents(rng, n, heavy)
        found["effective rank"].append(spectrum.rank_estimate(z)[0])
        found["participation ratio"].append(spectrum.participation_estimate(z)[0])
    kind = "contaminated" if heavy else "normal"
    for what, truth in truths.items():
        yield coverage(found[what], truth, study="directions", what=what, seeds="", n=n,
                       scenario=f"{kind}, {truth:.1f} of {WIDTH}",
                       goal=scenarios.goal_of_interval(kind))  # fmt: skip
