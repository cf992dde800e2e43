from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from lewm_probe.core.errors import UserError
from lewm_probe.models.images import Normalise, fit_pixels, take_pixels


def test_normalisation_is_imagenets() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = ((pixels / 255 - mean) / std).transpose(0, 3, 1, 2)
    given = torch.from_numpy(pixels)
    np.testing.assert_allclose(Normalise()(given).numpy(), expected, atol=1e-6)
    assert np.array_equal(given.numpy(), pixels)


def test_normalising_floats_leaves_them_alone() -> None:
    pixels = torch.rand(2, 4, 4, 3) * 255
    before = pixels.clone()
    Normalise()(pixels)
    assert torch.equal(pixels, before)


def test_result_is_channels_last_in_memory() -> None:
    normal = Normalise()(torch.zeros(2, 8, 8, 3, dtype=torch.uint8))
    assert normal.is_contiguous(memory_format=torch.channels_last)


def test_pixels_are_taken_from_a_mapping() -> None:
    pixels = torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8)
    assert take_pixels({"pixels": pixels, "proprio": torch.zeros(1)}) is pixels
    assert take_pixels(pixels) is pixels


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        (
            {"proprio": torch.zeros(1), "image": torch.zeros(1)},
            "The observation has no 'pixels', only image, proprio. Pass uint8 images "
            "(B, T, H, W, 3) under that key.",
        ),
        (
            torch.zeros(1, 2, 4, 4, 3),
            "Pixels are float32, but uint8 grey levels 0–255 were expected: models normalise "
            "images themselves. Pass the images as they were recorded.",
        ),
        (
            torch.zeros(1, 2, 3, 4, 4, dtype=torch.uint8),
            "Pixels have the shape (1, 2, 3, 4, 4), but (B, T, H, W, 3) was expected: batch, "
            "frames, rows, columns, colours. Channels-first images need a permute.",
        ),
        (
            torch.zeros(2, 4, 4, 3, dtype=torch.uint8),
            "Pixels have the shape (2, 4, 4, 3), but (B, T, H, W, 3) was expected: batch, frames, "
            "rows, columns, colours. Channels-first images need a permute.",
        ),
    ],
)
def test_bad_observations(observation: torch.Tensor, message: str) -> None:
    with pytest.raises(UserError) as caught:
        take_pixels(observation)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("resize", "patch", "message"),
    [
        (
            None,
            None,
            "Images of 6×8 px were given to a model trained on 16×16 px. Render or collect them "
            "at 16 px, or ask for resizing (model.resize = 'bilinear', 'bicubic', 'area' or "
            "'positions'), which is recorded with the results.",
        ),
        (
            "positions",
            None,
            "Images of 6×8 px cannot be taken by interpolating position embeddings: this encoder "
            "has no patches. Ask for 'bilinear', 'bicubic' or 'area' resizing.",
        ),
        (
            "positions",
            4,
            "Images of 6×8 px cannot be taken by interpolating position embeddings: this encoder "
            "cuts patches of 4 px. Ask for 'bilinear', 'bicubic' or 'area' resizing.",
        ),
    ],
)
def test_other_sizes_are_refused(resize: None, patch: int | None, message: str) -> None:
    with pytest.raises(UserError) as caught:
        fit_pixels(torch.zeros(1, 6, 8, 3, dtype=torch.uint8), 16, resize, patch)
    assert str(caught.value) == message


def test_area_resizing_is_the_mean() -> None:
    pixels = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    expected = pixels.float().view(2, 4, 2, 4, 2, 3).mean((2, 4))
    torch.testing.assert_close(fit_pixels(pixels, 4, "area", None), expected)


@pytest.mark.parametrize(
    ("resize", "filter"),
    [("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)],
)
def test_filters_are_those_of_pillow(resize: str, filter: Image.Resampling) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((16, 16), filter), dtype=np.float32)
    ours = fit_pixels(torch.from_numpy(pixels)[None], 16, resize, None)  # type: ignore[arg-type]
    assert float(ours.min()) >= 0 and float(ours.max()) <= 255
    # Pillow rounds (and clips) grey levels after each of its two passes.
    assert np.abs(ours[0].numpy() - expected).max() <= 2.5
    assert np.abs(ours[0].numpy() - expected).mean() <= 0.5


def test_positions_leaves_the_images() -> None:
    pixels = torch.zeros(1, 8, 12, 3, dtype=torch.uint8)
    assert fit_pixels(pixels, 16, "positions", 4) is pixels
