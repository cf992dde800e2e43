"""PLDM, the published rival: seven loss terms (arXiv 2502.14819)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from lewm_probe.core.config import Config
from lewm_probe.core.processes import ranks
from lewm_probe.families.jepa import JEPAFamily, JEPATrainee, prediction_loss
from lewm_probe.models.family import Terms
from lewm_probe.models.jepa import JEPA
from lewm_probe.results.cards import Card
from lewm_probe.training.vicreg import (
    InverseDynamics,
    covariance,
    temporal_covariance,
    temporal_smoothness,
    temporal_variance_hinge,
    variance_hinge,
)


class PLDMObjectiveConfig(Config):
    """Seven terms (PLDM, arXiv 2502.14819); weights as used in the LeWM paper.

    Attributes:
        variance_weight: α.
        covariance_weight: β.
        smoothness_weight: γ, of the temporal smoothness.
        temporal_variance_weight: ζ.
        temporal_covariance_weight: ν.
        inverse_dynamics_weight: μ.
        inverse_dynamics_hidden: width of the IDM head, as released.
    """

    name: Literal["pldm"]
    variance_weight: float = Field(18.0, ge=0)
    covariance_weight: float = Field(12.0, ge=0)
    smoothness_weight: float = Field(0.2, ge=0)
    temporal_variance_weight: float = Field(0.7, ge=0)
    temporal_covariance_weight: float = Field(0.0, ge=0)
    inverse_dynamics_weight: float = Field(0.0, ge=0)
    inverse_dynamics_hidden: int = Field(512, ge=1)


class PLDMObjective(nn.Module):
    """L = L_pred + α var + β cov + γ smooth + ζ var_t + ν cov_t + μ IDM (PLDM, arXiv 2502.14819).

    Every term is computed and logged, also those whose weight is zero.
    """

    def __init__(self, config: PLDMObjectiveConfig, latent_width: int, action_width: int) -> None:
        super().__init__()
        self.config = config
        self.inverse_dynamics = InverseDynamics(
            latent_width, action_width, config.inverse_dynamics_hidden
        )

    def forward(
        self, latents: Tensor, predicted: Tensor, actions: Tensor, generator: torch.Generator
    ) -> Terms:
        """The seven terms and their weighted sum."""
        own = latents.float()
        guess = self.inverse_dynamics(own)
        z = ranks.gathered(own)  # variances and covariances are of the whole batch
        terms = {
            "prediction": prediction_loss(latents, predicted),
            "variance": variance_hinge(z),
            "covariance": covariance(z),
            "smoothness": temporal_smoothness(z),
            "temporal_variance": temporal_variance_hinge(z),
            "temporal_covariance": temporal_covariance(z),
            "inverse_dynamics": (guess - actions[:, :-1]).square().mean(),
        }
        c = self.config
        terms["loss"] = (
            terms["prediction"]
            + c.variance_weight * terms["variance"]
            + c.covariance_weight * terms["covariance"]
            + c.smoothness_weight * terms["smoothness"]
            + c.temporal_variance_weight * terms["temporal_variance"]
            + c.temporal_covariance_weight * terms["temporal_covariance"]
            + c.inverse_dynamics_weight * terms["inverse_dynamics"]
        )
        return terms


class PLDMFamily(JEPAFamily):
    """The JEPA with VICReg in space and time."""

    card = Card("PLDM", 20, color="#d55e00")
    objective_config = PLDMObjectiveConfig

    def trainee(self, model: JEPA, objective: PLDMObjectiveConfig) -> JEPATrainee:
        """Model and objective as one module."""
        width, actions = model.config.latent_width, model.config.action_width
        return JEPATrainee(model, PLDMObjective(objective, width, actions))


PLDM = PLDMFamily()
