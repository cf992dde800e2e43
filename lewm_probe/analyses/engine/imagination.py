"""Latents a model imagines: open-loop rollouts from encoded frames and the recorded actions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.batching import in_batches
from lewm_probe.analyses.engine.features import check_finite
from lewm_probe.core.errors import UserError
from lewm_probe.models.base import device_of

BATCH = 1024
"""Rollouts imagined at once, as far as memory allows."""


class Imagined(NamedTuple):
    """Rollouts of N trajectories from E places each.

    Attributes:
        latents: (N, E, K, …), the k-th of which (from 0) belongs to frame ``ends[e] + 1 + k``.
        ends: the last frame of each context that was encoded, (E,).
    """

    latents: np.ndarray
    ends: np.ndarray

    def frames(self) -> np.ndarray:
        """The frame each imagined latent belongs to, (E, K)."""
        return self.ends[:, None] + 1 + np.arange(self.latents.shape[2])


def imagine(
    checkpoint: Checkpoint,
    latents: np.ndarray,
    actions: np.ndarray,
    horizon: int,
    places: int | None = None,
) -> Imagined:
    """Imagine ``horizon`` blocks ahead after exactly H encoded frames, with the recorded actions.

    Args:
        checkpoint: the model.
        latents: encoded, (N, T, …).
        actions: raw blocks (N, T, A); block t leads from frame t to frame t + 1.
        horizon: K; the model sees its own predictions only, from the second step on mixed with
            the last encoded frames until H steps have passed.
        places: most contexts a trajectory, evenly spaced (default: every one that fits).

    Raises:
        UserError: trajectories shorter than H + K frames, or imagined latents that are not finite.
    """
    model = checkpoint.model
    history, frames = model.spec.history, latents.shape[1]
    last = frames - 1 - horizon
    if last < history - 1:
        raise UserError(
            f"Trajectories of {frames} frames are too short to imagine {horizon} blocks ahead with "
            f"{checkpoint.label}, which first sees {history} frames: at least {history + horizon} "
            "are needed. Raise clean.frames in the suite (voe.frames where it has no section "
            "clean, probe.frames for probes of imagined latents), or ask for a shorter horizon."
        )
    ends = np.arange(history - 1, last + 1)
    if places is not None and places < len(ends):
        ends = ends[np.linspace(0, len(ends) - 1, places).round().astype(int)]
    device = device_of(model)
    pairs = [(n, end) for n in range(len(latents)) for end in ends]

    def roll(rows: slice) -> np.ndarray:
        batch = pairs[rows]
        context = np.stack([latents[n, e + 1 - history : e + 1] for n, e in batch])
        past = np.stack([actions[n, e + 1 - history : e] for n, e in batch])
        future = np.stack([actions[n, e : e + horizon] for n, e in batch])[:, None]
        rolled = model.rollout(
            torch.as_tensor(context, device=device),
            torch.as_tensor(past, device=device),
            torch.as_tensor(future, device=device),
        )  # (B, 1, K, …)
        return rolled[:, 0].float().cpu().numpy()

    with torch.no_grad():
        parts = in_batches(roll, len(pairs), BATCH, doing="imagining rollouts", model=model)
    found = np.concatenate(parts).reshape(len(latents), len(ends), horizon, *latents.shape[2:])
    check_finite(checkpoint, "imagined latents", found)
    return Imagined(found, ends)
