"""The cross-entropy method with the paper's settings.

Samples around a mean; the mean and the (unbiased) standard deviation of the cheapest become the
next ones (LeWM, arXiv 2603.19312, planning; released in stable-worldmodel). As released, the first
sample is the mean itself and the last mean is the plan. Unlike there, samples are kept within the
actions that the environment takes.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from lewm_probe.planning.solvers.solver import EliteSettings, Planned, Problem, elites


class CrossEntropy:
    """CEM."""

    settings: ClassVar[type[EliteSettings]] = EliteSettings
    label: ClassVar[str] = "CEM"
    discrete: ClassVar[bool] = False

    def solve(self, problem: Problem, settings: EliteSettings) -> Planned:
        """Search; the plan is the last mean."""
        mean = problem.first()
        std = torch.full_like(mean, settings.sigma)
        for _ in range(settings.iterations):
            noise = problem.normal(settings.samples)
            noise[:, 0] = 0
            plans = problem.space.clip(mean[:, None] + std[:, None] * noise)  # (B, S, K, A)
            kept = elites(plans, problem.cost(plans), settings.elites)
            mean, std = kept.mean(dim=1), kept.std(dim=1)
        costs = problem.cost(mean[:, None])[:, 0]
        return Planned(mean, costs, settings.iterations * settings.samples + 1)


CEM = CrossEntropy()
