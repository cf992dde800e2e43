"""LeWM and PLDM: one architecture, two objectives, so one module.

LeWorldModel, arXiv 2603.19312: an encoder turns each image into a latent z_t = enc(o_t), a causal
predictor turns the last H latents and action blocks into the next, ẑ_{t+1}. PLDM, arXiv 2502.14819,
uses the same networks here and differs in the loss (``lewm_probe.families``); ``family``
says which one a model was trained with. Submodules are named as in the released checkpoints:
``encoder``, ``projector``, ``predictor``, ``action_encoder``, ``pred_proj``.

Symbols: z latents, D ``latent_width``, H ``history``, A ``action_width`` (frame-skip × environment
action width).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lewm_probe.core.errors import UserError
from lewm_probe.core.seeding import torch_seed
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.base import ModelSpec, Observation
from lewm_probe.models.config import ModelConfig
from lewm_probe.models.images import Normalise, Resize, fit_pixels, take_pixels
from lewm_probe.models.imagination import LatentSteps, at_least_single, rollout
from lewm_probe.models.nn.encoders import make_encoder
from lewm_probe.models.nn.mlp import MLP, Embedder
from lewm_probe.models.nn.predictor import Predictor
from lewm_probe.models.sliding import slide, windows
from lewm_probe.models.trainable import TrainableModel, check_match

ENCODE_FRAMES = 256
"""Frames encoded at once: bounds memory (a full-size ViT needs about 1 GB for them)."""
CACHED_FRAMES = 8
"""The same for a ViT on a CPU: what its layers pass on stays in a core's cache, which made encoding
a fifth faster than 16 or more at once (reports/benchmarks)."""

RECALIBRATION_BATCH = 512
"""Frames or windows a batch of fresh batch-norm statistics: 128 windows × 4 frames, as trained."""


class JEPA(TrainableModel):
    """A latent world model of pixels; trainable as built, frozen when loaded from a checkpoint.

    Args:
        config: sizes; kept with every default written out, so that checkpoints do not need them.
        action_statistics: per raw environment action dimension, of the training data.
        family: ``lewm`` or ``pldm``: the objective it is trained with.
        world: world it is trained on, if known.
        train_seed: seed of the initial weights (0 where None) and of training.
        step: optimiser steps taken.
        resize: what to do with images of another size; None refuses them.

    Raises:
        UserError: action statistics that do not fit the action width.

    >>> from lewm_probe.models.config import EncoderConfig
    >>> config = ModelConfig(image_size=64, encoder=EncoderConfig(name="cnn"), latent_width=8)
    >>> model = JEPA(config, ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0)))
    >>> z = model.encode(torch.zeros(2, 5, 64, 64, 3, dtype=torch.uint8))
    >>> model.predict(z, torch.zeros(2, 5, 10)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        config: ModelConfig,
        action_statistics: ActionStatistics,
        *,
        family: str = "lewm",
        world: str | None = None,
        train_seed: int | None = None,
        step: int | None = None,
        resize: Resize | None = None,
    ) -> None:
        super().__init__(config.resolved(), action_statistics, resize)
        self.spec = ModelSpec(
            family=family,
            history=config.history,
            frame_skip=config.frame_skip,
            image_size=config.image_size,
            action_kind="continuous",
            action_width=config.action_width,
            latent_width=config.latent_width,
            world=world,
            train_seed=train_seed,
            step=step,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(train_seed or 0, "weights"))
            self.encoder = make_encoder(config)
            features, hidden = config.encoder.output_width, config.projector_hidden
            self.projector = MLP(features, hidden, config.latent_width)
            self.predictor = Predictor(config)
            self.action_encoder = Embedder(config.action_width, config.latent_width)
            self.pred_proj = MLP(config.predictor_output_width, hidden, config.latent_width)
        self.normalise = Normalise()

    # ---- what training calls: gradients flow, batch norm follows the module's mode

    def embed(self, pixels: Tensor) -> Tensor:
        """uint8 (B, T, H, W, 3) → latents (B, T, D), float32 also under autocast."""
        return self._project(self._features(pixels.flatten(0, 1))).unflatten(0, pixels.shape[:2])

    def predict_scaled(self, latents: Tensor, scaled: Tensor) -> Tensor:
        """One causal pass: (B, T, D), scaled (B, T, A) → ẑ of the next frame (B, T, D), T ≤ H.

        Raises:
            UserError: more frames than the history.
        """
        if latents.shape[1] > self.spec.history:
            raise UserError(
                f"A window of {latents.shape[1]} frames was given to a predictor that sees "
                f"{self.spec.history} (model.history). Give fewer, or use predict, which slides it "
                "over longer trajectories."
            )
        predicted: Tensor = self.predictor(latents, self.action_encoder(scaled))
        flat: Tensor = self.pred_proj(predicted.flatten(0, 1))
        return at_least_single(flat).unflatten(0, latents.shape[:2])

    # ---- what analyses and planners call: eval mode, whatever mode training left

    def encode(self, observation: Observation) -> Tensor:
        """Latents (B, T, D) of uint8 pixels (B, T, H, W, 3), without gradient.

        Raises:
            UserError: pixels of another type, shape or size (see ``resize``).
        """
        return self.embed_features(observation)["z"]

    def embed_features(self, observation: Observation) -> dict[str, Tensor]:
        """As ``encode``: ``z`` (B, T, D) and the encoder's features before the projector, ``cls``.

        At most ``ENCODE_FRAMES`` images are on the model's device at once.
        """
        pixels = take_pixels(observation)
        device = self.action_mean.device
        cached = device.type == "cpu" and self.config.encoder.is_vit
        at_once = CACHED_FRAMES if cached else ENCODE_FRAMES
        patch = self.config.encoder.vit.patch_size if self.config.encoder.is_vit else None
        z, cls = [], []
        with torch.no_grad(), self.evaluating():
            for chunk in pixels.flatten(0, 1).split(at_once):
                chunk = fit_pixels(chunk.to(device), self.spec.image_size, self.resize, patch)
                cls.append(self._features(chunk))
                z.append(self._project(cls[-1]))
        shape = pixels.shape[:2]
        return {
            "z": torch.cat(z).unflatten(0, shape),
            "cls": torch.cat(cls).float().unflatten(0, shape),
        }

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """The next latent at every position: (B, T, D), raw blocks (B, T, A) → (B, T, D).

        Position t sees exactly the last H latents and blocks, with the predictor's positions
        counted anew in each window, as in training; positions before H − 1 see what there is.
        Gradients flow to latents and actions that ask for them (as gradient planners do), never to
        weights: ``predict_scaled`` is for training.

        Raises:
            UserError: another action width, infinite actions, or unequal numbers of frames.
        """
        check_match(latents, actions)
        scaled = self.scale_actions(actions)
        wanted = torch.is_grad_enabled() and (latents.requires_grad or actions.requires_grad)
        with torch.set_grad_enabled(wanted), self.evaluating():
            return slide(self.predict_scaled, latents, scaled, self.spec.history)  # (B, T, D)

    def rollout(self, context: Tensor, past_actions: Tensor, future_actions: Tensor) -> Tensor:
        """(B, h, D), (B, h − 1, A), (B, S, K, A) → (B, S, K, D), nothing computed twice."""
        network = LatentSteps(self.predictor, self.action_encoder, self.pred_proj)
        return rollout(self, network, context, past_actions, future_actions)

    # ---- controls

    def reinitialized(self, seed: int) -> JEPA:
        """The same architecture with fresh random weights, trainable, on the same device."""
        fresh = JEPA(
            self.config,
            self.action_statistics,
            family=self.spec.family,
            world=self.spec.world,
            train_seed=seed,
            resize=self.resize,
        )
        return fresh.to(self.action_mean.device)

    @torch.no_grad()
    def recalibrate_batch_norm(self, pixels: Tensor, actions: Tensor | None = None) -> None:
        """Give every batch norm fresh running statistics, as the mean over batches of this data.

        Each batch mixes frames from all trajectories, as shuffled training batches do.

        Args:
            pixels: uint8 (N, T, H, W, 3).
            actions: raw blocks (N, T, A). With them the predictor's projector is recalibrated too,
                on windows of H frames; without, it keeps its statistics.
        """
        frames = take_pixels(pixels).flatten(0, 1)
        device = self.action_mean.device
        with self.evaluating():
            with _fresh_statistics(self.encoder, self.projector):
                for index in _interleaved(len(frames), RECALIBRATION_BATCH):
                    self._project(self._features(frames[index].to(device)))
            if actions is None:
                return
            latents, scaled = self.encode(pixels), self.scale_actions(actions)
            history = min(self.spec.history, latents.shape[1])
            z, a = windows(latents, history), windows(scaled, history)
            with _fresh_statistics(self.pred_proj):
                for index in _interleaved(len(z), RECALIBRATION_BATCH):
                    self.predict_scaled(z[index], a[index])

    # ---- parts

    def _features(self, frames: Tensor) -> Tensor:
        features: Tensor = self.encoder(self.normalise(frames))  # (N, features)
        return features

    def _project(self, features: Tensor) -> Tensor:
        latents: Tensor = self.projector(features)
        return latents.float()  # (N, D)


def _interleaved(count: int, batch: int) -> Iterator[slice]:
    """Cut ``count`` items into batches of about ``batch``, each spread over all of them."""
    batches = -(-count // batch)
    return (slice(first, None, batches) for first in range(batches))


@contextmanager
def _fresh_statistics(*parts: nn.Module) -> Iterator[None]:
    """Batch norms of ``parts`` gather the plain mean of batch statistics inside the block."""
    norms = [
        module
        for part in parts
        for module in part.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    before = [(norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
        norm.training = True
    try:
        yield
    finally:
        for norm, (momentum, training) in zip(norms, before, strict=True):
            norm.momentum, norm.training = momentum, training
