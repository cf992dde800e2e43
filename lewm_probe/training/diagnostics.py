"""Collapse, seen while it happens: spread and effective rank of a batch of latents."""

from __future__ import annotations

import torch
from torch import Tensor


def latent_std(latents: Tensor) -> float:
    """Mean over axes of the SD over batch and time: (B, T, D) → scalar. 0 is total collapse."""
    return float(latents.float().flatten(0, -2).std(dim=0).mean())


def effective_rank(latents: Tensor) -> float:
    """RankMe: exp of the entropy of the normalised singular values (arXiv 2210.02885).

    Computed on centred latents (…, D), so a constant latent has rank 0 rather than 1.
    """
    flat = latents.float().flatten(0, -2)
    singular = torch.linalg.svdvals(flat - flat.mean(0))
    total = singular.sum()
    if total <= 1e-12:
        return 0.0
    share = singular / total
    return float(torch.exp(-(share * (share + 1e-12).log()).sum()))
