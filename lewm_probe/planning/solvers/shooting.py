"""Random shooting: the cheapest of random plans. The least that a search has to beat."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lewm_probe.planning.solvers.solver import Planned, Problem, SolverSettings, best


class ShootingSettings(SolverSettings):
    """As many plans as ``samples`` × ``iterations``, so that budgets compare."""

    sigma: float = Field(1.0, gt=0)
    """Standard deviation of the samples, in z-scored actions."""


class Shooting:
    """Random shooting."""

    settings: ClassVar[type[SolverSettings]] = ShootingSettings
    label: ClassVar[str] = "random shooting"
    discrete: ClassVar[bool] = False

    def solve(self, problem: Problem, settings: ShootingSettings) -> Planned:
        """Search; the plan is the cheapest sample."""
        first = problem.first()
        found = first, problem.cost(first[:, None])[:, 0]
        for _ in range(settings.iterations):
            noise = settings.sigma * problem.normal(settings.samples)
            plans = problem.space.clip(first[:, None] + noise)
            now = best(plans, problem.cost(plans))
            better = now[1] < found[1]
            found = (
                now[0].where(better[:, None, None], found[0]),
                now[1].where(better, found[1]),
            )
        return Planned(*found, settings.iterations * settings.samples + 1)


SHOOTING = Shooting()
