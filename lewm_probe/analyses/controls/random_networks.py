"""Baselines that learned nothing about the world's dynamics, or nothing at all.

A number about a model means something only beside the same number for these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from lewm_probe.analyses.engine.asked.checkpoint import freeze
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.models.base import WorldModel, device_of

RECALIBRATION_TRAJECTORIES = 100
"""Most trajectories whose frames give batch norms their statistics: 2,000 frames at 20 each."""

PCA_FRAMES = 2000
"""Most frames that pixel principal components are fitted on; they bound memory, not width."""


@runtime_checkable
class Rebuildable(Protocol):
    """A model that can be built anew and whose predictor can be trained: LeWM and PLDM."""

    def reinitialized(self, seed: int) -> WorldModel:
        """The same architecture with fresh random weights."""

    def recalibrate_batch_norm(self, pixels: Tensor, actions: Tensor | None = None) -> None:
        """Give batch norms statistics of these images (B, T, H, W, C)."""

    def scale_actions(self, actions: Tensor) -> Tensor:
        """Raw action blocks (B, T, A) as the predictor takes them."""

    def predict_scaled(self, latents: Tensor, scaled: Tensor) -> Tensor:
        """One causal pass, with gradient: (B, T, D), (B, T, A) → (B, T, D), T ≤ history."""


# ---- random networks


def random_weights(
    model: WorldModel, pixels: np.ndarray, *, seed: int, actions: np.ndarray | None = None
) -> WorldModel | None:
    """The same architecture with random weights; None for a model that cannot be built anew.

    Recurrent models, whose latents depend on actions, are not built anew either.

    Batch norms get the statistics of (some of) ``pixels``, uint8 (N, T, H, W, C): with those they
    are born with, random features would fail for want of scale, not of learning. With ``actions``
    (N, T, A) those of the predictor are recalibrated too.
    """
    if not isinstance(model, Rebuildable) or model.spec.recurrent:
        return None
    fresh = model.reinitialized(torch_seed(seed, "random-weights"))
    assert isinstance(fresh, Rebuildable)
    some = slice(0, RECALIBRATION_TRAJECTORIES)
    blocks = torch.tensor(actions[some]) if actions is not None else None
    fresh.recalibrate_batch_norm(torch.tensor(pixels[some]), blocks)
    return freeze(fresh, device_of(model))


# ---- pixels


@dataclass(frozen=True)
class PixelPca:
    """Principal components of the images: features of a given width without any learning.

    Attributes:
        mean: float32 (H·W·C,).
        components: float32 (width, H·W·C); fewer rows when there were fewer frames.
    """

    mean: np.ndarray
    components: np.ndarray

    @classmethod
    def fit(cls, pixels: np.ndarray, width: int, *, seed: int) -> Self:
        """Fit to at most ``PCA_FRAMES`` randomly drawn images of uint8 (N, T, H, W, C)."""
        frames = pixels.reshape(-1, int(np.prod(pixels.shape[-3:])))
        rng = stream(seed, "pixel-pca")
        chosen = np.sort(rng.permutation(len(frames))[:PCA_FRAMES])
        sample = frames[chosen].astype(np.float32) / 255
        pca = PCA(
            n_components=min(width, *sample.shape),
            svd_solver="randomized",
            random_state=int(rng.integers(2**31)),
        )
        with np.errstate(invalid="ignore", divide="ignore"):  # shares of variance of a still clip
            pca.fit(sample)
        return cls(pca.mean_.astype(np.float32), pca.components_.astype(np.float32))

    def __call__(self, pixels: np.ndarray, batch: int = 1024) -> np.ndarray:
        """Features float32 (…, width) of images uint8 (…, H, W, C)."""
        frames = pixels.reshape(-1, self.mean.size)
        parts = [
            (frames[i : i + batch].astype(np.float32) / 255 - self.mean) @ self.components.T
            for i in range(0, len(frames), batch)
        ]
        return np.concatenate(parts).reshape(*pixels.shape[:-3], len(self.components))


def pixel_difference(pixels: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Mean squared change of grey level since the frame before: two (M, H, W, C) → float64 (M,)."""
    change = np.empty(len(pixels))
    for i in range(0, len(pixels), 512):
        now, then = pixels[i : i + 512].astype(np.float32), before[i : i + 512].astype(np.float32)
        change[i : i + 512] = np.square(now - then).mean(axis=(1, 2, 3), dtype=np.float64)
    return change


# ---- predictions without learning


def copy_last(latents: np.ndarray) -> np.ndarray:
    """Predict that nothing changes: the next latent at every position, (N, T, …) → (N, T, …)."""
    return latents


def linear_extrapolation(latents: np.ndarray) -> np.ndarray:
    """Predict the same step again: 2 z_t − z_{t−1}; the first position can only copy."""
    predicted = latents.copy()
    predicted[:, 1:] += latents[:, 1:] - latents[:, :-1]
    return predicted
