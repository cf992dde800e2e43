"""The variance, covariance and smoothness terms of PLDM (arXiv 2502.14819), as released.

All take latents z (B, T, D) and centre them over the batch at each time step and axis first, which
is what the released code does (the paper's formula for the temporal covariance centres over time).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

VARIANCE_EPSILON = 1e-4
"""Inside the square root, so that its gradient stays finite at zero variance (released code)."""


def centred(latents: Tensor) -> Tensor:
    """Subtract the batch mean at each time step and axis: (B, T, D) → (B, T, D)."""
    return latents - latents.mean(dim=0, keepdim=True)


def variance_hinge(latents: Tensor) -> Tensor:
    """max(0, 1 − SD over the batch), averaged over time and axes: (B, T, D) → scalar."""
    return torch.relu(1 - (centred(latents).var(dim=0) + VARIANCE_EPSILON).sqrt()).mean()


def temporal_variance_hinge(latents: Tensor) -> Tensor:
    """max(0, 1 − SD over time within a trajectory), averaged: (B, T, D) → scalar."""
    return torch.relu(1 - (centred(latents).var(dim=1) + VARIANCE_EPSILON).sqrt()).mean()


def covariance(latents: Tensor) -> Tensor:
    """Mean square of the off-diagonal covariances over the batch: (B, T, D) → scalar."""
    return _off_diagonal(centred(latents).transpose(0, 1))  # (T, B, D): one matrix a time step


def temporal_covariance(latents: Tensor) -> Tensor:
    """Mean square of the off-diagonal covariances over time: (B, T, D) → scalar."""
    return _off_diagonal(centred(latents))  # one matrix a trajectory


def temporal_smoothness(latents: Tensor) -> Tensor:
    """Mean squared step between neighbouring frames: (B, T, D) → scalar."""
    return (latents[:, 1:] - latents[:, :-1]).square().mean()


def _off_diagonal(groups: Tensor) -> Tensor:
    """(G, N, D): D × D second moments over N, mean square off the diagonal, mean over G."""
    count, width = groups.shape[1:]
    moments = groups.transpose(1, 2) @ groups / (count - 1)  # (G, D, D)
    total = moments.square().sum(dim=(1, 2)) - moments.diagonal(dim1=1, dim2=2).square().sum(1)
    return (total / (width**2 - width)).mean()


class InverseDynamics(nn.Module):
    """Guess the scaled action block from two neighbouring latents (PLDM's IDM head).

    MLP of [z_{t+1}, z_t]: 2D → hidden → A with LayerNorm and GELU; hidden 512 as released. Its
    parameters belong to the objective, not to the world model.
    """

    def __init__(self, latent_width: int, action_width: int, hidden: int = 512) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2 * latent_width, hidden),
            nn.LayerNorm(hidden),
            nn.GELU(),
            nn.Linear(hidden, action_width),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """(B, T, D) → (B, T − 1, A)."""
        guess: Tensor = self.net(torch.cat([latents[:, 1:], latents[:, :-1]], dim=-1))
        return guess
