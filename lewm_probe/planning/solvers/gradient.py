"""Descent along the gradient of the cost through the model, from several starts.

Adam, as in the paper's comparison of solvers (arXiv 2603.19312, table 10), with the released
settings of stable-worldmodel: 100 starts, the first of them the mean, 30 steps at a rate of 0.1.
There the best start is chosen by its cost before the last step; here by the cost of what is
returned.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from lewm_probe.planning.solvers.solver import Planned, Problem, SolverSettings, best


class GradientSettings(SolverSettings):
    """Starts are called samples, and steps iterations, as everywhere."""

    samples: int = Field(100, ge=1)
    iterations: int = Field(30, ge=1)
    learning_rate: float = Field(0.1, gt=0)


class Gradient:
    """Adam through the model."""

    settings: ClassVar[type[SolverSettings]] = GradientSettings
    label: ClassVar[str] = "gradient (Adam)"
    discrete: ClassVar[bool] = False

    def solve(self, problem: Problem, settings: GradientSettings) -> Planned:
        """Search; the plan is the cheapest end of all starts."""
        noise = problem.normal(settings.samples)
        noise[:, 0] = 0
        plans = problem.space.clip(problem.first()[:, None] + noise)
        with torch.enable_grad():
            plans.requires_grad_(True)
            optimizer = torch.optim.Adam([plans], lr=settings.learning_rate)
            for _ in range(settings.iterations):
                optimizer.zero_grad(set_to_none=True)
                problem.cost(plans).sum().backward()
                optimizer.step()
                with torch.no_grad():
                    plans.copy_(problem.space.clip(plans))
        ends = plans.detach()
        found = best(ends, problem.cost(ends))
        return Planned(*found, (settings.iterations + 1) * settings.samples)


GRADIENT = Gradient()
