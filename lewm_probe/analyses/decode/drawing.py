"""Pictures of latents: a checkpoint's decoder, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lewm_probe.analyses.decode.settings import DecodeSettings
from lewm_probe.analyses.decode.training import trained_decoder
from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.batching import in_batches
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.features import encoded
from lewm_probe.core.errors import UsageError
from lewm_probe.models.base import WorldModel
from lewm_probe.models.nn.decoder import Decoder

BATCH = 256
"""Latents drawn at once, as far as memory allows."""


@dataclass(frozen=True)
class Artist:
    """A trained decoder of a model's latents."""

    decoder: Decoder
    model: WorldModel

    @property
    def mean(self) -> np.ndarray:
        """The mean training picture, uint8 (H, W, 3)."""
        picture: np.ndarray = _grey_levels(self.decoder.mean[None])[0]
        return picture

    @torch.no_grad()
    def draw(self, latents: np.ndarray) -> np.ndarray:
        """Latents (N, E, D) or (N, E, P, D) → pictures uint8 (N, E, H, W, 3)."""
        device = self.decoder.mean.device
        tokens = as_tokens(latents)

        def some(rows: slice) -> np.ndarray:
            drawn = self.decoder(torch.tensor(tokens[rows], device=device))
            return _grey_levels(drawn)

        parts = in_batches(some, len(tokens), BATCH, doing="drawing latents", model=self.model)
        found = np.concatenate(parts)
        return found.reshape(*latents.shape[:2], *found.shape[1:])


def artist_of(checkpoint: Checkpoint, context: Context, whose: str = "") -> Artist:
    """A decoder trained on the probe's training trajectories, or remembered.

    Args:
        checkpoint: of whose latents.
        context: the settings, the trajectories and the cache.
        whose: what is said of it beside the checkpoint's label, for progress.

    Raises:
        UsageError: patches that do not fill the image.
        UserError: latents that are not finite.
    """
    settings: DecodeSettings = context.settings
    model = checkpoint.model
    size = model.spec.image_size
    if size % (patch := settings.patch_of(size)):
        fitting = [str(n) for n in range(4, size + 1) if size % n == 0 and size // n <= 32]
        raise UsageError(
            f"{checkpoint.label} takes images of {size} px, which patches of {patch} px do not "
            f"fill. Choose a patch that divides {size} with --patch or in the suite's "
            f"decode.patch: {', '.join(fitting[:6])}."
        )
    train = context.trajectories(checkpoint, "probe-train")
    latents = encoded(checkpoint, train.pixels, train.actions, context.cache)["z"]
    pixels = train.pixels.reshape(-1, *train.pixels.shape[2:])  # (N·T, H, W, C)
    said = f"Decoder of {checkpoint.label}" + (f", {whose}" if whose else "")
    with context.progress.task(said, settings.steps) as task:
        decoder = trained_decoder(
            as_tokens(latents),
            pixels,
            settings,
            seed=context.suite.seed,
            cache=context.cache,
            device=context.device,
            task=task,
        )
    return Artist(decoder, model)


def as_tokens(latents: np.ndarray) -> np.ndarray:
    """(N, T, D) → (N·T, 1, D); patch tokens (N, T, P, D) → (N·T, P, D)."""
    tokens = latents if latents.ndim == 4 else latents[:, :, None]
    return np.ascontiguousarray(tokens.reshape(-1, *tokens.shape[2:]), dtype=np.float32)


def _grey_levels(drawn: torch.Tensor) -> np.ndarray:
    """(N, 3, H, W) on a scale of 0 to 1 → uint8 (N, H, W, 3), rounded and cut."""
    levels = (drawn.clamp(0, 1) * 255).round().to(torch.uint8)
    found: np.ndarray = levels.permute(0, 2, 3, 1).cpu().numpy()
    return found
