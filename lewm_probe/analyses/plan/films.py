"""A success and a failure as pictures: what came, and what the model had imagined beside it.

A latent is no picture. What is shown of an imagined one is the frame of a clean trajectory whose
latent is nearest to it, by the same distance that plans are chosen by.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.features import encoded
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.planning.control import Attempt, Outcome
from lewm_probe.planning.costs import Imagined
from lewm_probe.planning.pairs import Pair

KINDS = ("success", "failure")


def films(
    checkpoint: Checkpoint,
    imagined: Imagined,
    pairs: Sequence[Pair],
    outcomes: Sequence[Outcome],
    clean: Trajectories,
    cache: LatentCache,
    execute: int,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """``success`` and ``failure`` → the pictures that came and those that were imagined.

    The first pair of each kind, by the released rule at any step. What came: start, the state after
    each block, and the goal; what was imagined: the same, with the start as it was.

    Args:
        checkpoint: whose model planned.
        imagined: its judge, which encodes and draws.
        pairs: all that was tried.
        outcomes: of each.
        clean: where frames near imagined latents are looked for.
        cache: of latents.
        execute: blocks of a plan that were done before the next.
    """
    won = [one.success("released", "any") for one in outcomes]
    found = {}
    gallery = encoded(checkpoint, clean.pixels, clean.actions, cache)["z"]
    gallery = gallery.reshape(-1, *gallery.shape[2:])
    frames = clean.pixels.reshape(-1, *clean.pixels.shape[2:])
    for kind in KINDS:
        if (kind == "success") not in won:
            continue
        number = won.index(kind == "success")
        outcome, pair = outcomes[number], pairs[number]
        came = imagined.world.render_batch(
            [*outcome.moments, pair.goal], imagined.model.spec.image_size
        )
        latents = _imagined(imagined, pair, outcome, execute)  # (K, …)
        nearest = _nearest(imagined, latents, torch.tensor(gallery))
        thought = np.concatenate([came[:1], frames[nearest], came[-1:]])
        found[kind] = came, thought
    return found


def _imagined(imagined: Imagined, pair: Pair, outcome: Outcome, execute: int) -> Tensor:
    """What each block was thought to lead to when its plan was made, (K, …)."""
    parts = []
    with torch.no_grad():
        for first in range(0, len(outcome.blocks), execute):
            done = list(outcome.blocks[:first])
            attempt = Attempt(pair, list(outcome.moments[: first + 1]), done)
            context, past = imagined.context([attempt])
            plan = torch.as_tensor(outcome.blocks[first : first + execute]).to(context)
            parts.append(imagined.model.rollout(context, past, plan[None, None])[0, 0])
    return torch.cat(parts)


def _nearest(imagined: Imagined, latents: Tensor, gallery: Tensor) -> list[int]:
    """The place in a gallery (G, …) nearest to each latent (K, …)."""
    near = gallery.to(latents)
    costs = [imagined.model.goal_cost(near[None], one[None, None])[0] for one in latents]
    return [int(one.argmin()) for one in costs]
