"""The families on frozen encoders: one model, one term, and four ways to come by the encoder.

They are families of their own so that no result can call itself DINO-WM whose encoder was not
DINOv2's: the name decides the label in every table, figure and sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from lewm_probe.core.config import Config
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.families.dino_wm import weights
from lewm_probe.families.dino_wm.config import (
    Dinov2Config,
    DinoWMConfig,
    FrozenEncoderConfig,
    TokenModelConfig,
)
from lewm_probe.families.dino_wm.hugging_face import (
    HuggingFaceEncoder,
    content_of,
    folder_of,
)
from lewm_probe.families.dino_wm.model import DinoModel, TokenModel
from lewm_probe.families.dino_wm.trainee import TokenTrainee
from lewm_probe.models.family import Family, Origin, too_many_layers
from lewm_probe.models.images import Resize
from lewm_probe.models.nn.dinov2 import Dinov2
from lewm_probe.results.cards import Card


class DinoWMObjective(Config):
    """One term, nothing to weigh: the error of the next tokens."""

    name: Literal["dino_wm"]


class SSLObjective(Config):
    """As DINO-WM's."""

    name: Literal["dino_wm-ssl"]


class RandomObjective(Config):
    """As DINO-WM's."""

    name: Literal["dino_wm-random"]


class FrozenEncoderObjective(Config):
    """As DINO-WM's."""

    name: Literal["frozen_encoder"]


class TokenFamily(Family):
    """What they share: data, claims, and the one term."""

    def columns(self, config: TokenModelConfig) -> tuple[str, ...]:
        """Proprioception, where the model takes some."""
        return ("proprio",) if config.proprio_width else ()

    def check_claims(self, config: TokenModelConfig, tensors: int) -> str:
        """More layers than the tensors can be of: making a thousand takes seconds."""
        return too_many_layers(config.predictor.layers + config.encoder.layers, tensors)


class DinoFamily(TokenFamily):
    """With an encoder of DINOv2's architecture, whose weights come from somewhere.

    Args:
        card: how readers see it.
        objective: schema of its objective, which only says its name.
        read: the encoder before training; None: the random one that the model is born with.
    """

    model_config: type[Config] = DinoWMConfig

    def __init__(
        self, card: Card, objective: type[Config], read: Callable[[Dinov2Config], Dinov2 | None]
    ) -> None:
        self.card, self.objective_config, self.read = card, objective, read

    def build(
        self,
        config: DinoWMConfig,
        statistics: ActionStatistics,
        origin: Origin,
        *,
        resize: Resize | None = None,
    ) -> DinoModel:
        """The untrained model; its encoder is random until it is a trainee, or loaded."""
        return DinoModel(config, statistics, origin, resize=resize)

    def trainee(self, model: DinoModel, objective: Config) -> TokenTrainee:
        """Model and objective as one module, the encoder's weights read.

        Raises:
            UserError: they cannot be had.
        """
        encoder = self.read(model.config.encoder)
        if encoder is not None:
            assert isinstance(model.backbone, Dinov2)
            model.backbone.load_state_dict(encoder.state_dict())
        return TokenTrainee(model, objective)


class FrozenEncoderFamily(TokenFamily):
    """With any encoder that transformers reads."""

    card = Card("Frozen encoder", 34, color="#882255")
    model_config: type[Config] = FrozenEncoderConfig
    objective_config: type[Config] = FrozenEncoderObjective

    def build(
        self,
        config: FrozenEncoderConfig,
        statistics: ActionStatistics,
        origin: Origin,
        *,
        resize: Resize | None = None,
    ) -> TokenModel:
        """The untrained model, which remembers by a hash what is in the encoder's folder."""
        if config.encoder.content is None and config.encoder.weights is not None:
            content = content_of(folder_of(config.encoder))
            encoder = config.encoder.model_copy(update={"content": content})
            config = config.model_copy(update={"encoder": encoder})
        return TokenModel(config, statistics, origin, resize=resize)

    def trainee(self, model: TokenModel, objective: Any) -> TokenTrainee:
        """Model and objective as one module.

        Raises:
            UserError: the encoder cannot be read.
        """
        assert isinstance(model.backbone, HuggingFaceEncoder)
        model.backbone.read()
        return TokenTrainee(model, objective)


DINO_WM = DinoFamily(Card("DINO-WM", 30, color="#009e73"), DinoWMObjective, weights.released)
DINO_WM_SSL = DinoFamily(
    Card("Frozen ViT, pre-trained here", 31, color="#44aa99"),
    SSLObjective,
    weights.pretrained_here,
)
DINO_WM_RANDOM = DinoFamily(
    Card("Frozen ViT, random", 32, color="#999933"), RandomObjective, weights.none
)
FROZEN_ENCODER = FrozenEncoderFamily()
