"""What the suite says about decoders."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from lewm_probe.core.config import Config

LARGE = 128
"""Images of this side and above have the paper's patches of 16 px, smaller ones of 8."""


class DecodeSettings(Config):
    """The decoder, its training, and what it is asked to draw.

    Sizes and training are ours, as the paper gives none: with these, the error of TwoRoom's frames
    at 64 px falls to an eighth of the mean picture's in half a minute of a core. Small bodies come
    last: Push-T's agent, 4 px wide, only begins to appear after 2,000 steps, when the rest is
    fitted too closely to 8,000 frames already (8 tokens; the error of held-out frames has risen).
    """

    patch: int | None = Field(
        None, ge=1, description="Side of the patches it draws, px (default: 8; 16 from 128 px)."
    )
    """The paper has 16 at 224 px."""
    tokens: int = Field(1, ge=1, le=64)
    """Into how many learned tokens a latent of one vector is split; the paper's way is 1."""
    width: int = Field(64, ge=1, le=1024)
    layers: int = Field(3, ge=1, le=24)
    heads: int = Field(4, ge=1)
    mlp_width: int = Field(256, ge=1, le=4096)
    steps: int = Field(600, ge=1, description="Training steps of each decoder.")
    batch: int = Field(32, ge=1)
    learning_rate: float = Field(4e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    save_every: int = Field(100, ge=1)
    """Steps after which the state of a training is kept, from which a killed one goes on."""
    horizons: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 2, 5, 10), description="Blocks ahead at which rollouts are drawn."
    )
    over_training: int = Field(
        0, ge=0, description="Earlier checkpoints of the run that get a decoder each."
    )
    random_weights: bool = True
    """Whether a decoder is trained on latents of random weights too; checkpoints of one
    architecture share it."""
    components: int = Field(64, ge=1)
    """Principal components of a picture that quantities are read from."""
    shown: int = Field(8, ge=1, le=32)
    """Held-out frames whose reconstructions are shown."""
    cases: int = Field(3, ge=0, le=8)
    """Rollouts and violations shown."""

    @model_validator(mode="after")
    def _even(self) -> DecodeSettings:
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}, which {self.heads} heads do not share evenly")
        return self

    def patch_of(self, image_size: int) -> int:
        """Side of a patch in images of this side."""
        return self.patch or (16 if image_size >= LARGE else 8)
