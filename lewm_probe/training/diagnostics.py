"""What is logged of a run beside its losses: spread and rank of latents, and memory."""

from __future__ import annotations

import resource
import sys

import torch
from torch import Tensor

from lewm_probe.stats.spectrum import effective_rank, rank_estimate

GROUPS = 32
"""Groups of windows that are left out in turn, to take the bias of a rank away."""


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


def unbiased_rank(latents: Tensor) -> float:
    """``effective_rank`` as ``geometry`` reports it: not centred, and its bias removed.

    Args:
        latents: (N, T, …, D) of N windows in the order of the data set. Neighbours, mostly of one
            episode, form a group; groups are left out in turn, as trajectories are in ``geometry``.
    """
    windows = latents.float().flatten(1, -2).cpu().numpy()  # (N, T, D)
    count = max(1, len(windows) // max(1, min(GROUPS, len(windows))))
    groups = windows[: len(windows) // count * count]
    value = rank_estimate(groups.reshape(-1, count * groups.shape[1], groups.shape[2]))[0].value
    return float("nan") if value is None else value


def peak_memory(device: torch.device) -> int:
    """Bytes that this process held at the most: of the GPU where it computes on one."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
