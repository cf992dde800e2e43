"""The WorldModel interface: all that analyses and planners ever see of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Observation = Tensor | Mapping[str, Tensor]
"""uint8 pixels (B, T, H, W, C), or a mapping with them under ``pixels``."""


@dataclass(frozen=True)
class ModelSpec:
    """What a model needs to know about its inputs, and others about its outputs.

    Attributes:
        family: ``lewm``, ``pldm``, ``dino_wm`` … (decides the colour in figures).
        history: frames the predictor sees, H in the paper.
        frame_skip: environment steps between frames; an action block holds that many actions.
        image_size: side of the square picture, pixels.
        action_kind: ``continuous``, ``discrete`` or ``none``.
        action_width: width A of an action block, frame_skip × environment action width.
        latent_width: D.
        tokens: tokens a frame, P (1 for LeWM and PLDM).
        world: world it was trained on, if known.
        train_seed: training seed, if known.
        step: optimiser steps taken, if known.
    """

    family: str
    history: int
    frame_skip: int
    image_size: int
    action_kind: Literal["continuous", "discrete", "none"]
    action_width: int
    latent_width: int
    tokens: int = 1
    world: str | None = None
    train_seed: int | None = None
    step: int | None = None


class WorldModel(ABC):
    """Encode pictures, predict the next latent. Frozen and in eval mode when analysed.

    Latents are (B, T, D), or (B, T, P, D) for patch tokens; only ``features``, ``surprise`` and
    ``goal_cost`` look inside them.
    """

    spec: ModelSpec
    fingerprint: str
    """Hash of weights, configuration and statistics: the model's part of every cache key."""

    @abstractmethod
    def encode(self, observation: Observation) -> Tensor:
        """Latents (B, T, …) of uint8 pixels (B, T, H, W, C).

        Raises:
            UserError: another picture size than the model was trained on.
        """

    @abstractmethod
    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """The next latent at every position: (B, T, …), (B, T, A) → (B, T, …).

        ``actions`` are raw environment action blocks. Position t sees exactly the last
        ``history`` latents and action blocks up to t; the first history − 1 positions see fewer
        (``full_context`` tells them apart).

        Raises:
            UserError: actions of another width.
        """

    def full_context(self, frames: int) -> Tensor:
        """Which positions of ``predict`` see a whole history, bool (T,)."""
        return torch.arange(frames) >= self.spec.history - 1

    def rollout(self, context: Tensor, past_actions: Tensor, future_actions: Tensor) -> Tensor:
        """Imagine K steps for S action plans.

        (B, h, …) with 1 ≤ h ≤ history, (B, h − 1, A), (B, S, K, A) → (B, S, K, …).
        """
        batch, samples, steps, width = future_actions.shape
        h = context.shape[1]
        latents = context.unsqueeze(1).expand(batch, samples, *context.shape[1:])
        latents = latents.reshape(batch * samples, h, *context.shape[2:])  # (B·S, h, …)
        past = past_actions.unsqueeze(1).expand(batch, samples, h - 1, width)
        actions = torch.cat([past, future_actions], dim=2).flatten(0, 1)  # (B·S, h−1+K, A)
        for step in range(steps):
            end = h + step
            start = max(0, end - self.spec.history)
            following = self.predict(latents[:, start:end], actions[:, start:end])[:, -1:]
            latents = torch.cat([latents, following], dim=1)
        return latents[:, h:].unflatten(0, (batch, samples))  # (B, S, K, …)

    def features(self, latents: Tensor) -> dict[str, Tensor]:
        """Named (B, T, D) views for probes and geometry."""
        return {"z": latents}

    def surprise(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Mean squared error over latent axes: (B, T, …), (B, T, …) → (B, T)."""
        return (predicted - target).square().flatten(2).mean(-1)

    def goal_cost(self, latents: Tensor, goal: Tensor) -> Tensor:
        """Squared distance to a goal latent: (…, T, D), (…, 1, D) → (…, T)."""
        return (latents - goal).square().sum(-1)
