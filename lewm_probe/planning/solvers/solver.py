"""What a solver is given, what it returns, and the random numbers it may draw.

Axis letters: B problems solved at once, S samples, K blocks ahead, A an action block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from pydantic import Field, model_validator
from torch import Tensor

from lewm_probe.core.config import Config
from lewm_probe.planning.space import PlanSpace

Cost = Callable[[Tensor], Tensor]
"""Plans in the plan space, (B, S, K, A), → what each costs, (B, S)."""


@dataclass(frozen=True)
class Problem:
    """B problems that are solved side by side, none of which knows of the others.

    Attributes:
        cost: of plans.
        space: that plans lie in, on the device and in the precision of the plans.
        blocks: K, how far plans reach.
        generators: a source of random numbers for each problem: it belongs to the problem and not
            to the batch. One that was shared was seen to flip 99 of 400 outcomes between batches
            of 1 and of 16 (CLEAR-LeWM).
    """

    cost: Cost
    space: PlanSpace
    blocks: int
    generators: Sequence[torch.Generator]

    @property
    def count(self) -> int:
        """B."""
        return len(self.generators)

    def first(self) -> Tensor:
        """Where the search begins: (B, K, A), on average the actions of the training data."""
        low = self.space.low
        return torch.zeros(
            self.count, self.blocks, self.space.width, dtype=low.dtype, device=low.device
        )

    def normal(self, samples: int) -> Tensor:
        """Standard normal numbers (B, S, K, A), drawn by each problem for itself."""
        return self._drawn(torch.randn, samples)

    def uniform(self, samples: int) -> Tensor:
        """Numbers in [0, 1), (B, S, K, A), likewise."""
        return self._drawn(torch.rand, samples)

    def _drawn(self, draw: Callable[..., Tensor], samples: int) -> Tensor:
        # In double precision on the CPU: the same numbers on every device and in every precision.
        shape = (samples, self.blocks, self.space.width)
        drawn = [draw(shape, generator=g, dtype=torch.float64) for g in self.generators]
        return torch.stack(drawn).to(self.space.low)


@dataclass(frozen=True)
class Planned:
    """What was found.

    Attributes:
        plans: one a problem, (B, K, A), in the plan space.
        costs: of each, (B,), as the model sees them.
        evaluations: plans whose cost was asked for, a problem.
    """

    plans: Tensor
    costs: Tensor
    evaluations: int


class SolverSettings(Config):
    """What all solvers have."""

    samples: int = Field(300, ge=1)
    """Plans whose cost is asked for in an iteration (paper and released: 300)."""
    iterations: int = Field(10, ge=1)
    """30 on Push-T and 10 elsewhere in the paper; the released configuration says 30 for all."""


class EliteSettings(SolverSettings):
    """Solvers that learn from the best samples."""

    elites: int = Field(30, ge=2)
    """Best samples that the next iteration is made from (paper and released: 30)."""
    sigma: float = Field(1.0, gt=0)
    """Standard deviation of the first samples, σ₀ of the paper, in z-scored actions."""

    @model_validator(mode="after")
    def _enough_samples(self) -> Any:
        if self.elites > self.samples:
            raise ValueError(
                f"elites ({self.elites}) are the best of samples ({self.samples}), and cannot be "
                "more"
            )
        return self


@runtime_checkable
class Solver(Protocol):
    """One way to search for the cheapest plan."""

    settings: ClassVar[type[SolverSettings]]
    label: ClassVar[str]
    """As readers see it."""
    discrete: ClassVar[bool]
    """Whether it searches among choices; else among numbers."""

    def solve(self, problem: Problem, settings: Any) -> Planned:
        """Search; ``settings`` are of the solver's own class."""


def best(plans: Tensor, costs: Tensor) -> tuple[Tensor, Tensor]:
    """The cheapest of plans (B, S, K, A) by costs (B, S): (B, K, A), (B,)."""
    least, which = costs.min(dim=1)
    return plans[torch.arange(len(plans)), which], least


def elites(plans: Tensor, costs: Tensor, count: int) -> Tensor:
    """The ``count`` cheapest, cheapest first: (B, S, K, A), (B, S) → (B, E, K, A)."""
    which = costs.topk(count, dim=1, largest=False).indices
    return plans.gather(1, which[..., None, None].expand(-1, -1, *plans.shape[2:]))
