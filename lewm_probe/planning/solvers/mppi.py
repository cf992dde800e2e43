"""MPPI: the mean of samples, each weighted by the exponential of what it saves.

Williams et al., arXiv 1509.01149, with the released settings of stable-worldmodel: the cheapest 30
samples take part, with temperature 0.5, and the deviation stays. There costs are taken as they are,
so that the temperature means something else to each model: here a cost is counted in standard
deviations of the elites' costs.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from lewm_probe.planning.solvers.solver import EliteSettings, Planned, Problem, elites


class MPPISettings(EliteSettings):
    """What CEM has, and a temperature."""

    temperature: float = Field(0.5, gt=0)
    """Of the weights, in standard deviations of the elites' costs."""


class PathIntegral:
    """MPPI."""

    settings: ClassVar[type[EliteSettings]] = MPPISettings
    label: ClassVar[str] = "MPPI"
    discrete: ClassVar[bool] = False

    def solve(self, problem: Problem, settings: MPPISettings) -> Planned:
        """Search; the plan is the last mean."""
        mean = problem.first()
        for _ in range(settings.iterations):
            noise = problem.normal(settings.samples)
            noise[:, 0] = 0
            plans = problem.space.clip(mean[:, None] + settings.sigma * noise)
            costs = problem.cost(plans)
            chosen = elites(plans, costs, settings.elites)
            least = costs.topk(settings.elites, dim=1, largest=False).values  # (B, E)
            spread = least.std(dim=1, keepdim=True).clamp_min(torch.finfo(least.dtype).tiny)
            weights = torch.softmax((least[:, :1] - least) / (settings.temperature * spread), dim=1)
            mean = (weights[..., None, None] * chosen).sum(dim=1)
        costs = problem.cost(mean[:, None])[:, 0]
        return Planned(mean, costs, settings.iterations * settings.samples + 1)


MPPI = PathIntegral()
