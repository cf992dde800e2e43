"""The cross-entropy method for discrete actions: a probability for each choice at each step.

Rubinstein (1999, Methodol. Comput. Appl. Probab. 1:127): the choices of the cheapest samples become
the next probabilities. A little of even chances is mixed in, without which a choice that no elite
took could never come back.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch.nn import functional as F

from lewm_probe.planning.solvers.solver import EliteSettings, Planned, Problem, elites


class CategoricalSettings(EliteSettings):
    """What CEM has, where ``sigma`` means nothing, and a share of even chances."""

    mixed: float = Field(0.05, ge=0, lt=1)
    """Share of even chances in the next probabilities."""


class CategoricalCrossEntropy:
    """CEM among choices."""

    settings: ClassVar[type[EliteSettings]] = CategoricalSettings
    label: ClassVar[str] = "categorical CEM"
    discrete: ClassVar[bool] = True

    def solve(self, problem: Problem, settings: CategoricalSettings) -> Planned:
        """Search; the plan is each step's likeliest choice."""
        low, high = problem.space.low, problem.space.high
        most = int((high - low).max()) + 1
        choices = torch.arange(most, device=low.device)
        there = (choices <= (high - low)[:, None]).to(low)  # (A, C)
        even = there / there.sum(dim=1, keepdim=True)
        shape = (problem.count, problem.blocks, *even.shape)
        chances = even.expand(shape)  # (B, K, A, C)
        for _ in range(settings.iterations):
            below = chances.cumsum(dim=-1)[:, None]  # (B, 1, K, A, C)
            drawn = (problem.uniform(settings.samples)[..., None] >= below).sum(dim=-1)
            numbers = torch.minimum(drawn.to(low), high - low)  # rounding may reach past the last
            plans = low + numbers
            plans[:, 0] = low + chances.argmax(dim=-1)
            kept = elites(plans, problem.cost(plans), settings.elites)
            hits = F.one_hot((kept - low).long(), most).to(low)  # (B, E, K, A, C)
            chances = (1 - settings.mixed) * hits.mean(dim=1) + settings.mixed * even
        plan = low + chances.argmax(dim=-1).to(low)
        costs = problem.cost(plan[:, None])[:, 0]
        return Planned(plan, costs, settings.iterations * settings.samples + 1)


CATEGORICAL_CEM = CategoricalCrossEntropy()
