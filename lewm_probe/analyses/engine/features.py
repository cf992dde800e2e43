"""What probes and geometry look at: (N, T, D) views of a model's latents."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.decomposition import PCA

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.core.errors import UserError
from lewm_probe.models.base import device_of

TOKEN_WIDTH = 192
"""Width that patch tokens are reduced to, LeWM's own, so that width is no advantage."""


def encoded(
    checkpoint: Checkpoint, pixels: np.ndarray, actions: np.ndarray | None, cache: LatentCache
) -> dict[str, np.ndarray]:
    """Latents of images uint8 (N, T, H, W, C): ``z`` (N, T, …), and ``cls`` where offered.

    ``actions``, raw blocks (N, T, A), are what recurrent models see beside the images; others do
    not look at them, so that None will do for images of no trajectory.

    Raises:
        UserError: a latent is NaN or infinite; the message names the model.
    """
    latents = cache.encode(checkpoint.model, pixels, actions)
    for name, values in latents.items():
        check_finite(checkpoint, f"latents ({name})", values)
    return latents


def check_finite(checkpoint: Checkpoint, what: str, values: np.ndarray) -> None:
    """Refuse NaN and infinite numbers of a model.

    Raises:
        UserError: there are some.
    """
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise UserError(
            f"The {what} of {checkpoint.label} hold {bad} NaN or infinite values of {values.size}. "
            "Finite ones were expected: the checkpoint diverged in training or is damaged. Give an "
            "earlier checkpoint of the run, or train it again with a lower learning rate."
        )


def pooled(checkpoint: Checkpoint, latents: np.ndarray) -> np.ndarray:
    """The view ``z`` that the model offers, (N, T, D); patch tokens are averaged if it offers none.

    Shapes: latents (N, T, D) or (N, T, P, D).
    """
    device = device_of(checkpoint.model)
    offered = checkpoint.model.features(torch.tensor(latents, device=device)).get("z")
    view = latents if offered is None else offered.detach().cpu().numpy()
    if view.ndim == 4:
        view = view.mean(axis=2)
    return np.asarray(view, dtype=np.float32)


class TokenPCA:
    """Patch tokens (N, T, P, D) as their first ``TOKEN_WIDTH`` principal components, (N, T, ≤192).

    Fitted on training frames only. Deterministic for a seed.
    """

    def __init__(self, train: np.ndarray, seed: int) -> None:
        rows = train.reshape(train.shape[0] * train.shape[1], -1)
        width = min(TOKEN_WIDTH, *rows.shape)
        self._pca = PCA(width, svd_solver="randomized", random_state=seed).fit(rows)

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """Project (N, T, P, D)."""
        rows = latents.reshape(latents.shape[0] * latents.shape[1], -1)
        return self._pca.transform(rows).reshape(*latents.shape[:2], -1).astype(np.float32)


def triplets(features: np.ndarray) -> np.ndarray:
    """[z_{t−2}, z_{t−1}, z_t]: (N, T, D) → (N, T, 3D); zeros at the first two frames."""
    seen = [features[:, :-2], features[:, 1:-1], features[:, 2:]]
    return np.pad(np.concatenate(seen, axis=-1), ((0, 0), (2, 0), (0, 0)))


def changes(features: np.ndarray) -> np.ndarray:
    """Δz = z_t − z_{t−1}: (N, T, D) → (N, T, D); zero at the first frame."""
    return np.pad(np.diff(features, axis=1), ((0, 0), (1, 0), (0, 0)))


def frame_index(count: int, frames: int) -> np.ndarray:
    """The time as a probe may know it, (count, T, T): one-hot, so any function of it is linear."""
    return np.broadcast_to(np.eye(frames, dtype=np.float32), (count, frames, frames))
