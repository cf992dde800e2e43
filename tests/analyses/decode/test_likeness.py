from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lewm_probe.analyses.decode.likeness import check_installed, psnr, ssim
from lewm_probe.core.errors import UsageError


def pictures(side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 256, (3, 2, side, side, 3), np.uint8)
    noise = rng.normal(scale=20, size=true.shape)
    return np.clip(true + noise, 0, 255).astype(np.uint8), true


def test_psnr_is_scikit_images() -> None:
    drawn, true = pictures()
    found = psnr(drawn, true)
    assert found.shape == (3, 2)
    for at in np.ndindex(3, 2):
        expected = peak_signal_noise_ratio(true[at], drawn[at], data_range=255)
        assert found[at] == pytest.approx(expected, rel=1e-6)


def test_psnr_in_closed_form() -> None:
    """Ten grey levels off everywhere: 20 log₁₀ 25.5; equal: what rounding leaves."""
    flat = np.full((1, 1, 8, 8, 3), 100, np.uint8)
    assert psnr(flat + 10, flat)[0, 0] == pytest.approx(20 * np.log10(25.5))
    assert psnr(flat, flat)[0, 0] == pytest.approx(10 * np.log10(255**2 * 12))


def test_ssim_is_scikit_images() -> None:
    drawn, true = pictures()
    found = ssim(drawn, true)
    expected = structural_similarity(true[2, 1], drawn[2, 1], channel_axis=-1, data_range=255)
    assert found[2, 1] == pytest.approx(expected)
    np.testing.assert_allclose(ssim(true, true), 1)


def test_pictures_smaller_than_the_window() -> None:
    drawn, true = pictures(6)
    assert (ssim(drawn, true) < 1).all()


def test_scikit_image_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as error:
        check_installed()
    assert str(error.value) == (
        "The analysis decode measures structural similarity with scikit-image, which is not "
        "installed. Install it with `pip install 'lewm-probe[decode]'`."
    )
