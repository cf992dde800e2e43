"""What a LeWM or PLDM looks like: every width, depth and size, with the source of each default.

Defaults are the released LeWM checkpoints (arXiv 2603.19312): 303 tensors, 18,034,478 parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from lewm_probe.core.config import Config
from lewm_probe.core.errors import UsageError

EncoderName = Literal[
    "vit-tiny", "vit-small", "vit-base", "vit-large", "vit-huge", "resnet18", "cnn"
]

VIT_SIZES: dict[str, tuple[int, int, int]] = {
    "vit-tiny": (192, 12, 3),
    "vit-small": (384, 12, 6),
    "vit-base": (768, 12, 12),
    "vit-large": (1024, 24, 16),
    "vit-huge": (1280, 32, 16),
}
"""Width, layers, heads (stable-pretraining's vit_hf)."""

WIDEST, DEEPEST, LARGEST_IMAGE = 65_536, 1024, 8192
"""No width, number of layers or steps, or image is beyond these: a configuration may be
untrusted, and making a model of what it claims must not take all memory or all day."""

VIT_PATCH = 14
"""Patch side in pixels (LeWM paper: 256 patches at 224 px)."""

CNN_CHANNELS = (16, 32, 64)
"""One stride-4 and two stride-2 layers: a CPU trains on 64 px images in minutes (ours)."""

CNN_WIDTH = 128
"""Width of the CNN's features; ours, as the paper has no CNN."""

RESNET18_WIDTH = 512
"""Channels of the last stage (He et al., arXiv 1512.03385, table 1)."""

VIT_KEYS = ("patch_size", "width", "layers", "heads", "mlp_width")
KEYS_READ: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(VIT_SIZES, VIT_KEYS),
    "resnet18": (),
    "cnn": ("channels", "width"),
}
"""Which optional keys each encoder reads; any other is refused rather than ignored."""


@dataclass(frozen=True)
class VitShape:
    """A vision transformer's sizes, all known."""

    patch_size: int
    width: int
    layers: int
    heads: int
    mlp_width: int


class EncoderConfig(Config):
    """Which network turns an image into a vector; empty keys take the named encoder's own sizes.

    Attributes:
        name: ``vit-tiny`` is the paper's; ``resnet18`` its ablation; ``cnn`` ours, for CPUs.
        patch_size: ViT: side of a patch, pixels (14).
        width: ViT: token width (192, 384, 768). CNN: feature width (128).
        layers: ViT: blocks (12).
        heads: ViT: attention heads (3, 6, 12).
        mlp_width: ViT: hidden width of each block's MLP (4 × width).
        channels: CNN: output channels of each layer, strides 4, 2, 2 … (16, 32, 64).
    """

    name: EncoderName = "vit-tiny"
    patch_size: int | None = Field(None, ge=1, le=WIDEST)
    width: int | None = Field(None, ge=1, le=WIDEST)
    layers: int | None = Field(None, ge=1, le=DEEPEST)
    heads: int | None = Field(None, ge=1, le=DEEPEST)
    mlp_width: int | None = Field(None, ge=1, le=WIDEST)
    channels: tuple[int, ...] | None = Field(None, min_length=1, max_length=12)

    @property
    def is_vit(self) -> bool:
        """Whether this is one of the vision transformers."""
        return self.name in VIT_SIZES

    @property
    def vit(self) -> VitShape:
        """The vision transformer's sizes with every default filled in."""
        width, layers, heads = VIT_SIZES[self.name]
        width = self.width or width
        return VitShape(
            patch_size=self.patch_size or VIT_PATCH,
            width=width,
            layers=self.layers or layers,
            heads=self.heads or heads,
            mlp_width=self.mlp_width or 4 * width,
        )

    @property
    def cnn_channels(self) -> tuple[int, ...]:
        """Channels of the CNN's layers."""
        return self.channels or CNN_CHANNELS

    @property
    def output_width(self) -> int:
        """Width of the features the projector sees."""
        if self.is_vit:
            return self.vit.width
        return RESNET18_WIDTH if self.name == "resnet18" else self.width or CNN_WIDTH

    def resolved(self) -> EncoderConfig:
        """The same encoder with every key it reads written out."""
        if self.is_vit:
            return EncoderConfig(name=self.name, **vars(self.vit))
        if self.name == "cnn":
            return EncoderConfig(
                name=self.name, channels=self.cnn_channels, width=self.output_width
            )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> EncoderConfig:
        reads = KEYS_READ[self.name]
        for key in (*VIT_KEYS, "channels"):
            if key not in reads and getattr(self, key) is not None:
                allowed = f"It reads {', '.join(reads)}." if reads else "It has no sizes to set."
                raise UsageError(
                    f"The encoder {self.name} does not read the key '{key}'. {allowed} "
                    "Remove the key, or choose another encoder."
                )
        if self.is_vit and self.vit.width % self.vit.heads:
            raise UsageError(
                f"An encoder of width {self.vit.width} cannot be shared among {self.vit.heads} "
                "attention heads: the heads must divide the width. Change model.encoder.width or "
                "model.encoder.heads."
            )
        if (
            self.channels is not None
            and not 1 <= min(self.channels) <= max(self.channels) <= WIDEST
        ):
            raise UsageError(
                f"The CNN's channels {list(self.channels)} must all be at least 1 and at most "
                f"{WIDEST}. Fix model.encoder.channels."
            )
        return self


class PredictorConfig(Config):
    """The causal transformer; defaults are the paper's and the released configuration's.

    Attributes:
        layers: transformer blocks.
        heads: attention heads of ``head_width`` each (their product need not be the width).
        head_width: width of one head.
        mlp_width: hidden width of each block's MLP.
        width: token width; the latent width where not given.
        output_width: width handed to the second projector; ``width`` where not given.
        dropout: on attention weights and after every linear layer (paper: 0.1 is best of 0–0.5).
        embedding_dropout: after the position embeddings (released configuration: 0).
    """

    layers: int = Field(6, ge=1, le=DEEPEST)
    heads: int = Field(16, ge=1, le=DEEPEST)
    head_width: int = Field(64, ge=1, le=WIDEST)
    mlp_width: int = Field(2048, ge=1, le=WIDEST)
    width: int | None = Field(None, ge=1, le=WIDEST)
    output_width: int | None = Field(None, ge=1, le=WIDEST)
    dropout: float = Field(0.1, ge=0, lt=1)
    embedding_dropout: float = Field(0.0, ge=0, lt=1)


class ModelConfig(Config):
    """One world model, LeWM or PLDM: they differ in training only.

    Attributes:
        image_size: side of the square image, pixels (paper: 224).
        history: frames the predictor sees, H (released: 3, also where the paper says 1).
        frame_skip: environment steps a frame (paper: 5).
        env_action_width: width of one environment action (2 in TwoRoom and Push-T).
        encoder: image → features.
        latent_width: D (paper: 192; saturates from about 184).
        projector_hidden: hidden width of both projectors (paper: 2048).
        predictor: latents and actions → next latent.

    Raises:
        UsageError: sizes that do not fit each other.
    """

    image_size: int = Field(224, ge=8, le=LARGEST_IMAGE)
    history: int = Field(3, ge=1, le=DEEPEST)
    frame_skip: int = Field(5, ge=1, le=DEEPEST)
    env_action_width: int = Field(2, ge=1, le=WIDEST)
    encoder: EncoderConfig = EncoderConfig()
    latent_width: int = Field(192, ge=1, le=WIDEST)
    projector_hidden: int = Field(2048, ge=1, le=WIDEST)
    predictor: PredictorConfig = PredictorConfig()

    @property
    def action_width(self) -> int:
        """Width A of an action block."""
        return self.frame_skip * self.env_action_width

    @property
    def predictor_width(self) -> int:
        """Token width of the predictor."""
        return self.predictor.width or self.latent_width

    @property
    def predictor_output_width(self) -> int:
        """Width of what the predictor hands to its projector."""
        return self.predictor.output_width or self.predictor_width

    def resolved(self) -> ModelConfig:
        """The same model with every size written out, whatever later versions' defaults are."""
        widths = {"width": self.predictor_width, "output_width": self.predictor_output_width}
        return self.model_copy(
            update={
                "encoder": self.encoder.resolved(),
                "predictor": self.predictor.model_copy(update=widths),
            }
        )

    @model_validator(mode="after")
    def _image_fits(self) -> ModelConfig:
        size = self.image_size
        if self.encoder.is_vit and size % self.encoder.vit.patch_size:
            patch = self.encoder.vit.patch_size
            divisors = [str(d) for d in range(4, size // 2 + 1) if size % d == 0]
            patches = f" ({', '.join(divisors)})" if divisors else ""
            below = max(size // patch * patch, patch)
            raise UsageError(
                f"An image of {size} px cannot be cut into patches of {patch} px: {size} is not a "
                f"multiple of {patch}. Set model.encoder.patch_size to a divisor of {size}"
                f"{patches}, or model.image_size to a multiple of {patch}, such as {below} or "
                f"{below + patch}."
            )
        smallest = {"resnet18": 32, "cnn": 2 ** (len(self.encoder.cnn_channels) + 1)}
        least = smallest.get(self.encoder.name, 0)
        if size < least:
            raise UsageError(
                f"An image of {size} px is too small for the encoder {self.encoder.name}, which "
                f"halves it until nothing is left: at least {least} px are needed. Raise "
                "model.image_size, or choose a shallower encoder."
            )
        return self
