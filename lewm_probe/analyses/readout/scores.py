"""How well a probe read a quantity: errors of test trajectories, with intervals over trajectories.

Everything is computed from sums of each trajectory, so that a bootstrap resample is one product of
its weights with them. Averages over axes come last: the r of a position is the mean of the r of x
and of y. With several seeds of a probe, each is scored on its own and the scores are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lewm_probe.analyses.readout.scaling import Scaler
from lewm_probe.analyses.readout.targets import Target, angle_errors
from lewm_probe.stats.bootstrap import Estimate, interval


@dataclass(frozen=True)
class Scores:
    """One probe's scores.

    Attributes:
        estimates: metric → value with interval; ``mse`` on z-scored targets, ``mse_sample_sd``
            over test frames, ``mse_seed_sd`` over probe seeds, ``pearson_r``, ``r2``, ``rmse`` in
            the target's unit, ``angle_error_deg``.
        trajectory_mse: mean over frames, axes and seeds, z-scored, (N,); NaN without a frame.
        r2_draws: R² of each resample, (R,), for differences of scores.
    """

    estimates: dict[str, Estimate]
    trajectory_mse: np.ndarray
    r2_draws: np.ndarray


def score(
    target: Target,
    predicted: np.ndarray,
    scaler: Scaler,
    weights: np.ndarray,
    confidence: float = 0.95,
) -> Scores:
    """Compare predictions (S, N, T, K) of S probe seeds with a target (N, T, K).

    ``scaler`` z-scores by training statistics; ``weights`` (R, N) come from
    ``statistics.resamples``. Frames where the target is NaN do not count. Where predictions do
    not vary, r is undefined (None).
    """
    true = scaler.apply(target.values)  # (N, T, K)
    guess = scaler.apply(predicted)  # (S, N, T, K)
    there = np.isfinite(true).all(axis=-1)  # (N, T)
    count = there.sum(axis=1)
    kept = there[..., None]
    # About the target's own mean, where differences of moments lose no digits.
    centre = np.where(kept, true, 0.0).sum(axis=(0, 1)) / max(1, int(count.sum()))
    y = np.where(kept, true - centre, 0.0)[None]
    p = np.where(kept, guess - centre, 0.0)
    error = np.square(p - y)  # (S, N, T, K)
    n = int((count > 0).sum())

    # Sums over frames: (moment, S, N, K).
    y_all = np.broadcast_to(y, p.shape)
    sums = np.stack([a.sum(axis=2) for a in (error, y_all, p, y_all**2, p**2, y_all * p)])
    weights = np.concatenate([np.full((1, len(count)), 1 / len(count)), weights])  # first: all
    frames = weights @ count  # (R + 1,)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.einsum("rn,msnk->mrsk", weights, sums, optimize=True) / frames[:, None, None]
        squared, y1, p1, y2, p2, yp = means  # (R + 1, S, K) each
        var_y, var_p = _positive(y2 - y1**2, y2), _positive(p2 - p1**2, p2)
        correlation = (yp - y1 * p1) / np.sqrt(var_y * var_p)
        r2 = (1 - squared / var_y).mean(axis=(1, 2))
        mse = squared.mean(axis=(1, 2))
        r = correlation.mean(axis=(1, 2))
        rmse = np.sqrt((squared * scaler.scale**2).mean(axis=2)).mean(axis=1)

    def estimate(draws: np.ndarray) -> Estimate:
        value = float(draws[0]) if np.isfinite(draws[0]) else None
        bounds = interval(draws[1:], confidence) if value is not None else (None, None)
        return Estimate(value, *bounds, n)

    estimates = {"mse": estimate(mse), "pearson_r": estimate(r), "r2": estimate(r2)}
    frame_errors = error.mean(axis=3)[:, there]  # (S, frames)
    estimates["mse_sample_sd"] = Estimate(float(frame_errors.std(axis=1).mean()), n=n)
    if len(predicted) > 1:
        estimates["mse_seed_sd"] = Estimate(float(squared[0].mean(axis=1).std(ddof=1)), n=n)
    if target.kind == "angle":
        wrong = angle_errors(predicted, target.values[None], target.symmetry).mean(axis=-1)
        summed = np.where(there, wrong, 0.0).sum(axis=2).mean(axis=0)  # (N,)
        estimates["angle_error_deg"] = estimate((weights @ summed) / frames)
    elif target.unit is not None:
        estimates["rmse"] = estimate(rmse)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_trajectory = error.mean(axis=(0, 3)).sum(axis=1) / count
    return Scores(estimates, per_trajectory, r2[1:])


def _positive(variance: np.ndarray, square: np.ndarray) -> np.ndarray:
    """A variance, NaN where it is no more than rounding (values are z-scored: of order 1)."""
    return np.where(variance > 1e-12 * np.maximum(square, 1), variance, np.nan)
