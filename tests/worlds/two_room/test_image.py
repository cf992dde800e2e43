"""Images against a plain two-dimensional drawing; how they are asked for makes no difference."""

from __future__ import annotations

import time
from math import gcd

import numpy as np
import pytest

from lewm_probe.worlds.two_room.image import draw

RED_WHITE_BLACK = np.array([[255, 0, 0], [255, 255, 255], [0, 0, 0]])
PLACES = np.array([[60.0, 112.0], [112.3, 49.8], [99.5, 150.25], [21.0, 203.0], [124.5, 33.3]])


def colors_for(count: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (count, 3, 3))


def plain(place: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """The 224 px image before cutting to whole levels: paint, then blend, pixel by pixel."""
    agent, floor, wall = colors.astype(np.float64)
    image = np.tile(floor, (224, 224, 1))
    image[:, 107:118] = wall
    image[35:64, 107:118] = floor
    for line in (*range(10, 14), *range(210, 214)):
        image[line] = wall
        image[:, line] = wall
    y, x = np.mgrid[:224, :224]
    alpha = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * 7.0**2))
    alpha = (alpha / alpha.max())[..., None]
    return image * (1 - alpha) + agent * alpha


def averaged(image: np.ndarray, size: int) -> np.ndarray:
    """Exact area average: every pixel split into parts that whole numbers of fill a new pixel."""
    split, joined = size // gcd(size, 224), 224 // gcd(size, 224)
    for axis in (0, 1):
        parts = np.repeat(image, split, axis)
        shape = (*parts.shape[:axis], size, joined, *parts.shape[axis + 1 :])
        image = parts.reshape(shape).mean(axis + 1)
    return image


@pytest.mark.parametrize("size", [224, 112, 96, 64, 7, 1])
def test_images_are_area_averages_of_the_plain_drawing(size: int) -> None:
    colors = colors_for(len(PLACES))
    colors[0] = RED_WHITE_BLACK
    images = draw(PLACES, colors, size)
    assert images.dtype == np.uint8
    assert images.shape == (len(PLACES), size, size, 3)
    for image, place, paint in zip(images, PLACES, colors, strict=True):
        exact = averaged(plain(place, paint), size)
        assert (exact - image).max() < 1 + 1e-3  # cut down to whole levels
        assert (exact - image).min() > -3e-3


def test_flat_areas_are_exact() -> None:
    for size in (224, 64, 33):
        image = draw(PLACES[:1], RED_WHITE_BLACK[None], size)[0]
        np.testing.assert_array_equal(image[-1, -1], 255)
        np.testing.assert_array_equal(image[:, :, 0].max(), 255)
    blank = draw(PLACES, np.full((5, 3, 3), 255), 48)
    np.testing.assert_array_equal(blank, 255)


def test_bytes_do_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(3)
    places, colors = rng.uniform(21, 203, (150, 2)), rng.integers(0, 256, (150, 3, 3))
    together = draw(places, colors, 64)
    for index in range(0, 150, 7):
        one = draw(places[index : index + 1], colors[index : index + 1], 64)[0]
        np.testing.assert_array_equal(one, together[index])


def test_no_images() -> None:
    assert draw(np.zeros((0, 2)), np.zeros((0, 3, 3)), 64).shape == (0, 64, 64, 3)


def test_three_thousand_images_a_second_on_one_core() -> None:
    rng = np.random.default_rng(0)
    places, colors = rng.uniform(21, 203, (600, 2)), rng.integers(0, 256, (600, 3, 3))
    seconds = []
    for _ in range(4):  # processor time of all threads, so that neighbours and cores do not count
        begin = time.process_time()
        draw(places, colors, 64)
        seconds.append(time.process_time() - begin)
    assert len(places) / min(seconds) > 3000
