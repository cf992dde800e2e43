"""LeWM: two loss terms, next-embedding prediction and SIGReg (LeWorldModel, arXiv 2603.19312)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lewm_probe.core.config import Config
from lewm_probe.families.jepa import JEPAFamily, JEPATrainee, prediction_loss
from lewm_probe.families.reconstruction import ReconstructingTrainee
from lewm_probe.models.family import Terms
from lewm_probe.models.jepa import JEPA
from lewm_probe.results.cards import Card
from lewm_probe.training.sigreg import DIRECTIONS, KNOTS, sigreg, unit_directions


class LeWMObjectiveConfig(Config):
    """Two terms: L = L_pred + λ · SIGReg (LeWM, arXiv 2603.19312).

    Attributes:
        sigreg_weight: λ. 0.09 as released (the paper's text says 0.1).
        directions: M, random directions a step.
        knots: quadrature points of the Epps–Pulley statistic.
        reconstruction_weight: ρ of a third term that LeWM does without, for the ablation of it
            (``reconstruction``).
    """

    name: Literal["lewm"] = "lewm"
    sigreg_weight: float = Field(0.09, ge=0)
    directions: int = Field(DIRECTIONS, ge=1)
    knots: int = Field(KNOTS, ge=3)
    reconstruction_weight: float = Field(0.0, ge=0)


class LeWMObjective(nn.Module):
    """L = L_pred + λ · SIGReg(Z), two terms (LeWM, arXiv 2603.19312)."""

    def __init__(self, config: LeWMObjectiveConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, latents: Tensor, predicted: Tensor, actions: Tensor, generator: torch.Generator
    ) -> Terms:
        """Terms ``prediction`` and ``sigreg``; directions are drawn afresh from ``generator``."""
        directions = unit_directions(
            latents.shape[-1], self.config.directions, generator, str(latents.device)
        )
        terms = {
            "prediction": prediction_loss(latents, predicted),
            "sigreg": sigreg(latents.float(), directions, self.config.knots),
        }
        terms["loss"] = terms["prediction"] + self.config.sigreg_weight * terms["sigreg"]
        return terms


class LeWMFamily(JEPAFamily):
    """The JEPA with SIGReg."""

    card = Card("LeWM", 10, color="#0072b2")
    objective_config = LeWMObjectiveConfig

    def trainee(self, model: JEPA, objective: LeWMObjectiveConfig) -> JEPATrainee:
        """Model and objective as one module."""
        if objective.reconstruction_weight:
            own = LeWMObjective(objective)
            return ReconstructingTrainee(model, own, objective.reconstruction_weight)
        return JEPATrainee(model, LeWMObjective(objective))


LEWM = LeWMFamily()
