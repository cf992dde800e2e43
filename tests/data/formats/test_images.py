from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lewm_probe.data.formats.images import BadImage, decode, resized


def encoded(image: np.ndarray, kind: str, **how: object) -> bytes:
    held = io.BytesIO()
    Image.fromarray(image).save(held, kind, **how)
    return held.getvalue()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)


def test_png_is_exact_and_grey_becomes_rgb(image: np.ndarray) -> None:
    np.testing.assert_array_equal(decode(encoded(image, "PNG"), "PNG"), image)
    grey = decode(encoded(image[:, :, 0], "PNG"), "PNG")
    np.testing.assert_array_equal(grey, np.repeat(image[:, :, :1], 3, axis=2))
    assert decode(encoded(image, "JPEG"), "JPEG").shape == (9, 7, 3)


def test_what_is_no_image_of_that_kind(image: np.ndarray) -> None:
    png = encoded(image, "PNG")
    faults = {
        "is not a whole PNG image": [b"", b"PNG", png[:-30], png[:20], encoded(image, "JPEG")],
        "has the mode I;16, not 8 bits a channel": [
            encoded(np.zeros((4, 4), np.uint16), "PNG"),
        ],
        "claims 5000×2 px, more than 4096 on a side": [
            encoded(np.zeros((2, 5000, 3), np.uint8), "PNG")
        ],
    }
    for message, cases in faults.items():
        for case in cases:
            with pytest.raises(BadImage) as error:
                decode(case, "PNG")
            assert str(error.value) == message


def test_sizes_claimed_by_a_header_alone(image: np.ndarray) -> None:
    png = bytearray(encoded(image, "PNG"))
    png[16:24] = (2**31 - 1).to_bytes(4, "big") * 2
    with pytest.raises(BadImage):
        decode(bytes(png), "PNG")


def test_resizing_takes_the_mean_over_areas(image: np.ndarray) -> None:
    square = np.random.default_rng(1).integers(0, 256, (12, 12, 3), np.uint8)
    assert resized(square, 12) is square
    means = square.reshape(4, 3, 4, 3, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(resized(square, 4) - means).max() < 1
    np.testing.assert_array_equal(resized(square, 24), square.repeat(2, 0).repeat(2, 1))
