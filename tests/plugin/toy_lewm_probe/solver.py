"""Hill climbing: from the best plan so far a random step, kept where it costs less."""

import torch

from lewm_probe.planning.solvers.solver import Planned, SolverSettings


class HillClimb:
    """The solver ``hill_climb``; of ``samples`` steps the best is kept."""

    settings = SolverSettings
    label = "hill climbing"
    discrete = False

    def solve(self, problem, settings):
        """Search; the plan is the cheapest that was seen."""
        plans = problem.first()
        costs = problem.cost(plans[:, None])[:, 0]
        rows = torch.arange(problem.count)
        for _ in range(settings.iterations):
            steps = problem.space.clip(plans[:, None] + 0.3 * problem.normal(settings.samples))
            found = problem.cost(steps)  # (B, S)
            best = found.argmin(dim=1)
            better = found[rows, best] < costs
            plans = torch.where(better[:, None, None], steps[rows, best], plans)
            costs = torch.where(better, found[rows, best], costs)
        return Planned(plans, costs, 1 + settings.iterations * settings.samples)


HILL_CLIMB = HillClimb()
