"""A world model without learning: principal components of pixels, and linear dynamics.

What planning with it reaches can be reached without a learned encoder: in TwoRoom, where a dot
moves on a white floor, that is a good deal.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from lewm_probe.analyses.controls.random_networks import PixelPca
from lewm_probe.core.files import content_hash
from lewm_probe.models.base import ModelSpec, Observation, WorldModel
from lewm_probe.models.images import take_pixels
from lewm_probe.models.sliding import slide, windows

RIDGE = 1e-3
"""Of the regression, in units of the mean square of its inputs."""


class PixelModel(nn.Module, WorldModel):
    """z = components of an image; ẑ_{t+1} = z_t + linear in the last H latents and blocks.

    Args:
        spec: of the model it stands beside: history, frame-skip, image size, actions.
        pca: of images.
        scale: of latents, so that they have unit mean variance.
        weights: (H, D + A + 1, D): of contexts of 1 … H frames, the last row the constant.
        mean: of raw blocks, (A,).
        std: likewise.
    """

    def __init__(
        self,
        spec: ModelSpec,
        pca: PixelPca,
        scale: float,
        weights: list[np.ndarray],
        mean: np.ndarray,
        std: np.ndarray,
    ) -> None:
        super().__init__()
        self.spec = replace(spec, tokens=1, recurrent=False)
        self.pca, self.scale = pca, scale
        self.mean: Tensor
        self.std: Tensor
        for name, value in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.as_tensor(w, dtype=torch.float32), requires_grad=False)
            for w in weights
        )
        self.fingerprint = content_hash(
            "pixel model", pca.mean, pca.components, scale, *weights, mean, std
        )

    def encode(self, observation: Observation) -> Tensor:
        """Scaled components (B, T, D)."""
        pixels = take_pixels(observation)
        found = torch.as_tensor(self.pca(pixels.cpu().numpy())) / self.scale
        return found.to(self.mean.device)

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """The next components (B, T, D)."""
        self.check_actions(actions)
        scaled = (actions - self.mean) / self.std
        return slide(self._window, latents, scaled, self.spec.history)

    def _window(self, latents: Tensor, scaled: Tensor) -> Tensor:
        length = latents.shape[1]
        both = torch.cat([latents, scaled], dim=-1)  # (N, h, D + A)
        following = []
        for t in range(length):
            seen = both[:, : t + 1].flatten(1)
            weights = self.weights[t].to(seen.dtype)
            following.append(latents[:, t] + seen @ weights[:-1] + weights[-1])
        return torch.stack(following, dim=1)

    @classmethod
    def fit(
        cls, spec: ModelSpec, pixels: np.ndarray, actions: np.ndarray, *, seed: int
    ) -> PixelModel:
        """Fit to images uint8 (N, T, H, W, C) and raw blocks (N, T, A), by ridge regression."""
        pca = PixelPca.fit(pixels, spec.latent_width, seed=seed)
        latents = pca(pixels).astype(np.float64)  # (N, T, D)
        scale = max(float(np.sqrt(latents.var(axis=(0, 1)).mean())), 1e-12)
        latents /= scale
        flat = actions.reshape(-1, actions.shape[-1]).astype(np.float64)
        mean, std = flat.mean(axis=0), flat.std(axis=0)
        std[std < 1e-8] = 1.0
        both = torch.as_tensor(np.concatenate([latents, (actions - mean) / std], axis=-1))
        change = latents[:, 1:] - latents[:, :-1]
        weights = []
        for length in range(1, spec.history + 1):
            seen = windows(both[:, :-1], length).flatten(1).numpy()  # (M, length · (D + A))
            wanted = change[:, length - 1 :].reshape(len(seen), -1)
            weights.append(_ridge(seen, wanted))
        return cls(spec, pca, scale, weights, mean, std)


def _ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights and, in the last row, the constant: (M, P), (M, D) → (P + 1, D)."""
    centre, goal = x.mean(axis=0), y.mean(axis=0)
    x, y = x - centre, y - goal
    gram = x.T @ x
    penalty = RIDGE * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), x.T @ y)
    return np.vstack([weights, goal - centre @ weights])
