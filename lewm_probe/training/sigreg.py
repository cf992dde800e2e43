"""SIGReg: keep latents Gaussian by testing random one-dimensional views of them.

A vector is a standard Gaussian exactly when every projection of it onto a unit direction is. SIGReg
draws directions and sums the Epps–Pulley distance between each projection's empirical
characteristic function and that of N(0, 1) (LeJEPA, arXiv 2511.08544; LeWorldModel, arXiv
2603.19312).
"""

from __future__ import annotations

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


def epps_pulley(samples: Tensor, knots: int = KNOTS, upper: float = RANGE) -> Tensor:
    """Epps–Pulley statistic against N(0, 1): samples (…, N, M) → (…, M).

    T = N ∫ w(t) |φ_N(t) − e^{−t²/2}|² dt with w(t) = e^{−t²/2} and φ_N the empirical characteristic
    function, by the trapezoid rule on [0, upper], doubled because the integrand is even.

    >>> t = epps_pulley(torch.randn(4000, 8, generator=torch.Generator().manual_seed(0)))
    >>> bool((t < 3).all())
    True
    """
    t = torch.linspace(0, upper, knots, dtype=samples.dtype, device=samples.device)
    gaussian = torch.exp(-t.square() / 2)
    spacing = upper / (knots - 1)
    weights = torch.full_like(t, 2 * spacing)
    weights[0] = weights[-1] = spacing
    weights = weights * gaussian  # trapezoid × w(t)
    angles = samples.unsqueeze(-1) * t  # (…, N, M, knots)
    real = angles.cos().mean(-3) - gaussian  # (…, M, knots)
    imaginary = angles.sin().mean(-3)
    return samples.shape[-2] * ((real.square() + imaginary.square()) @ weights)


def sigreg(latents: Tensor, directions: Tensor, knots: int = KNOTS, upper: float = RANGE) -> Tensor:
    """The regulariser: (B, T, D) latents, (D, M) unit directions → scalar.

    Computed for each time step over the batch, then averaged over time and directions.
    """
    projections = latents.transpose(0, 1) @ directions  # (T, B, M)
    return epps_pulley(projections, knots, upper).mean()
