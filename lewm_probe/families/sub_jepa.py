"""Sub-JEPA: SIGReg in frozen random subspaces in place of the whole space (arXiv 2605.09241).

SIGReg asks all of a latent to be one standard Gaussian. Sub-JEPA asks that only of K random
subspaces of width D / K, drawn once before training and frozen: L = L_pred + λ · mean over k of
SIGReg(W_k z), the rows of each W_k orthonormal. Subspaces are drawn independently and may overlap.

A unit direction u of subspace k is the unit direction W_kᵀ u of the whole, so this is LeWM's
regulariser with directions that are confined to the subspaces.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lewm_probe.core.config import Config
from lewm_probe.core.errors import UsageError
from lewm_probe.families.jepa import JEPAFamily, JEPATrainee, prediction_loss
from lewm_probe.models.family import Terms
from lewm_probe.models.jepa import JEPA
from lewm_probe.results.cards import Card
from lewm_probe.training.sigreg import DIRECTIONS, KNOTS, sigreg


class SubJEPAObjectiveConfig(Config):
    """Two terms, as LeWM's.

    Attributes:
        sigreg_weight: λ; LeWM's 0.09, as in the released patch of LeWM's configuration.
        subspaces: K: 32 as published for TwoRoom and Reacher, 16 for Push-T.
        directions: random directions a step in each subspace (released: 1024).
        knots: quadrature points of the Epps–Pulley statistic.
    """

    name: Literal["sub_jepa"]
    sigreg_weight: float = Field(0.09, ge=0)
    subspaces: int = Field(32, ge=1)
    directions: int = Field(DIRECTIONS, ge=1)
    knots: int = Field(KNOTS, ge=3)


class SubJEPAObjective(nn.Module):
    """L = L_pred + λ · mean_k SIGReg(W_k z) (Sub-JEPA, arXiv 2605.09241).

    Attributes:
        subspaces: W_kᵀ side by side, (K, D, D / K), each with orthonormal columns; frozen.

    Raises:
        UsageError: K does not divide the latent width.
    """

    def __init__(self, config: SubJEPAObjectiveConfig, latent_width: int) -> None:
        super().__init__()
        if latent_width % config.subspaces:
            raise UsageError(
                f"A latent of width {latent_width} cannot be cut into {config.subspaces} subspaces "
                "of one width. Set objective.subspaces to a divisor of model.latent_width."
            )
        self.config = config
        width = latent_width // config.subspaces
        drawn = torch.randn(config.subspaces, latent_width, width)
        self.subspaces: Tensor
        self.register_buffer("subspaces", torch.linalg.qr(drawn).Q)

    def forward(
        self, latents: Tensor, predicted: Tensor, actions: Tensor, generator: torch.Generator
    ) -> Terms:
        """Terms ``prediction`` and ``sigreg``; directions are drawn afresh from ``generator``."""
        terms = {
            "prediction": prediction_loss(latents, predicted),
            "sigreg": sigreg(latents.float(), self.drawn(generator), self.config.knots),
        }
        terms["loss"] = terms["prediction"] + self.config.sigreg_weight * terms["sigreg"]
        return terms

    def drawn(self, generator: torch.Generator) -> Tensor:
        """Unit directions within the subspaces, as many in each: (D, K · directions)."""
        subspaces, _, width = self.subspaces.shape
        within = torch.randn(subspaces, width, self.config.directions, generator=generator)
        within = (within / within.norm(dim=1, keepdim=True)).to(self.subspaces)
        return (self.subspaces @ within).movedim(0, 1).flatten(1)  # (D, K · directions)


class SubJEPAFamily(JEPAFamily):
    """The JEPA with SIGReg in subspaces."""

    card = Card("Sub-JEPA", 12, color="#332288")
    objective_config = SubJEPAObjectiveConfig

    def trainee(self, model: JEPA, objective: SubJEPAObjectiveConfig) -> JEPATrainee:
        """Model and objective as one module; subspaces are drawn from torch's own generator."""
        return JEPATrainee(model, SubJEPAObjective(objective, model.config.latent_width))


SUB_JEPA = SubJEPAFamily()
