"""Disturbances of the image alone: the world behind it is untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field
from scipy.ndimage import gaussian_filter1d

from lewm_probe.analyses.voe.conditions.kind import Condition, Pair, Stimulus, Strength
from lewm_probe.core.config import Config
from lewm_probe.results.cards import Card

if TYPE_CHECKING:
    from lewm_probe.worlds.base import World

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


class AmountSettings(Config):
    """Brightness factor, noise SD in grey levels, or blur SD in px of a 224 px image."""

    amount: float = Field(ge=0, le=1000)
    """A blur of 10⁹ px would not end."""


Repaint = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
"""(uint8 (…, H, W, C), amount, rng) → the same shape."""


class OfPixels:
    """A function of the image, from t0 on."""

    settings = AmountSettings
    alternative: Literal["greater", "two-sided"] = "two-sided"
    needs_event = False

    def __init__(self, card: Card, repaint: Repaint, strength: Strength) -> None:
        self.card, self._repaint, self.strength = card, repaint, strength

    def check(self, condition: Condition, world: World) -> None:
        """Every world has images."""

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """The images of t0 and later, changed."""
        assert condition.amount is not None
        return Stimulus(images=self._repaint(pair.images[pair.t0 :], condition.amount, rng))


BRIGHTNESS = OfPixels(
    Card("Brightness of {who}", 90, "appearance"),
    lambda images, by, _: brightness(images, by),
    Strength("amount", 1.0, 0.0),
)
NOISE = OfPixels(
    Card("Pixel noise of {who}", 100, "appearance"), noise, Strength("amount", 0.0, 255.0)
)
BLUR = OfPixels(
    Card("Blur of {who}", 110, "appearance"),
    lambda images, by, _: blur(images, by),
    Strength("amount", 0.0, BLUR_REFERENCE / 4),
)
