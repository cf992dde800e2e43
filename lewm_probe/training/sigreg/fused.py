"""The same recurrences as one kernel for the sums and one for the gradient, for GPUs.

Written without writing in place, so that ``torch.compile`` makes one pass over the projections of
each: waves of all knots live in registers, and nothing of samples × directions × knots in memory.
Between the two passes the characteristic functions of all processes are added up.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from lewm_probe.core.processes import ranks
from lewm_probe.training.sigreg.formula import Quadrature


def here(device: torch.device) -> bool:
    """Whether kernels can be made for a device: torch.compile needs Triton for those of a GPU."""
    return device.type == "cuda" and _has_triton()


@functools.cache
def _has_triton() -> bool:
    from torch.utils._triton import has_triton

    return bool(has_triton())


def sums(angles: Tensor, last: int) -> Tensor:
    """Cosines and sines of k·x over the batch: (T, B, M) → (K, 2, T, M), k = 1 … K."""
    cosine, sine = angles.cos(), angles.sin()
    twice = 2 * cosine
    before, waves = (torch.ones_like(cosine), torch.zeros_like(sine)), (cosine, sine)
    found = [torch.stack([wave.sum(1) for wave in waves])]
    for _ in range(2, last + 1):
        following = (twice * waves[0] - before[0], twice * waves[1] - before[1])
        before, waves = waves, following
        found.append(torch.stack([wave.sum(1) for wave in waves]))
    return torch.stack(found)


def slopes(angles: Tensor, factors: Tensor) -> Tensor:
    """Σ_k b_k cos kx + a_k sin kx by Clenshaw: (T, B, M), [b, a] (K, 2, T, M) → (T, B, M)."""
    cosine, sine = angles.cos(), angles.sin()
    twice = 2 * cosine
    nothing = torch.zeros_like(cosine)
    now, ahead = (nothing, nothing), (nothing, nothing)
    for k in range(len(factors) - 1, -1, -1):
        following = (
            twice * now[0] - ahead[0] + factors[k, 0].unsqueeze(1),
            twice * now[1] - ahead[1] + factors[k, 1].unsqueeze(1),
        )
        ahead, now = now, following
    return now[0] * cosine - ahead[0] + now[1] * sine


@functools.cache
def kernel(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function above as compiled for the shapes that it meets; done at its first call."""
    compiled: Callable[..., Tensor] = torch.compile(function, dynamic=False)
    return compiled


def statistic(
    latents: Tensor,
    directions: Tensor,
    knots: int,
    upper: float,
    *,
    gradient: bool,
    make: Callable[[Callable[..., Tensor]], Callable[..., Tensor]] = kernel,
) -> tuple[Tensor, Tensor | None]:
    """As ``recurrence.statistic``; ``make`` turns the two functions into kernels."""
    batch, frames, _ = latents.shape
    mean_of = frames * directions.shape[1]
    points, gaussian, weights = (v[1:] for v in Quadrature.of(knots, upper, latents))
    everyone = batch * ranks.count()
    scaled = directions * (upper / (knots - 1))
    angles = latents.transpose(0, 1) @ scaled  # (T, B, M)
    found = ranks.add_up(make(sums)(angles, knots - 1)) / everyone  # (K − 1, 2, T, M)
    real, imaginary = found[:, 0] - gaussian.view(-1, 1, 1), found[:, 1]
    value = everyone * ((real.square() + imaginary.square()).sum((1, 2)) @ weights / mean_of)
    if not gradient:
        return value, None
    share = (2 * ranks.count() * points * weights / mean_of).view(-1, 1, 1)
    factors = torch.stack([share * imaginary, -share * real], 1)
    slope = make(slopes)(angles, factors) @ directions.mT  # (T, B, D)
    return value, slope.transpose(0, 1)
