"""Collapse, seen while it happens: spread and effective rank of a batch of latents."""

from __future__ import annotations

from torch import Tensor

from lewm_probe.stats.spectrum import effective_rank


def diagnostics(latents: Tensor) -> dict[str, float]:
    """What is logged of latents (B, T, D): both fall to 0 in a total collapse.

    ``latent_std`` is the mean over axes of the SD over batch and time; ``centered_effective_rank``
    counts the directions in use about the mean.
    """
    flat = latents.float().flatten(0, -2)
    return {
        "latent_std": float(flat.std(dim=0).mean()),
        "centered_effective_rank": effective_rank(flat.cpu().numpy(), centered=True),
    }
