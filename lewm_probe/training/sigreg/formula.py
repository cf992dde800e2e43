"""The formula: directions, quadrature and the Epps–Pulley statistic, written plainly."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

KNOTS = 17
"""Points of the quadrature (released LeWM configuration)."""
RANGE = 3.0
"""Upper end of the quadrature; the integrand is even (released LeWM configuration)."""
DIRECTIONS = 1024
"""Random directions a step, M in the paper."""


def unit_directions(
    width: int, count: int, generator: torch.Generator | None = None, device: str = "cpu"
) -> Tensor:
    """Directions uniform on the sphere, (D, M), each column of unit length."""
    directions = torch.randn(width, count, generator=generator)
    return (directions / directions.norm(dim=0, keepdim=True)).to(device)


class Quadrature(NamedTuple):
    """Equally spaced points of the integral over [0, upper], doubled because it is even.

    Attributes:
        points: t_k, (K,), the first of them 0.
        gaussian: e^{−t_k²/2}: the characteristic function of N(0, 1) there, (K,).
        weights: trapezoid rule × w(t_k), w(t) = e^{−t²/2}, (K,).
    """

    points: Tensor
    gaussian: Tensor
    weights: Tensor

    @classmethod
    def of(cls, knots: int, upper: float, like: Tensor) -> Quadrature:
        """In the precision and on the device of a tensor."""
        t = torch.linspace(0, upper, knots, dtype=like.dtype, device=like.device)
        gaussian = torch.exp(-t.square() / 2)
        spacing = upper / (knots - 1)
        weights = torch.full_like(t, 2 * spacing)
        weights[0] = weights[-1] = spacing
        return cls(t, gaussian, weights * gaussian)


def epps_pulley(samples: Tensor, knots: int = KNOTS, upper: float = RANGE) -> Tensor:
    """Epps–Pulley statistic against N(0, 1): samples (…, N, M) → (…, M).

    T = N ∫ w(t) |φ_N(t) − e^{−t²/2}|² dt with w(t) = e^{−t²/2} and φ_N the empirical characteristic
    function, by the trapezoid rule on [0, upper], doubled because the integrand is even.

    >>> t = epps_pulley(torch.randn(4000, 8, generator=torch.Generator().manual_seed(0)))
    >>> bool((t < 3).all())
    True
    """
    t, gaussian, weights = Quadrature.of(knots, upper, samples)
    angles = samples.unsqueeze(-1) * t  # (…, N, M, knots)
    real = angles.cos().mean(-3) - gaussian  # (…, M, knots)
    imaginary = angles.sin().mean(-3)
    return samples.shape[-2] * ((real.square() + imaginary.square()) @ weights)
