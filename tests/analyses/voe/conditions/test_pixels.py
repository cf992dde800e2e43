from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.voe.conditions import pixels


@pytest.fixture
def clip():
    return np.random.default_rng(0).integers(0, 256, (2, 3, 20, 20, 3), dtype=np.uint8)


def test_brightness_scales_rounds_and_clips():
    grey = np.array([[[0, 100, 200], [255, 3, 5]]], np.uint8)[None]
    np.testing.assert_array_equal(pixels.brightness(grey, 0.5), [[[[0, 50, 100], [128, 2, 2]]]])
    np.testing.assert_array_equal(pixels.brightness(grey, 1.5), [[[[0, 150, 255], [255, 4, 8]]]])


def test_factor_one_changes_nothing(clip):
    np.testing.assert_array_equal(pixels.brightness(clip, 1.0), clip)


def test_noise_has_the_sd_asked_for_and_is_fresh_in_every_frame():
    grey = np.full((4, 64, 64, 3), 128, np.uint8)
    noisy = pixels.noise(grey, 10.0, np.random.default_rng(1)).astype(float) - 128
    assert noisy.mean() == pytest.approx(0, abs=0.2)
    assert noisy.std() == pytest.approx(np.hypot(10, np.sqrt(1 / 12)), rel=0.02)
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.05


def test_noise_is_a_function_of_its_stream(clip):
    first = pixels.noise(clip, 5.0, np.random.default_rng(1))
    np.testing.assert_array_equal(first, pixels.noise(clip, 5.0, np.random.default_rng(1)))
    assert (first != pixels.noise(clip, 5.0, np.random.default_rng(2))).any()


def test_an_edge_is_blurred_by_a_gaussian_of_the_scaled_width():
    size, sd = 112, 8.0  # half the reference size: 4 pixels here
    edge = np.zeros((size, size, 3), np.uint8)
    edge[:, 56:] = 255
    profile = pixels.blur(edge, sd)[56, :, 0].astype(float) / 255
    slope = np.diff(profile)
    place = np.arange(len(slope)) + 0.5
    mean = (slope * place).sum() / slope.sum()
    assert np.sqrt((slope * (place - mean) ** 2).sum() / slope.sum()) == pytest.approx(
        4.0, rel=0.05
    )


def test_blur_leaves_even_images_alone_and_frames_apart(clip):
    even = np.full((3, 16, 16, 3), 77, np.uint8)
    np.testing.assert_array_equal(pixels.blur(even, 30.0), even)
    np.testing.assert_array_equal(pixels.blur(clip, 20.0)[1, 2], pixels.blur(clip[1, 2], 20.0))
