"""Baselines that learned nothing about the world's dynamics, or nothing at all.

A number about a model means something only beside the same number for these.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from lewm_probe.analyses.engine.asked.checkpoint import freeze
from lewm_probe.analyses.engine.asked.suite import RandomEncoderSettings
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache, encode_code
from lewm_probe.core.files import content_hash
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.models.base import Observation, WorldModel, device_of

RECALIBRATION_TRAJECTORIES = 100
"""Most trajectories whose frames give batch norms their statistics: 2,000 frames at 20 each."""

PCA_FRAMES = 2000
"""Most frames that pixel principal components are fitted on; they bound memory, not width."""

WEIGHT_DECAY = 1e-3
"""Of the predictor on random latents: the paper's optimiser setting."""


@runtime_checkable
class Rebuildable(Protocol):
    """A model that can be built anew and whose predictor can be trained: LeWM and PLDM."""

    def reinitialized(self, seed: int) -> WorldModel:
        """The same architecture with fresh random weights."""

    def recalibrate_batch_norm(self, pixels: Tensor, actions: Tensor | None = None) -> None:
        """Give batch norms statistics of these images (B, T, H, W, C)."""

    def scale_actions(self, actions: Tensor) -> Tensor:
        """Raw action blocks (B, T, A) as the predictor takes them."""

    def predict_scaled(self, latents: Tensor, scaled: Tensor) -> Tensor:
        """One causal pass, with gradient: (B, T, D), (B, T, A) → (B, T, D), T ≤ history."""


# ---- random networks


def random_weights(
    model: WorldModel, pixels: np.ndarray, *, seed: int, actions: np.ndarray | None = None
) -> WorldModel | None:
    """The same architecture with random weights; None for a model that cannot be built anew.

    Recurrent models, whose latents depend on actions, are not built anew either.

    Batch norms get the statistics of (some of) ``pixels``, uint8 (N, T, H, W, C): with those they
    are born with, random features would fail for want of scale, not of learning. With ``actions``
    (N, T, A) those of the predictor are recalibrated too.
    """
    if not isinstance(model, Rebuildable) or model.spec.recurrent:
        return None
    fresh = model.reinitialized(torch_seed(seed, "random-weights"))
    assert isinstance(fresh, Rebuildable)
    some = slice(0, RECALIBRATION_TRAJECTORIES)
    blocks = torch.tensor(actions[some]) if actions is not None else None
    fresh.recalibrate_batch_norm(torch.tensor(pixels[some]), blocks)
    return freeze(fresh, device_of(model))


class RandomEncoder(nn.Module, WorldModel):
    """A frozen random encoder with a predictor trained on its latents.

    It separates what learned latents add from what any latents and a learned predictor can do. A
    wholly random model would be a straw man: its zero gates ignore the actions. Latents are centred
    and divided by one number, their overall SD, which leaves their geometry alone and gives the
    predictor the scale it was designed for.

    Attributes:
        encoder: the random model whose latents ``scaled`` takes.
    """

    def __init__(
        self, encoder: WorldModel, predictor: WorldModel, centre: Tensor, sd: Tensor
    ) -> None:
        super().__init__()
        self.encoder, self.predictor = encoder, predictor
        self.spec = encoder.spec
        self.centre: Tensor
        self.sd: Tensor
        self.register_buffer("centre", centre)
        self.register_buffer("sd", sd)
        self.fingerprint = content_hash(
            "random encoder",
            encoder.fingerprint,
            predictor.fingerprint,
            centre.cpu().numpy(),
            sd.cpu().numpy(),
        )

    def scaled(self, latents: np.ndarray) -> np.ndarray:
        """Latents of ``encoder`` (…, D) as the predictor was trained on them."""
        return (latents - self.centre.cpu().numpy()) / self.sd.cpu().numpy()

    def encode(self, observation: Observation) -> Tensor:
        """Scaled random latents (B, T, D)."""
        return (self.encoder.encode(observation) - self.centre) / self.sd

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """The trained predictor's next latents (B, T, D)."""
        return self.predictor.predict(latents, actions)


def random_encoder(
    model: WorldModel,
    trajectories: Trajectories,
    settings: RandomEncoderSettings,
    *,
    seed: int,
    cache: LatentCache,
) -> RandomEncoder | None:
    """Train the architecture's predictor on random latents; None if it cannot be built anew.

    ``trajectories`` must not be among those compared. Equal architectures, statistics, settings and
    data give the same baseline, which is trained once and kept in ``cache``.
    """
    encoder = random_weights(model, trajectories.pixels, seed=seed)
    if encoder is None:
        return None
    device = device_of(model)
    latents = cache.encode(encoder, trajectories.pixels)["z"]  # (N, T, D)
    centre = latents.mean(axis=(0, 1))
    sd = max(float(np.sqrt(latents.var(axis=(0, 1)).mean())), 1e-6)
    scaled = (latents - centre) / np.float32(sd)
    key = content_hash(
        "random encoder",
        encoder.fingerprint,
        settings.model_dump_json(),
        seed,
        device.type,
        encode_code(model),
        inspect.getsource(sys.modules[__name__]),
        scaled,
        trajectories.actions,
    )

    def train() -> dict[str, np.ndarray]:
        predictor = _train_predictor(encoder, scaled, trajectories.actions, settings, seed)
        return {name: value.cpu().numpy() for name, value in predictor.state_dict().items()}

    weights = cache.stored(key, train)
    predictor = _copy(encoder, seed)
    shapes = {name: value.shape for name, value in predictor.state_dict().items()}
    predictor.load_state_dict(
        {name: torch.tensor(value).reshape(shapes[name]) for name, value in weights.items()}
    )
    predictor.to(device)
    assert isinstance(predictor, WorldModel)
    baseline = RandomEncoder(
        encoder, predictor, torch.tensor(centre, device=device), torch.tensor(sd, device=device)
    )
    baseline.eval().requires_grad_(False)
    return baseline


def _train_predictor(
    encoder: WorldModel,
    latents: np.ndarray,
    actions: np.ndarray,
    settings: RandomEncoderSettings,
    seed: int,
) -> nn.Module:
    """AdamW with a cosine to zero on teacher-forced windows of scaled latents (N, T, D)."""
    device = device_of(encoder)
    predictor = _copy(encoder, seed).to(device)
    assert isinstance(predictor, Rebuildable)
    z = torch.tensor(latents, device=device)
    blocks = predictor.scale_actions(torch.tensor(actions, device=device))  # (N, T, A)
    history = encoder.spec.history
    starts = z.shape[1] - history  # windows of history + 1 frames in each trajectory
    if starts < 1:
        raise ValueError(f"trajectories of {z.shape[1]} frames hold no window of {history + 1}")
    within = torch.arange(history + 1, device=device)
    rng = stream(seed, "random-encoder", "batches")
    optimizer = torch.optim.AdamW(
        predictor.parameters(), lr=settings.learning_rate, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    predictor.train().requires_grad_(True)
    with _seeded(torch_seed(seed, "random-encoder", "dropout"), device):
        for _ in range(settings.steps):
            drawn = torch.tensor(rng.integers(len(z), size=settings.batch), device=device)
            first = torch.tensor(rng.integers(starts, size=settings.batch), device=device)
            frames = first[:, None] + within  # (B, H + 1)
            window, block = z[drawn[:, None], frames], blocks[drawn[:, None], frames[:, :-1]]
            predicted = predictor.predict_scaled(window[:, :-1], block)
            loss = (predicted - window[:, 1:]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return predictor.eval()


def _copy(encoder: WorldModel, seed: int) -> nn.Module:
    assert isinstance(encoder, Rebuildable)
    fresh = encoder.reinitialized(torch_seed(seed, "random-weights"))
    assert isinstance(fresh, nn.Module)
    return fresh


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


# ---- pixels


@dataclass(frozen=True)
class PixelPca:
    """Principal components of the images: features of a given width without any learning.

    Attributes:
        mean: float32 (H·W·C,).
        components: float32 (width, H·W·C); fewer rows when there were fewer frames.
    """

    mean: np.ndarray
    components: np.ndarray

    @classmethod
    def fit(cls, pixels: np.ndarray, width: int, *, seed: int) -> Self:
        """Fit to at most ``PCA_FRAMES`` randomly drawn images of uint8 (N, T, H, W, C)."""
        frames = pixels.reshape(-1, int(np.prod(pixels.shape[-3:])))
        rng = stream(seed, "pixel-pca")
        chosen = np.sort(rng.permutation(len(frames))[:PCA_FRAMES])
        sample = frames[chosen].astype(np.float32) / 255
        pca = PCA(
            n_components=min(width, *sample.shape),
            svd_solver="randomized",
            random_state=int(rng.integers(2**31)),
        )
        with np.errstate(invalid="ignore", divide="ignore"):  # shares of variance of a still clip
            pca.fit(sample)
        return cls(pca.mean_.astype(np.float32), pca.components_.astype(np.float32))

    def __call__(self, pixels: np.ndarray, batch: int = 1024) -> np.ndarray:
        """Features float32 (…, width) of images uint8 (…, H, W, C)."""
        frames = pixels.reshape(-1, self.mean.size)
        parts = [
            (frames[i : i + batch].astype(np.float32) / 255 - self.mean) @ self.components.T
            for i in range(0, len(frames), batch)
        ]
        return np.concatenate(parts).reshape(*pixels.shape[:-3], len(self.components))


def pixel_difference(pixels: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Mean squared change of grey level since the frame before: two (M, H, W, C) → float64 (M,)."""
    change = np.empty(len(pixels))
    for i in range(0, len(pixels), 512):
        now, then = pixels[i : i + 512].astype(np.float32), before[i : i + 512].astype(np.float32)
        change[i : i + 512] = np.square(now - then).mean(axis=(1, 2, 3), dtype=np.float64)
    return change


# ---- predictions without learning


def copy_last(latents: np.ndarray) -> np.ndarray:
    """Predict that nothing changes: the next latent at every position, (N, T, …) → (N, T, …)."""
    return latents


def linear_extrapolation(latents: np.ndarray) -> np.ndarray:
    """Predict the same step again: 2 z_t − z_{t−1}; the first position can only copy."""
    predicted = latents.copy()
    predicted[:, 1:] += latents[:, 1:] - latents[:, :-1]
    return predicted
