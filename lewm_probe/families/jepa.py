"""What LeWM and PLDM share: one architecture, and what their objectives are given of a batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lewm_probe.core.config import Config
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.config import ModelConfig
from lewm_probe.models.family import Family, Origin, Terms, Trainee, too_many_layers
from lewm_probe.models.images import Resize
from lewm_probe.models.jepa import JEPA
from lewm_probe.models.sliding import slide
from lewm_probe.results.cards import Card


def prediction_loss(latents: Tensor, predicted: Tensor) -> Tensor:
    """Mean squared error of every predicted position; gradients flow through the target too."""
    return (predicted - latents[:, 1:]).square().mean()


class JEPATrainee(Trainee):
    """A JEPA and one of its objectives.

    An objective takes latents z (B, T, D), ẑ (B, T − 1, D) of z[:, 1:], scaled actions (B, T, A)
    and a generator, and returns its terms.
    """

    model: JEPA

    def forward(
        self, batch: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Terms, Tensor]:
        """uint8 (B, T, H, W, C), raw (B, T, A) → terms, latents (B, T, D).

        Windows may be longer than the history and the frame to predict: every frame is encoded
        once, and serves all predictions whose history it is in.
        """
        latents = self.model.embed(batch["pixels"])
        scaled = self.model.scale_actions(batch["action"])
        past, acted, history = latents[:, :-1], scaled[:, :-1], self.model.spec.history
        at_once = past.shape[0] * past.shape[1]  # batch norm sees all of them
        predicted = slide(self.model.predict_scaled, past, acted, history, at_once)
        terms = self.terms(batch, latents, predicted, scaled, generator)
        return terms, latents.detach()

    def terms(
        self,
        batch: Mapping[str, Tensor],
        latents: Tensor,
        predicted: Tensor,
        scaled: Tensor,
        generator: torch.Generator,
    ) -> Terms:
        """What the objective makes of them; a family that looks at the images again adds to it."""
        found: Terms = self.objective(latents, predicted, scaled, generator)
        return found


class JEPAFamily(Family):
    """The architecture of models/jepa.py; a family adds card and objective."""

    card: Card
    model_config: type[Config] = ModelConfig
    objective_config: type[Config]

    def build(
        self,
        config: ModelConfig,
        statistics: ActionStatistics,
        origin: Origin,
        *,
        resize: Resize | None = None,
    ) -> JEPA:
        """The untrained model."""
        return JEPA(
            config,
            statistics,
            family=origin.family,
            world=origin.world,
            train_seed=origin.seed,
            step=origin.step,
            resize=resize,
        )

    def check_claims(self, config: ModelConfig, tensors: int) -> str:
        """More layers than the tensors can be of: making a thousand takes seconds."""
        vit = config.encoder.vit.layers if config.encoder.is_vit else 0
        return too_many_layers(config.predictor.layers + vit, tensors)
