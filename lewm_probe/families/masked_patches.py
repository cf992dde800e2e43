"""Masked patches: a ViT pre-trained without labels, to be frozen (SimMIM, arXiv 2111.09886).

Random patches of single frames are hidden behind the mask token, and their pixels are predicted
from the others by a linear head: the mean absolute error over hidden patches. Actions and time play
no part. What is saved is the encoder alone, of DINOv2's architecture; ``dino_wm-ssl`` takes its
tokens. As a world model it predicts that nothing changes, so that it can be probed by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from lewm_probe.core.config import Config
from lewm_probe.core.errors import UsageError
from lewm_probe.core.seeding import torch_seed
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.base import ModelSpec, Observation
from lewm_probe.models.config import DEEPEST, LARGEST_IMAGE, WIDEST
from lewm_probe.models.family import Family, Origin, Terms, Trainee, too_many_layers
from lewm_probe.models.images import NORMALISATION, Normalise, Resize, fit_pixels, take_pixels
from lewm_probe.models.nn.dinov2 import Dinov2, Dinov2Shape
from lewm_probe.models.trainable import TrainableModel, check_match
from lewm_probe.results.cards import Card

ENCODE_FRAMES = 256
"""Frames encoded at once."""


class MaskedPatchesConfig(Config):
    """The encoder.

    Attributes:
        image_size: side of the square image, pixels, a multiple of the patch.
        frame_skip: environment steps a frame.
        env_action_width: width of one environment action.
        normalisation: of pixels, as in ``dino_wm``.
        shape: of the ViT; the default is of 0.5 M parameters and 16 tokens at 64 px.
    """

    image_size: int = Field(64, ge=8, le=LARGEST_IMAGE)
    frame_skip: int = Field(5, ge=1, le=DEEPEST)
    env_action_width: int = Field(2, ge=1, le=WIDEST)
    normalisation: Literal["half", "imagenet"] = "half"
    shape: Dinov2Shape = Dinov2Shape(
        width=96, layers=4, heads=4, mlp_width=384, patch_size=16, image_size=64
    )

    @model_validator(mode="after")
    def _fits(self) -> MaskedPatchesConfig:
        if self.image_size % self.shape.patch_size:
            raise UsageError(
                f"An image of {self.image_size} px cannot be cut into patches of "
                f"{self.shape.patch_size} px. Set model.image_size to a multiple of it."
            )
        return self

    @property
    def tokens(self) -> int:
        """P, patches of a frame."""
        return (self.image_size // self.shape.patch_size) ** 2


class MaskedPatchesObjectiveConfig(Config):
    """One term.

    Attributes:
        mask_ratio: share of patches that are hidden (SimMIM: 0.6 of 32 px patches at 192 px; ours
            are fewer).
    """

    name: Literal["masked_patches"]
    mask_ratio: float = Field(0.5, gt=0, lt=1)


class MaskedPatchesModel(TrainableModel):
    """An encoder of patch tokens that knows of no time."""

    def __init__(
        self,
        config: MaskedPatchesConfig,
        action_statistics: ActionStatistics,
        origin: Origin,
        *,
        resize: Resize | None = None,
    ) -> None:
        super().__init__(config, action_statistics, resize)
        self.origin = origin
        self.spec = ModelSpec(
            family=origin.family,
            history=1,
            frame_skip=config.frame_skip,
            image_size=config.image_size,
            action_kind="continuous",
            action_width=config.frame_skip * config.env_action_width,
            latent_width=config.shape.width,
            tokens=config.tokens,
            world=origin.world,
            train_seed=origin.seed,
            step=origin.step,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(origin.seed or 0, "weights"))
            self.backbone = Dinov2(config.shape)
        self.normalise = Normalise(NORMALISATION[config.normalisation])

    def encode(self, observation: Observation) -> Tensor:
        """Patch tokens (B, T, P, D) of uint8 pixels (B, T, H, W, 3), without gradient.

        Raises:
            UserError: pixels of another type, shape or size (see ``resize``).
        """
        pixels, found = take_pixels(observation), []
        with torch.no_grad(), self.evaluating():
            for chunk in pixels.flatten(0, 1).split(ENCODE_FRAMES):
                chunk = chunk.to(self.action_mean.device)
                chunk = fit_pixels(chunk, self.spec.image_size, self.resize, None)
                found.append(self.backbone.patches(self.normalise(chunk)).float())
        return torch.cat(found).unflatten(0, pixels.shape[:2])

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """That nothing changes: (B, T, P, D), raw blocks (B, T, A) → (B, T, P, D).

        Raises:
            UserError: another action width, or unequal numbers of frames.
        """
        check_match(latents, actions)
        self.check_actions(actions)
        return latents


class MaskedPatchesTrainee(Trainee):
    """The encoder and the linear head that its hidden patches are judged by."""

    model: MaskedPatchesModel

    def __init__(self, model: MaskedPatchesModel, objective: MaskedPatchesObjectiveConfig) -> None:
        super().__init__(model, None)
        shape = model.config.shape
        self.head = nn.Linear(shape.width, 3 * shape.patch_size**2)
        self.hidden = max(1, round(objective.mask_ratio * model.config.tokens))

    def forward(
        self, batch: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Terms, Tensor]:
        """uint8 (B, T, H, W, C) → one term; the latents for diagnostics are mean tokens of it."""
        model, pixels = self.model, batch["pixels"]
        images = model.normalise(pixels.flatten(0, 1))  # (N, 3, H, W)
        order = torch.rand(len(images), model.config.tokens, generator=generator).argsort(1)
        masked = (order < self.hidden).to(images.device)  # (N, P), as many in each
        tokens = model.backbone.patches(images, masked)
        wanted = patches_of(images, model.config.shape.patch_size)
        error = (self.head(tokens[masked]) - wanted[masked]).abs().mean()
        latents = tokens.detach().float().mean(1).unflatten(0, pixels.shape[:2])
        return {"reconstruction": error, "loss": error}, latents


def patches_of(images: Tensor, side: int) -> Tensor:
    """(N, 3, H, W) → (N, P, 3 · side²), row by row.

    >>> patches_of(torch.arange(16.0).view(1, 1, 4, 4), 2)[0, 1].tolist()
    [2.0, 3.0, 6.0, 7.0]
    """
    return F.unfold(images, side, stride=side).mT


class MaskedPatchesFamily(Family):
    """A ViT and the error over hidden patches."""

    card = Card("Masked patches, no dynamics", 36, color="#ddcc77")
    model_config: type[Config] = MaskedPatchesConfig
    objective_config: type[Config] = MaskedPatchesObjectiveConfig

    def build(
        self,
        config: MaskedPatchesConfig,
        statistics: ActionStatistics,
        origin: Origin,
        *,
        resize: Resize | None = None,
    ) -> MaskedPatchesModel:
        """The untrained model."""
        return MaskedPatchesModel(config, statistics, origin, resize=resize)

    def trainee(
        self, model: MaskedPatchesModel, objective: MaskedPatchesObjectiveConfig
    ) -> MaskedPatchesTrainee:
        """Model and head as one module; the head is drawn from torch's own generator."""
        return MaskedPatchesTrainee(model, objective)

    def check_claims(self, config: MaskedPatchesConfig, tensors: int) -> str:
        """More layers than the tensors can be of."""
        return too_many_layers(config.shape.layers, tensors, of="")


MASKED_PATCHES = MaskedPatchesFamily()
