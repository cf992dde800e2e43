"""iCEM: coloured noise, elites that are kept, and a mean that moves with momentum.

Pinneri et al., arXiv 2008.06389. Exponent, momentum and number of kept elites are those of the
released stable-worldmodel; what is kept takes part in the next iteration.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from lewm_probe.planning.solvers.solver import EliteSettings, Planned, Problem, best, elites


class ICEMSettings(EliteSettings):
    """What CEM has, and three numbers more."""

    exponent: float = Field(2.0, ge=0)
    """Of the noise: power falls with frequency to this exponent; 0 is white."""
    momentum: float = Field(0.1, ge=0, lt=1)
    """Weight of the mean and deviation before (alpha)."""
    kept: int = Field(5, ge=0)
    """Elites that are asked again with the next samples."""


class ImprovedCrossEntropy:
    """iCEM."""

    settings: ClassVar[type[EliteSettings]] = ICEMSettings
    label: ClassVar[str] = "iCEM"
    discrete: ClassVar[bool] = False

    def solve(self, problem: Problem, settings: ICEMSettings) -> Planned:
        """Search; the plan is the cheapest that was ever asked for."""
        mean = problem.first()
        std = torch.full_like(mean, settings.sigma)
        found: tuple[Tensor, Tensor] | None = None
        kept: Tensor | None = None
        evaluations = 0
        for _ in range(settings.iterations):
            noise = coloured(problem.normal(settings.samples), settings.exponent)
            noise[:, 0] = 0
            plans = problem.space.clip(mean[:, None] + std[:, None] * noise)
            if kept is not None:
                plans = torch.cat([plans, kept], dim=1)
            costs = problem.cost(plans)
            evaluations += plans.shape[1]
            found = _cheaper(found, best(plans, costs))
            chosen = elites(plans, costs, settings.elites)
            kept = chosen[:, : settings.kept] if settings.kept else None
            old = settings.momentum
            mean = old * mean + (1 - old) * chosen.mean(dim=1)
            std = old * std + (1 - old) * chosen.std(dim=1)
        assert found is not None
        return Planned(*found, evaluations)


def coloured(noise: Tensor, exponent: float) -> Tensor:
    """White noise (B, S, K, A) with power f^−exponent along K, of unit variance.

    The lowest frequency stands in for frequency 0, as in Timmer and König (1995, A&A 300:707).
    """
    blocks = noise.shape[2]
    if exponent == 0 or blocks < 2:
        return noise
    spectrum = torch.fft.rfft(noise, dim=2, norm="ortho")
    frequencies = torch.fft.rfftfreq(blocks, dtype=noise.dtype, device=noise.device)
    frequencies[0] = frequencies[1]
    scale = frequencies ** (-exponent / 2)
    # Power in the sum over all frequencies of the whole (two-sided) spectrum.
    twice = torch.full_like(scale, 2.0)
    twice[0] = 1.0
    if blocks % 2 == 0:
        twice[-1] = 1.0
    scale = scale / ((twice * scale.square()).sum() / blocks).sqrt()
    return torch.fft.irfft(spectrum * scale[:, None], n=blocks, dim=2, norm="ortho")


def _cheaper(
    before: tuple[Tensor, Tensor] | None, now: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    if before is None:
        return now
    better = now[1] < before[1]
    return torch.where(better[:, None, None], now[0], before[0]), torch.minimum(now[1], before[1])


ICEM = ImprovedCrossEntropy()
