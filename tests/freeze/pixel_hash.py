"""A model whose latents are hashes of pictures: one changed byte of a stimulus changes numbers.

Made by ``--model pixels=pixel_hash:make`` in a process that finds this folder.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from lewm_probe.models import ModelSpec, WorldModel

WIDTH = 8
"""Latent axes: four bytes of a SHA-256 each."""


class PixelHash(WorldModel):
    """Latents in [0, 1) from the SHA-256 of each frame; predicts no change but by actions."""

    fingerprint = "pixel hash, 1"

    def __init__(self) -> None:
        self.spec = ModelSpec(
            family="pixel_hash",
            history=1,
            frame_skip=5,
            image_size=64,
            action_kind="continuous",
            action_width=10,
            latent_width=WIDTH,
        )

    def encode(self, observation) -> Tensor:
        """(B, T, H, W, C) uint8 → (B, T, 8)."""
        pixels = observation["pixels"] if isinstance(observation, dict) else observation
        frames = np.ascontiguousarray(pixels.cpu().numpy())
        batch, time = frames.shape[:2]
        latents = np.empty((batch, time, WIDTH), np.float32)
        for b in range(batch):
            for t in range(time):
                digest = hashlib.sha256(frames[b, t].tobytes()).digest()
                latents[b, t] = np.frombuffer(digest, "<u4") / 2**32
        return torch.from_numpy(latents)

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """The latent itself, and a little of the action block, so that actions count too."""
        return latents + 1e-3 * actions.mean(-1, keepdim=True)


def make() -> PixelHash:
    """The factory."""
    return PixelHash()
