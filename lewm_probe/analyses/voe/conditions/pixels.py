"""Disturbances of the image alone: the world behind it is untouched."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

BLUR_REFERENCE = 224
"""Blur is given in pixels of an image this wide, so that it means the same at every size."""


def brightness(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Scale grey levels, rounded and clipped: uint8 (…, H, W, C) → the same shape."""
    table = np.clip(np.rint(np.arange(256) * factor), 0, 255).astype(np.uint8)
    return table[pixels]


def noise(pixels: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of ``sd`` grey levels, fresh in every pixel and channel, clipped."""
    grain = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(sd)
    return np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8)


def blur(pixels: np.ndarray, sd: float) -> np.ndarray:
    """Gaussian blur of uint8 (…, H, W, C); ``sd`` in pixels of a 224 px image.

    The kernel ends at 3 SD and the image is continued by its edge.
    """
    sigma = sd * pixels.shape[-3] / BLUR_REFERENCE
    smooth = pixels.astype(np.float32)
    for axis in (-3, -2):
        smooth = gaussian_filter1d(smooth, sigma, axis=axis, mode="nearest", truncate=3.0)
    return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)
