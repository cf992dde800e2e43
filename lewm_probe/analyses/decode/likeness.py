"""How alike two pictures are: peak signal-to-noise ratio, and structural similarity."""

from __future__ import annotations

import importlib.util

import numpy as np

from lewm_probe.core.errors import UsageError

LEAST_ERROR = 1 / 12
"""Squared grey levels: what rounding alone makes of a perfect picture. A PSNR ends at 58.9 dB."""

WINDOW = 7
"""Side of the window of structural similarity, px: scikit-image's."""


def check_installed() -> None:
    """Refuse to begin without what is needed at the end.

    Raises:
        UsageError: scikit-image is not installed.
    """
    if importlib.util.find_spec("skimage") is None:
        raise UsageError(
            "The analysis decode measures structural similarity with scikit-image, which is not "
            "installed. Install it with `pip install 'lewm-probe[decode]'`."
        )


def psnr(drawn: np.ndarray, true: np.ndarray) -> np.ndarray:
    """10 log₁₀(255² / MSE) of each picture, dB: uint8 (N, E, H, W, C) twice → float64 (N, E)."""
    found = np.empty(drawn.shape[:2])
    for n in range(len(drawn)):
        wrong = drawn[n].astype(np.float32) - true[n].astype(np.float32)
        found[n] = np.square(wrong).mean(axis=(1, 2, 3), dtype=np.float64)
    return 10 * np.log10(255**2 / np.maximum(found, LEAST_ERROR))


def ssim(drawn: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Structural similarity (Wang et al. 2004) of each picture, as scikit-image computes it.

    uint8 (N, E, H, W, C) twice → float64 (N, E); averaged over places and channels. Pictures below
    ``WINDOW`` px have a window of the greatest odd side that fits.
    """
    from skimage.metrics import structural_similarity

    side = min(WINDOW, *drawn.shape[2:4])
    window = side - (side % 2 == 0)
    return np.array(
        [
            [
                structural_similarity(*pair, channel_axis=-1, data_range=255, win_size=window)
                for pair in zip(*trajectory, strict=True)
            ]
            for trajectory in zip(drawn, true, strict=True)
        ]
    )
