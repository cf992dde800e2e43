"""The regulariser that objectives and analyses call: whichever way of computing it is quickest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lewm_probe.core.processes import ranks
from lewm_probe.training.sigreg import fused, recurrence
from lewm_probe.training.sigreg.formula import KNOTS, RANGE, epps_pulley

FEW_KNOTS = 5
"""Up to so many knots the plain formula has no more work than the recurrence."""


def sigreg(latents: Tensor, directions: Tensor, knots: int = KNOTS, upper: float = RANGE) -> Tensor:
    """The regulariser: (B, T, D) latents, (D, M) unit directions → scalar.

    The Epps–Pulley statistic of each direction, computed for each time step over the batch (that
    of all processes, where several train together), then averaged over time and directions.
    Gradients flow to the latents, once; in float32 at the least, whatever autocast says.
    """
    wanted = torch.is_grad_enabled() and latents.requires_grad
    with torch.autocast(latents.device.type, enabled=False):
        latents = latents if latents.dtype == torch.float64 else latents.float()
        directions = directions.to(latents)
        if knots <= FEW_KNOTS and ranks.count() == 1:
            return epps_pulley(latents.transpose(0, 1) @ directions, knots, upper).mean()
        if wanted:
            value: Tensor = _Sigreg.apply(latents, directions, knots, upper)
            return value
        return _statistic(latents, directions, knots, upper, gradient=False)[0]


def _statistic(
    latents: Tensor, directions: Tensor, knots: int, upper: float, *, gradient: bool
) -> tuple[Tensor, Tensor | None]:
    way = fused.statistic if fused.here(latents.device) else recurrence.statistic
    return way(latents, directions, knots, upper, gradient=gradient)


class _Sigreg(torch.autograd.Function):
    """The statistic, whose gradient is known by the time its value is."""

    @staticmethod
    def forward(ctx: Any, latents: Tensor, directions: Tensor, knots: int, upper: float) -> Tensor:
        value, slopes = _statistic(latents.detach(), directions, knots, upper, gradient=True)
        ctx.save_for_backward(slopes)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * gradient, None, None, None
