"""What a DINO-WM looks like: the frozen encoder, what is concatenated to its tokens, the predictor.

Defaults are the authors' (arXiv 2411.04983, conf/train.yaml): 224 px images resized to 196, so 196
tokens of 14 px, width 384 + 10 for actions. stable-worldmodel's version of it, PreJEPA, differs in
``encoder_size: 224`` (256 tokens) and ``normalisation: imagenet``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lewm_probe.core.config import Config, Name
from lewm_probe.core.errors import UsageError
from lewm_probe.models.config import DEEPEST, LARGEST_IMAGE, WIDEST
from lewm_probe.models.nn.dinov2 import Dinov2Shape


class TokenPredictorConfig(Config):
    """The frame-causal transformer over tokens.

    Attributes:
        layers: transformer blocks.
        heads: attention heads of ``head_width`` each (their product need not be the width).
        head_width: width of one head.
        mlp_width: hidden width of each block's MLP.
        dropout: on attention weights and after every linear layer.
        embedding_dropout: after the position embeddings.
    """

    layers: int = Field(6, ge=1, le=DEEPEST)
    heads: int = Field(16, ge=1, le=DEEPEST)
    head_width: int = Field(64, ge=1, le=WIDEST)
    mlp_width: int = Field(2048, ge=1, le=WIDEST)
    dropout: float = Field(0.1, ge=0, lt=1)
    embedding_dropout: float = Field(0.0, ge=0, lt=1)


class Dinov2Config(Config):
    """A frozen ViT of DINOv2's architecture.

    Attributes:
        name: as tables call it.
        weights: where its weights come from before training, as its family reads them; afterwards
            they are in the checkpoint, and this says where they came from.
        shape: its sizes, which must be those of the weights.
    """

    name: Literal["frozen-vit"] = "frozen-vit"
    weights: Name | None = None
    shape: Dinov2Shape = Dinov2Shape()

    @property
    def width(self) -> int:
        """Of a token."""
        return self.shape.width

    @property
    def patch_size(self) -> int:
        """Side of a patch, pixels."""
        return self.shape.patch_size

    @property
    def layers(self) -> int:
        """Of those that are in a checkpoint."""
        return self.shape.layers


class HuggingFaceConfig(Config):
    """Any image encoder that transformers reads, frozen; its weights stay where they are.

    Attributes:
        name: as tables call it.
        weights: local folder in the Hugging Face layout, with safetensors.
        width: of a token.
        patch_size: side of a patch, pixels; for a network that is no ViT, of what a token is of.
        content: hash of the weights' files, kept in checkpoints: other weights are refused.
    """

    name: Literal["transformers"] = "transformers"
    weights: Name | None = None
    width: int = Field(384, ge=1, le=WIDEST)
    patch_size: int = Field(16, ge=1, le=WIDEST)
    content: Name | None = None

    @property
    def layers(self) -> int:
        """None are in a checkpoint."""
        return 0


class TokenModelConfig(Config):
    """A frozen encoder and a predictor of its patch tokens.

    Attributes:
        image_size: side of the square image, pixels.
        encoder_size: side that images are resized to before they are encoded (authors: 196;
            PreJEPA: 224).
        normalisation: of pixels: ``half``, mean and SD 0.5 (authors); ``imagenet`` (PreJEPA).
        history: frames the predictor sees.
        frame_skip: environment steps a frame.
        env_action_width: width of one environment action.
        action_embedding: width that an action block is mapped to, for every token.
        proprio_width: width of the data set's column ``proprio``; 0: the model does without.
        proprio_embedding: width that it is mapped to.
        standardise: whether tokens are centred, place by place, and divided by one number, their
            SD over frames of the training data. Published models do without: DINOv2's tokens
            differ enough from frame to frame. Those of encoders that are made here hardly do, and
            a predictor whose output is normalised then cannot tell them from their mean.
        encoder: the frozen one; its schema is the family's.
        predictor: tokens, proprioception and actions → the next tokens and proprioception.

    Raises:
        UsageError: sizes that do not fit each other.
    """

    image_size: int = Field(224, ge=8, le=LARGEST_IMAGE)
    encoder_size: int = Field(196, ge=8, le=LARGEST_IMAGE)
    normalisation: Literal["half", "imagenet"] = "half"
    history: int = Field(3, ge=1, le=DEEPEST)
    frame_skip: int = Field(5, ge=1, le=DEEPEST)
    env_action_width: int = Field(2, ge=1, le=WIDEST)
    action_embedding: int = Field(10, ge=1, le=WIDEST)
    proprio_width: int = Field(0, ge=0, le=WIDEST)
    proprio_embedding: int = Field(10, ge=1, le=WIDEST)
    standardise: bool = False
    encoder: Dinov2Config | HuggingFaceConfig = Dinov2Config()
    predictor: TokenPredictorConfig = TokenPredictorConfig()

    @property
    def action_width(self) -> int:
        """Width A of an action block."""
        return self.frame_skip * self.env_action_width

    @property
    def tokens(self) -> int:
        """P, tokens of a frame."""
        return (self.encoder_size // self.encoder.patch_size) ** 2

    @property
    def latent_width(self) -> int:
        """Width of a token of the latent: visual, and proprioception where there is some."""
        return self.encoder.width + (self.proprio_embedding if self.proprio_width else 0)

    @property
    def token_width(self) -> int:
        """Width of a token that the predictor sees (404 in the authors' configuration)."""
        return self.latent_width + self.action_embedding

    @model_validator(mode="after")
    def _image_fits(self) -> TokenModelConfig:
        size, patch = self.encoder_size, self.encoder.patch_size
        if size % patch:
            below = max(size // patch * patch, patch)
            raise UsageError(
                f"An image of {size} px cannot be cut into patches of {patch} px. Set "
                f"model.encoder_size to a multiple of {patch}, such as {below} or {below + patch}."
            )
        return self


class DinoWMConfig(TokenModelConfig):
    """With an encoder of DINOv2's architecture."""

    encoder: Dinov2Config = Dinov2Config()


class FrozenEncoderConfig(TokenModelConfig):
    """With any encoder that transformers reads."""

    normalisation: Literal["half", "imagenet"] = "imagenet"
    encoder: HuggingFaceConfig = HuggingFaceConfig()
