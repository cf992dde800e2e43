"""A JEPA that also has to draw what it sees: the ablation of arXiv 2603.19312, table 7.

The objective gets one more term, ρ · mean (dec(z) − o)² with o on a scale from 0 to 1; the
diagnostic decoder of ``models/nn/decoder.py`` is trained along, and its gradients reach the
encoder. It is no part of what is saved. The paper reports that this hurts; it names neither ρ nor
the decoder's size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lewm_probe.families.jepa import JEPATrainee
from lewm_probe.models.family import Terms
from lewm_probe.models.jepa import JEPA
from lewm_probe.models.nn.decoder import Decoder, DecoderShape

PATCH = 16
"""Side of a patch that a learned query draws, pixels (paper: 196 of them at 224 px)."""

WIDTH, LAYERS, HEADS = 64, 2, 4
"""Of the decoder; small, as it is there for the encoder's sake."""


class ReconstructingTrainee(JEPATrainee):
    """A JEPA with its objective, and a decoder beside it.

    Args:
        model: the JEPA.
        objective: its other terms.
        weight: ρ.
    """

    def __init__(self, model: JEPA, objective: nn.Module, weight: float) -> None:
        super().__init__(model, objective)
        self.weight = weight
        size = model.config.image_size
        shape = DecoderShape(
            image_size=size,
            patch=math.gcd(size, PATCH),
            latent_width=model.config.latent_width,
            tokens=1,
            split=1,
            width=WIDTH,
            layers=LAYERS,
            heads=HEADS,
            mlp_width=4 * WIDTH,
        )
        self.decoder = Decoder(shape)

    def terms(
        self,
        batch: Mapping[str, Tensor],
        latents: Tensor,
        predicted: Tensor,
        scaled: Tensor,
        generator: torch.Generator,
    ) -> Terms:
        """The objective's terms, and ``reconstruction``."""
        found = super().terms(batch, latents, predicted, scaled, generator)
        drawn = self.decoder(latents.flatten(0, 1).unsqueeze(1))  # (N, 3, S, S)
        pictures = batch["pixels"].flatten(0, 1).movedim(-1, 1) / 255
        found["reconstruction"] = (drawn - pictures).square().mean()
        found["loss"] = found["loss"] + self.weight * found["reconstruction"]
        return found
