"""Sliding a predictor that sees H frames over longer trajectories."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PREDICT_WINDOWS = 1024
"""Windows predicted at once; small, as each holds only H tokens."""


def slide(
    predict_window: Callable[[Tensor, Tensor], Tensor],
    latents: Tensor,
    actions: Tensor,
    history: int,
    batch: int | None = None,
) -> Tensor:
    """The next latent at every position, from exactly the last ``history`` latents and actions.

    Args:
        predict_window: causal: windows (N, h, …) and (N, h, A), h ≤ ``history``, → the next latent
            at each of their positions, (N, h, …), position i having seen the first i + 1 frames.
        latents: (B, T, …), patch tokens too.
        actions: (B, T, A).
        history: H; the first H − 1 positions see fewer.
        batch: windows predicted at once, ``PREDICT_WINDOWS`` by default.

    Returns:
        (B, T, …).

    >>> total = lambda z, a: z.cumsum(1)
    >>> slide(total, torch.ones(1, 5, 1), torch.ones(1, 5, 1), history=3).flatten().tolist()
    [1.0, 2.0, 3.0, 3.0, 3.0]
    """

    def predict(z: Tensor, a: Tensor) -> Tensor:
        size = batch or PREDICT_WINDOWS
        chunks = zip(z.split(size), a.split(size), strict=True)
        return torch.cat([predict_window(*chunk) for chunk in chunks])

    if latents.shape[1] <= history:
        return predict(latents, actions)
    found = predict(windows(latents, history), windows(actions, history))
    found = found.unflatten(0, (latents.shape[0], -1))  # (B, T − H + 1, H, …)
    return torch.cat([found[:, 0], found[:, 1:, -1]], dim=1)  # (B, T, …)


def windows(x: Tensor, length: int) -> Tensor:
    """Every run of ``length`` frames: (B, T, …) → (B · (T − length + 1), length, …)."""
    return x.unfold(1, length, 1).movedim(-1, 2).flatten(0, 1)
