"""uint8 images → what an encoder sees: checked, resized if asked for, normalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lewm_probe.core.errors import UserError
from lewm_probe.models.base import Observation

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Per channel, of pixels in 0–1 (LeWM paper: ImageNet normalisation)."""

Colour = tuple[float, float, float]

NORMALISATION: dict[str, tuple[Colour, Colour]] = {
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
}
"""Mean and SD of pixels in 0–1, by the name that configurations give them."""

Resize = Literal["bilinear", "bicubic", "area", "positions"]
"""How images of another size are made to fit: an antialiased filter, an exact area mean, or
``positions``: images stay as they are and a ViT's position embeddings are interpolated."""


class Normalise(nn.Module):
    """uint8 (N, H, W, 3) → float32 (N, 3, H, W), by a mean and SD of pixels in 0–1.

    The result is channels-last in memory, as the images came, which convolutions on CPUs like.

    Args:
        by: mean and SD of each channel; ImageNet's where not given.
    """

    def __init__(self, by: tuple[Colour, Colour] = (IMAGENET_MEAN, IMAGENET_STD)) -> None:
        super().__init__()
        own_mean, own_std = by
        # On the CPU also while a model is built on the meta device: these are not in checkpoints.
        mean = torch.tensor(own_mean, device="cpu")
        std = torch.tensor(own_std, device="cpu")
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (or grey levels as floats) (N, H, W, 3) → float32 (N, 3, H, W)."""
        # Whole rows of W·3 numbers: broadcasting three at a time takes ten times as long on a CPU.
        width = pixels.shape[2]
        rows = pixels.flatten(2).to(torch.float32, copy=True)  # (N, H, W·3)
        rows.mul_(self.scale.repeat(width)).add_(self.shift.repeat(width))
        return rows.unflatten(2, (width, 3)).permute(0, 3, 1, 2)


def take_pixels(observation: Observation) -> Tensor:
    """The pixels of an observation, checked to be uint8 (B, T, H, W, 3).

    Raises:
        UserError: no ``pixels``, another type, or another shape.
    """
    if isinstance(observation, Mapping):
        if "pixels" not in observation:
            found = ", ".join(sorted(observation)) or "nothing"
            raise UserError(
                f"The observation has no 'pixels', only {found}. Pass uint8 images "
                "(B, T, H, W, 3) under that key."
            )
        observation = observation["pixels"]
    shape = tuple(observation.shape)
    if observation.dtype != torch.uint8:
        raise UserError(
            f"Pixels are {str(observation.dtype).removeprefix('torch.')}, but uint8 grey levels "
            "0–255 were expected: models normalise images themselves. Pass the images as they "
            "were recorded."
        )
    if len(shape) != 5 or shape[-1] != 3:
        raise UserError(
            f"Pixels have the shape {shape}, but (B, T, H, W, 3) was expected: batch, frames, "
            "rows, columns, colours. Channels-first images need a permute."
        )
    return observation


def fit_pixels(pixels: Tensor, size: int, resize: Resize | None, patch: int | None) -> Tensor:
    """Images (N, H, W, 3) at the model's ``size``: as they are, resized, or refused.

    ``patch`` is the side of a ViT's patches, None for other encoders.

    Raises:
        UserError: another size and no (usable) ``resize``.
    """
    height, width = pixels.shape[1:3]
    if (height, width) == (size, size):
        return pixels
    if resize is None:
        raise UserError(
            f"Images of {height}×{width} px were given to a model trained on {size}×{size} px. "
            f"Render or collect them at {size} px, or ask for resizing (model.resize = 'bilinear', "
            "'bicubic', 'area' or 'positions'), which is recorded with the results."
        )
    if resize == "positions":
        if patch is None or height % patch or width % patch:
            why = "has no patches" if patch is None else f"cuts patches of {patch} px"
            raise UserError(
                f"Images of {height}×{width} px cannot be taken by interpolating position "
                f"embeddings: this encoder {why}. Ask for 'bilinear', 'bicubic' or 'area' resizing."
            )
        return pixels
    images = pixels.permute(0, 3, 1, 2).float()
    if resize == "area":
        fitted = F.interpolate(images, size=(size, size), mode="area")
    else:
        fitted = F.interpolate(images, size=(size, size), mode=resize, antialias=True)
    return fitted.clamp(0, 255).permute(0, 2, 3, 1)  # bicubic overshoots
