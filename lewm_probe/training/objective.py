"""The two objectives: window batch → loss terms and their weighted sum.

LeWM and PLDM share architecture, prediction loss and loop; they differ in what keeps the latents
from collapsing.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from lewm_probe.models.jepa import JEPA
from lewm_probe.training.recipe import LeWMObjectiveConfig, PLDMObjectiveConfig, Recipe
from lewm_probe.training.sigreg import sigreg, unit_directions
from lewm_probe.training.vicreg import (
    InverseDynamics,
    covariance,
    temporal_covariance,
    temporal_smoothness,
    temporal_variance_hinge,
    variance_hinge,
)

Terms = dict[str, Tensor]
"""Loss terms by name, ``loss`` their weighted sum, all scalars."""


class Objective(Protocol):
    """What the loop calls; it does not know which one it runs."""

    def __call__(
        self, latents: Tensor, predicted: Tensor, actions: Tensor, generator: torch.Generator
    ) -> Terms:
        """Latents z (B, T, D), ẑ (B, T − 1, D) of z[:, 1:], scaled actions (B, T, A) → terms."""


def prediction_loss(latents: Tensor, predicted: Tensor) -> Tensor:
    """Mean squared error of every predicted position; gradients flow through the target too."""
    return (predicted - latents[:, 1:]).square().mean()


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
        z = latents.float()
        guess = self.inverse_dynamics(z)
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


def make_objective(recipe: Recipe) -> LeWMObjective | PLDMObjective:
    """The objective a recipe names."""
    config = recipe.objective
    if isinstance(config, LeWMObjectiveConfig):
        return LeWMObjective(config)
    return PLDMObjective(config, recipe.model.latent_width, recipe.model.action_width)


class Trainee(nn.Module):
    """A world model and its objective as one module, so that one call gives the loss."""

    def __init__(self, model: JEPA, objective: LeWMObjective | PLDMObjective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(
        self, pixels: Tensor, actions: Tensor, generator: torch.Generator
    ) -> tuple[Terms, Tensor]:
        """uint8 (B, T, H, W, C), raw (B, T, A) → terms, latents (B, T, D)."""
        latents = self.model.embed(pixels)
        scaled = self.model.scale_actions(actions)
        predicted = self.model.predict_scaled(latents[:, :-1], scaled[:, :-1])
        terms: Terms = self.objective(latents, predicted, scaled, generator)
        return terms, latents.detach()
