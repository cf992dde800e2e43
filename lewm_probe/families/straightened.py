"""LeWM with temporal straightening: its two terms, and one against curvature (arXiv 2603.12231).

L = L_pred + λ · SIGReg(Z) + γ · mean (1 − cos(v_t, v_{t+1})), v_t = z_{t+1} − z_t. The paper adds
the term to a prediction loss alone; here SIGReg stays, so that the term is all that differs from
LeWM. It is the loss of what ``straightness`` measures, so these models are expected to be straight:
what is worth asking is what else it changes.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from lewm_probe.core.config import Config
from lewm_probe.families.jepa import JEPAFamily, JEPATrainee
from lewm_probe.families.lewm import LeWMObjective, LeWMObjectiveConfig
from lewm_probe.models.family import Terms
from lewm_probe.models.jepa import JEPA
from lewm_probe.results.cards import Card
from lewm_probe.training.sigreg import DIRECTIONS, KNOTS


def curvature(latents: Tensor) -> Tensor:
    """Mean over windows and time of 1 − cos(v_t, v_{t+1}): (B, T, D) → scalar in [0, 2].

    >>> line = torch.arange(4.0).view(1, 4, 1) * torch.tensor([1.0, 2.0])
    >>> round(curvature(line).item(), 5)
    0.0
    """
    velocity = latents[:, 1:] - latents[:, :-1]
    return 1 - F.cosine_similarity(velocity[:, :-1], velocity[:, 1:], dim=-1).mean()


class StraightenedObjectiveConfig(Config):
    """LeWM's two terms and the curvature.

    Attributes:
        sigreg_weight: λ, as in LeWM.
        straightening_weight: γ. 1 is ours, as the sources at hand do not name the authors': the
            largest of 0.1, 0.3, 1 and 3 at which rollouts of TwoRoom's validation episodes are no
            worse than LeWM's (``reports/families-cpu``).
        directions: M, random directions a step.
        knots: quadrature points of the Epps–Pulley statistic.
    """

    name: Literal["straightened"]
    sigreg_weight: float = Field(0.09, ge=0)
    straightening_weight: float = Field(1.0, ge=0)
    directions: int = Field(DIRECTIONS, ge=1)
    knots: int = Field(KNOTS, ge=3)


class StraightenedObjective(nn.Module):
    """L = L_pred + λ · SIGReg(Z) + γ · curvature (arXiv 2603.12231)."""

    def __init__(self, config: StraightenedObjectiveConfig) -> None:
        super().__init__()
        self.weight = config.straightening_weight
        self.lewm = LeWMObjective(
            LeWMObjectiveConfig(
                sigreg_weight=config.sigreg_weight,
                directions=config.directions,
                knots=config.knots,
            )
        )

    def forward(
        self, latents: Tensor, predicted: Tensor, actions: Tensor, generator: torch.Generator
    ) -> Terms:
        """Terms ``prediction``, ``sigreg`` and ``curvature``."""
        terms: Terms = self.lewm(latents, predicted, actions, generator)
        terms["curvature"] = curvature(latents.float())
        terms["loss"] = terms["loss"] + self.weight * terms["curvature"]
        return terms


class StraightenedFamily(JEPAFamily):
    """The JEPA with SIGReg and a term for straight paths."""

    card = Card("LeWM + straightening", 14, color="#cc79a7")
    objective_config = StraightenedObjectiveConfig

    def trainee(self, model: JEPA, objective: StraightenedObjectiveConfig) -> JEPATrainee:
        """Model and objective as one module."""
        return JEPATrainee(model, StraightenedObjective(objective))


STRAIGHTENED = StraightenedFamily()
