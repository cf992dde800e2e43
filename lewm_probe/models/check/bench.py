"""What the checks of ``check_world_model`` share: clips, calls in eval mode, comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from lewm_probe.core.checks import Fails, kind
from lewm_probe.core.seeding import stream
from lewm_probe.models.base import ModelSpec, Observation, WorldModel, device_of

CLIPS = 3
FRAMES_BEYOND = 4
"""Frames of a clip beyond the model's history."""

TOLERANCE = 1e-3
"""Share of the numbers' own spread that rounding may come to: sums are taken in another order when
batches have another size, and a dependence that matters is many times larger."""


@dataclass
class Bench:
    """A model under examination.

    Attributes:
        model: the model, whose weights and mode are left as they were.
        seed: of changes to clips and actions.
        pixels: uint8 (B, T, H, W, C), on the model's device.
        actions: raw blocks (B, T, A), there too.
    """

    model: WorldModel
    seed: int
    pixels: Tensor
    actions: Tensor

    def __post_init__(self) -> None:
        device = device_of(self.model)
        self.pixels, self.actions = self.pixels.to(device), self.actions.to(device)

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self.model.spec

    @property
    def frames(self) -> int:
        """T."""
        return self.pixels.shape[1]

    @cached_property
    def latents(self) -> Tensor:
        """Of the clips, (B, T, …)."""
        return self.encode(self.pixels, self.actions)

    @cached_property
    def predicted(self) -> Tensor:
        """From the clips' latents and actions, (B, T, …)."""
        return self.predict(self.latents, self.actions)

    @cached_property
    def full(self) -> Tensor:
        """Which positions see a whole history, bool (T,)."""
        return self.model.full_context(self.frames).cpu()

    def observation(self, pixels: Tensor, actions: Tensor) -> Observation:
        """As analyses pass it."""
        if self.spec.recurrent:
            return {"pixels": pixels.clone(), "action": actions.clone()}
        return pixels.clone()

    def encode(self, pixels: Tensor, actions: Tensor) -> Tensor:
        """In eval mode, of a copy."""
        with evaluating(self.model):
            return self.model.encode(self.observation(pixels, actions))

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """In eval mode, without gradient, of copies."""
        with evaluating(self.model), torch.no_grad():
            return self.model.predict(latents.clone(), actions.clone())

    def rng(self, *purpose: str | int) -> np.random.Generator:
        """A random stream for one purpose."""
        return stream(self.seed, "model conformance", *purpose)

    def other_actions(self, actions: Tensor) -> Tensor:
        """Blocks each of which differs from those given: the same kind of numbers, all changed."""
        if self.spec.action_kind == "discrete":
            return 1 - actions.clamp(0, 1)
        return -actions + torch.sign(-actions)

    def other_latents(self, latents: Tensor, *purpose: str | int) -> Tensor:
        """Latents that are far from those given, by three times their spread."""
        noise = torch.tensor(self.rng("latents", *purpose).normal(size=latents.shape))
        return latents + 3 * spread(latents) * noise.to(latents)

    def other_pixels(self, pixels: Tensor) -> Tensor:
        """The negative of images."""
        return 255 - pixels


def clips(model: WorldModel, seed: int) -> tuple[Tensor, Tensor]:
    """Pixels uint8 (B, T, H, W, 3) of the model's image size, and action blocks (B, T, A).

    A square moves over a background of another colour, differently in each clip. Whatever the model
    says of itself that cannot be right is left to the checks, so that it is told there.
    """
    spec = getattr(model, "spec", None)

    def asked(name: str, default: int) -> int:
        value = getattr(spec, name, default)
        return value if isinstance(value, int) and 0 < value <= 4096 else default

    rng = stream(seed, "model conformance", "films")
    side, frames = asked("image_size", 64), asked("history", 1) + FRAMES_BEYOND
    pixels = np.empty((CLIPS, frames, side, side, 3), np.uint8)
    square = max(1, side // 5)
    for clip in pixels:
        clip[:] = rng.integers(60, 256, 3)
        start, step = rng.uniform(0, side - square, 2), rng.uniform(-side / 8, side / 8, 2)
        paint = rng.integers(0, 256, 3)
        for t, image in enumerate(clip):
            row, column = (start + t * step).astype(int) % (side - square + 1)
            image[row : row + square, column : column + square] = paint
    shape = (CLIPS, frames, asked("action_width", 2))
    discrete = getattr(spec, "action_kind", None) == "discrete"
    blocks = rng.integers(0, 2, shape) if discrete else rng.uniform(-1, 1, shape)
    return torch.tensor(pixels), torch.tensor(blocks, dtype=torch.float32)


@contextmanager
def evaluating(model: WorldModel) -> Iterator[None]:
    """Eval mode, as in analyses, and afterwards the mode that each part had."""
    parts = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [part.training for part in parts]
    if isinstance(model, nn.Module):
        model.eval()
    try:
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode


def check_tensor(what: str, value: object, shape: tuple[int, ...] | None = None) -> Tensor:
    """Check that something is a finite tensor of floats, of a shape, without gradient."""
    if not isinstance(value, Tensor):
        raise Fails(f"{what} is {kind(value)}; expected a tensor")
    if not value.is_floating_point():
        name = str(value.dtype).removeprefix("torch.")
        raise Fails(f"{what} is of type {name}; expected floats")
    if shape is not None and tuple(value.shape) != shape:
        raise Fails(f"{what} has the shape {tuple(value.shape)}; expected {shape}")
    if value.requires_grad:
        raise Fails(f"{what} carries a gradient; compute it under torch.no_grad()")
    if not bool(value.isfinite().all()):
        raise Fails(f"{what} holds NaN or infinite numbers for ordinary input")
    return value


def spread(values: Tensor) -> float:
    """The scale of numbers: their standard deviation, or size where they do not vary."""
    wide = values.detach().double()
    return float(wide.std()) or float(wide.abs().max()) or 1.0


def apart(one: Tensor, other: Tensor, scale: float) -> bool:
    """Whether two tensors differ by more than rounding, in units of their scale."""
    return not bool(((one - other).abs() <= TOLERANCE * scale).all())
