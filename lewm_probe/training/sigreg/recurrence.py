"""The statistic and its gradient at once, for equally spaced knots, in slices that stay in cache.

The knots are t_k = k·δ, so with x = δ·projection the waves of all of them follow from one sine and
one cosine by Chebyshev's recurrence, e^{i(k+1)x} = 2 cos x · e^{ikx} − e^{i(k−1)x}. Their sums over
the batch are the empirical characteristic function; with it the gradient of the latents is a
trigonometric sum of x, which Clenshaw's recurrence evaluates from the last knot to the first. No
array of samples × directions × knots is ever made, and nothing has to be kept for a backward pass.

Signs alternate, σ_{k+1} = −σ_{k−1}, so that each step of a recurrence is one in-place ``addcmul_``:
σ_{k+1}·w_{k+1} = σ_{k−1}·w_{k−1} ± 2 cos x · σ_k·w_k.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lewm_probe.core.processes import ranks
from lewm_probe.training.sigreg.formula import Quadrature

SLICE = 2**15
"""Numbers of an array that a thread works on at a time: with its five companions they fit a core's
second-level cache (reports/benchmarks)."""

LARGE_SLICE = 2**22
"""The same for what is no CPU: 16 MB, enough for its kernels to be worth starting."""

LEAST_DIRECTIONS = 256
"""Directions of a slice at the least: narrower products of matrices are slow."""

_SIGNS = (1.0, 1.0, -1.0, -1.0)
"""σ_k, of period four."""


def statistic(
    latents: Tensor, directions: Tensor, knots: int, upper: float, *, gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """The mean statistic over time steps and directions, and its gradient.

    Where several processes train together it is that of the batch of all of them: their
    characteristic functions are summed. The gradient is then as many times larger as there are
    processes, since data-parallel training averages gradients over them.

    Args:
        latents: (B, T, D), float32 or float64, of this process.
        directions: (D, M), unit columns, the same in all processes.
        knots: K, points of the quadrature.
        upper: its end.
        gradient: whether it is asked for.

    Returns:
        The value, a scalar, and the gradient (B, T, D).
    """
    batch, frames, _ = latents.shape
    count = directions.shape[1]
    quadrature = Quadrature.of(knots, upper, latents)
    spacing = upper / (knots - 1)
    by_frame = latents.transpose(0, 1).contiguous()  # (T, B, D)
    scaled = directions * spacing
    on_cpu = latents.device.type == "cpu"
    at_once = SLICE * torch.get_num_threads() if on_cpu else LARGE_SLICE
    columns = min(count, max(LEAST_DIRECTIONS, at_once // batch))
    rows = min(frames, max(1, at_once // (batch * columns)))
    total = latents.new_zeros(())
    slopes = torch.zeros_like(by_frame) if gradient else None
    for first in range(0, frames, rows):
        part = by_frame[first : first + rows]  # (t, B, D)
        for start in range(0, count, columns):
            of_slice = scaled[:, start : start + columns]  # (D, m)
            value, slope = _slice(part @ of_slice, quadrature, gradient)
            total += value
            if slopes is not None and slope is not None:
                into = slopes[first : first + rows].flatten(0, 1)
                into.addmm_(slope.flatten(0, 1), of_slice.mT)
    mean_of = frames * count
    if slopes is not None:
        slopes *= ranks.count() / (mean_of * spacing)
    return total / mean_of, None if slopes is None else slopes.transpose(0, 1)


def _slice(angles: Tensor, quadrature: Quadrature, gradient: bool) -> tuple[Tensor, Tensor | None]:
    """Statistics of x (t, B, m), summed, and their derivative by the projections (t, B, m)."""
    points, gaussian, weights = (values[1:] for values in quadrature)  # at 0 all agree
    batch = angles.shape[1] * ranks.count()
    last = len(points)
    signs = angles.new_tensor([_SIGNS[k % 4] for k in range(1, last + 1)])
    before = angles.new_empty(2, *angles.shape)  # of knot 0: cosine 1, sine 0
    before[0], before[1] = 1, 0
    waves = torch.empty_like(before)
    torch.cos(angles, out=waves[0])
    torch.sin(angles, out=waves[1])
    twice = 2 * waves[0]
    first = waves.clone() if gradient else waves
    sums = angles.new_empty(last, 2, angles.shape[0], angles.shape[2])
    torch.sum(waves, 2, out=sums[0])
    for k in range(2, last + 1):
        before.addcmul_(twice, waves, value=_SIGNS[k % 4] * _SIGNS[(k - 1) % 4])
        before, waves = waves, before
        torch.sum(waves, 2, out=sums[k - 1])
    ranks.add_up(sums)
    sums *= _over(signs / batch, sums)
    sums[:, 0] -= _over(gaussian, sums[:, 0])  # φ_N − φ, real and imaginary part
    value = batch * (sums.square().sum((1, 2, 3)) @ weights)
    if not gradient:
        return value, None
    # d/dx Σ_k w_k |φ_N − φ|² = Σ_k 2 t_k w_k (imaginary · cos kx − real · sin kx)
    factors = sums.flip(1).mul_(_over(2 * points * weights * signs, sums))
    factors[:, 1].neg_()
    factors = factors.unsqueeze(3)  # (K − 1, 2, t, 1, m)
    ahead, here = waves.zero_(), before.copy_(factors[-1].expand_as(before))
    for k in range(last - 1, 0, -1):
        ahead.addcmul_(twice, here, value=_SIGNS[k % 4] * _SIGNS[(k + 1) % 4]).add_(factors[k - 1])
        ahead, here = here, ahead
    first *= here  # Σ_k b_k cos kx = u_1 cos x − u_2 (σ_2 = −1), Σ_k a_k sin kx = u_1 sin x
    return value, first[0].add_(first[1]).add_(ahead[0])


def _over(values: Tensor, like: Tensor) -> Tensor:
    """One number for each first index of another tensor."""
    return values.view(-1, *[1] * (like.dim() - 1))
