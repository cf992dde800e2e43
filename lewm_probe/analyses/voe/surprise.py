"""Surprise: how far the encoded next latent is from the predicted one.

s_t = mean over latent axes of (ẑ_t − z_t)², ẑ_t teacher-forced from exactly the last H latents and
the action blocks that follow them (LeWorldModel, arXiv 2603.19312, violation of expectation). The
baselines are scored on the same frames. Frames with a shorter context are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf

from lewm_probe.analyses.controls.random_networks import copy_last, linear_extrapolation
from lewm_probe.analyses.engine.predictions import surprise
from lewm_probe.models.base import WorldModel

MODEL, WHITENED = "model", "whitened"
"""Scorers that are not baselines."""


def shifted(following: np.ndarray, history: int) -> np.ndarray:
    """Predictions of the *next* frame (N, T, …) → of each frame, NaN for frames before H."""
    predicted = np.full_like(following, np.nan)
    predicted[:, 1:] = following[:, :-1]
    predicted[:, :history] = np.nan
    return predicted


def latent_baselines(
    model: WorldModel, latents: np.ndarray, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Surprise (N, T) of predictions without learning, in this model's latent space."""
    rules = {"copy_last": copy_last, "linear_extrapolation": linear_extrapolation}
    first = {"copy_last": model.spec.history, "linear_extrapolation": max(2, model.spec.history)}
    return {
        name: surprise(model, shifted(rules[name](latents), first[name]), latents)
        for name in names
        if name in rules
    }


@dataclass(frozen=True)
class Whitening:
    """Residuals in units of their own clean spread: axes that always err count for less.

    Attributes:
        mean: (D,) of clean residuals.
        precision: (D, D), inverse of their Ledoit–Wolf covariance.
    """

    mean: np.ndarray
    precision: np.ndarray

    @classmethod
    def fit(cls, residuals: np.ndarray) -> Whitening | None:
        """From clean residuals (N, T, D), NaN frames left out; None when they do not vary."""
        rows = residuals.reshape(-1, residuals.shape[-1]).astype(np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)]
        scale = rows.std() if rows.size else 0.0
        if len(rows) < 2 or not scale > 0:
            return None
        # Ledoit–Wolf in units of the overall spread: tiny latents must not underflow.
        fitted = LedoitWolf().fit(rows / scale)
        return cls(fitted.location_ * scale, fitted.precision_ / scale**2)

    def surprise(self, residuals: np.ndarray) -> np.ndarray:
        """Mean squared whitened residual, (N, T, D) → (N, T); 1 on average on clean data."""
        centred = residuals.astype(np.float64) - self.mean
        return np.einsum("ntd,de,nte->nt", centred, self.precision, centred) / self.mean.size


def onset_values(scores: np.ndarray, onset: np.ndarray, offset: int = 0) -> np.ndarray:
    """Score at t0 + ``offset`` of each case: (N, T), (N,) → (N,), NaN beyond the ends."""
    frame = onset + offset
    inside = (frame >= 0) & (frame < scores.shape[1])
    values = scores[np.arange(len(scores)), np.clip(frame, 0, scores.shape[1] - 1)]
    return np.where(inside, values, np.nan)


def window_means(scores: np.ndarray, onset: np.ndarray, first: int, last: int | None) -> np.ndarray:
    """Mean over frames t0 + first … t0 + last (None: the end) of each case, (N,)."""
    offset = np.arange(scores.shape[1])[None] - onset[:, None]  # (N, T)
    inside = (offset >= first) & (offset <= (last if last is not None else scores.shape[1]))
    count = inside.sum(axis=1)
    total = np.where(inside, scores, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(scores), np.nan), where=count > 0)


def window_max(scores: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """Largest score from t0 on of each case, (N,)."""
    after = np.arange(scores.shape[1])[None] >= onset[:, None]
    return np.where(after, scores, -np.inf).max(axis=1)
