"""SIGReg as its formula reads: every knot of every projection of every sample at once."""

from __future__ import annotations

import torch
from torch import Tensor


def sigreg(latents: Tensor, directions: Tensor, knots: int = 17, upper: float = 3.0) -> Tensor:
    """(B, T, D), (D, M) → scalar (LeJEPA, arXiv 2511.08544)."""
    t = torch.linspace(0, upper, knots, device=latents.device)
    gaussian = torch.exp(-t.square() / 2)
    weights = torch.full_like(t, 2 * upper / (knots - 1))
    weights[[0, -1]] /= 2
    angles = (latents.transpose(0, 1) @ directions).unsqueeze(-1) * t  # (T, B, M, K)
    real, imaginary = angles.cos().mean(1), angles.sin().mean(1)
    distance = (real - gaussian).square() + imaginary.square()
    return (distance @ (weights * gaussian)).mean() * latents.shape[0]
