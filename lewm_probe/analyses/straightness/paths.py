"""The shape of paths through a space: how straight they run (pure functions of arrays).

v_t = z_{t+1} − z_t; straightness S is the mean over time, then over trajectories, of
cos(v_t, v_{t+1}) (LeWorldModel, arXiv 2603.19312). A line gives 1, a random walk 0, independent
noise −0.5 in high dimension (``noise_straightness`` for a given width).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, hyp2f1

EPSILON = 1e-6
"""Steps no longer than this many times the latents' overall SD have no direction."""


class Turns(NamedTuple):
    """The turn at each inner frame; NaN where a step is too short to have a direction.

    Attributes:
        cosine: cos(v_t, v_{t+s}), (N, T − 2s).
        degrees: the same angle in degrees, (N, T − 2s).
    """

    cosine: np.ndarray
    degrees: np.ndarray


def turns(
    paths: np.ndarray, stride: int = 1, epsilon: float = EPSILON, scale: float | None = None
) -> Turns:
    """Turning angles of paths (N, T, D) seen every ``stride`` frames, from every starting frame.

    ``scale`` is the spread that ``epsilon`` is measured in (default: ``overall_sd`` of these
    paths). A trajectory with fewer than 2·stride + 1 frames has no turn: the arrays are then
    (N, 0).
    """
    paths = np.asarray(paths, dtype=np.float64)
    if scale is None:
        scale = overall_sd(paths)
    steps = paths[:, stride:] - paths[:, :-stride]  # (N, T − s, D)
    length = np.linalg.norm(steps, axis=-1)
    before, after = steps[:, :-stride], steps[:, stride:]  # (N, T − 2s, D)
    long_enough = length > epsilon * scale  # a constant path has scale 0 and no direction either
    both = long_enough[:, :-stride] & long_enough[:, stride:]
    product = np.where(both, length[:, :-stride] * length[:, stride:], np.nan)
    cosine = np.clip((before * after).sum(-1) / product, -1, 1)
    return Turns(cosine, np.degrees(np.arccos(cosine)))


def straightness_of(latents: np.ndarray, stride: int = 1, epsilon: float = EPSILON) -> float:
    """S of latents (B, T, D): mean over time, then over trajectories; NaN when none moves.

    >>> line = np.arange(5.0)[None, :, None] * np.ones((1, 1, 3))
    >>> straightness_of(line)
    1.0
    """
    return _mean(per_trajectory(turns(latents, stride, epsilon).cosine))


def per_trajectory(values: np.ndarray) -> np.ndarray:
    """Mean over the frames that count: (N, frames) with NaN for masked ones → (N,), NaN if none."""
    counted = np.isfinite(values)
    count = counted.sum(axis=1)
    total = np.where(counted, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def overall_sd(paths: np.ndarray) -> float:
    """Root of the variance over all frames, averaged over axes: (N, T, D) → scalar."""
    flat = np.asarray(paths, dtype=np.float64).reshape(-1, np.shape(paths)[-1])
    return float(np.sqrt(flat.var(axis=0).mean()))


def noise_straightness(width: int) -> float:
    """Expected S of independent Gaussian noise in ``width`` dimensions, in closed form.

    Neighbouring differences correlate by ρ = −1/2 in every axis, so their cosine has the mean of a
    sample correlation with D degrees of freedom (Hotelling 1953):
    ρ · (2/D) · (Γ((D+1)/2) / Γ(D/2))² · ₂F₁(1/2, 1/2; D/2 + 1; ρ²).

    >>> round(noise_straightness(2), 3), round(noise_straightness(192), 3)
    (-0.406, -0.499)
    """
    ratio = np.exp(2 * (gammaln((width + 1) / 2) - gammaln(width / 2)))
    return float(-0.5 * (2 / width) * ratio * hyp2f1(0.5, 0.5, width / 2 + 1, 0.25))


def _mean(values: np.ndarray) -> float:
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if kept.size else float("nan")
