"""What a model predicts of frames that it then sees, and how far it is off: s_t, its surprise.

s_t = mean over latent axes of (ẑ_t − z_t)², ẑ_t teacher-forced from exactly the last H latents and
the action blocks that follow them (LeWorldModel, arXiv 2603.19312, violation of expectation).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lewm_probe.analyses.engine.batching import in_batches
from lewm_probe.core.errors import UserError
from lewm_probe.models.base import WorldModel, device_of

PREDICT_BATCH = 64
"""Trajectories predicted at once, as far as memory allows."""


@torch.no_grad()
def teacher_forced(model: WorldModel, latents: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """ẑ of every frame from true latents: (N, T, …), raw blocks (N, T, A) → (N, T, …).

    Entry t is the prediction *of* frame t. Frames 0 … H − 1, which lack a full context, are NaN.

    Raises:
        UserError: predictions of another shape than the latents.
    """
    device = device_of(model)
    predicted = np.full(latents.shape, np.nan, dtype=np.float32)
    full = model.full_context(latents.shape[1] - 1).cpu().numpy()

    def predict(rows: slice) -> None:
        z = torch.tensor(latents[rows, :-1], device=device)
        a = torch.tensor(actions[rows, :-1], device=device)
        following = model.predict(z, a).float().cpu().numpy()  # position t predicts frame t + 1
        _check_shape("predict()", following.shape, z.shape)
        predicted[rows, 1:][:, full] = following[:, full]

    in_batches(predict, len(latents), PREDICT_BATCH, doing="predicting", model=model)
    return predicted


@torch.no_grad()
def surprise(model: WorldModel, predicted: np.ndarray, latents: np.ndarray) -> np.ndarray:
    """The model's own surprise, (N, T, …), (N, T, …) → float64 (N, T); NaN where not predicted.

    The model is asked about the frames from the first predicted one on.

    Raises:
        UserError: not one number for each trajectory and frame.
    """
    device = device_of(model)
    found = np.full(latents.shape[:2], np.nan)
    there = np.isfinite(predicted).any(axis=(0, *range(2, predicted.ndim)))  # (T,)
    first = int(np.argmax(there)) if there.any() else len(there)

    def score(rows: slice) -> None:
        pair = [torch.tensor(a[rows, first:], device=device) for a in (predicted, latents)]
        scored = model.surprise(*pair)
        _check_shape("surprise()", scored.shape, pair[0].shape[:2])  # (B, T) alone is no (B, 1)
        found[rows, first:] = scored.double().cpu().numpy()

    if there.any():
        in_batches(score, len(latents), len(latents), doing="scoring predictions", model=model)
    return found


def _check_shape(what: str, found: Sequence[int], expected: Sequence[int]) -> None:
    """Refuse what numpy would stretch over other trajectories and frames without a word."""
    if tuple(found) != tuple(expected):
        raise UserError(
            f"{what} of the model has the shape {tuple(found)}, but {tuple(expected)} was expected "
            "there. Fix the model; `check_world_model` tells more of it."
        )
