"""Probes on request: of imagined latents, of few training frames, of an unseen region.

All are linear. Each is off until the suite asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.features import encoded, pooled
from lewm_probe.analyses.engine.imagination import imagine
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.probe.fits import ProbeFitter, ProbeResult
from lewm_probe.analyses.probe.tasks import ProbeTargets, ProbeTask, Splits
from lewm_probe.analyses.readout.targets import Target

REGION_SHARE = 0.25
"""Share of training frames that the held-out region covers, at the upper end of the first axis."""

Extra = tuple[ProbeResult, dict[str, Any]]
"""A reading and the further keys of its metrics."""


def imagined_features(
    checkpoint: Checkpoint,
    data: Splits[Trajectories],
    asked: ProbeTargets,
    fitter: ProbeFitter,
    cache: LatentCache,
) -> Iterator[Extra]:
    """Probes trained and tested on latents imagined k blocks ahead: ``features`` imagined."""
    latents = data.map(lambda t: encoded(checkpoint, t.pixels, t.actions, cache)["z"])
    for horizon in fitter.suite.probe.imagined_horizons:
        found = [
            imagine(checkpoint, z, t.actions, horizon)
            for z, t in zip(latents.as_list(), data.as_list(), strict=True)
        ]
        views = Splits(*(pooled(checkpoint, f.latents[:, :, -1]) for f in found))
        frames = found[0].frames()[:, -1]
        targets = tuple(
            target.map(lambda t, at=frames: replace(t, values=t.values[:, at]))  # type: ignore[misc]
            for target in asked.single
        )
        for reading in fitter.linear(ProbeTask("imagined", views, targets)):
            yield reading, {"horizon": horizon}


def learning_curve(
    views: Splits[np.ndarray], asked: ProbeTargets, fitter: ProbeFitter
) -> Iterator[Extra]:
    """Probes of z after n training frames, whole trajectories: ``dose`` n, ``window`` train_frames.

    Sizes beyond what the suite's training trajectories hold are left out.
    """
    frames = views.train.shape[1]
    for size in fitter.suite.probe.train_frames:
        trajectories = max(2, -(-size // frames))
        if trajectories > len(views.train):
            continue
        some = slice(0, trajectories)
        targets = tuple(replace(t, train=t.train.of(some)) for t in asked.single)
        task = ProbeTask("z", replace(views, train=views.train[some]), targets)
        for reading in fitter.linear(task):
            yield reading, {"dose": float(trajectories * frames), "window": "train_frames"}


def held_out_region(
    views: Splits[np.ndarray], asked: ProbeTargets, fitter: ProbeFitter
) -> Iterator[Extra]:
    """Probes of z tested where no training frame was: ``window`` held_out_region.

    The region is, for each quantity, the upper quarter of its first axis (``REGION_SHARE``).
    """
    if not fitter.suite.probe.held_out_region:
        return
    targets = []
    for target in asked.single:
        border = float(np.nanquantile(target.train.values[..., 0], 1 - REGION_SHARE))
        inside = replace(target, train=_masked(target.train, border, above=False))
        targets.append(replace(inside, test=_masked(target.test, border, above=True)))
    for reading in fitter.linear(ProbeTask("z", views, tuple(targets))):
        yield reading, {"window": "held_out_region"}


def _masked(target: Target, border: float, *, above: bool) -> Target:
    """Only frames whose first axis lies above (or not above) the border have a value."""
    inside = (target.values[..., 0] > border) == above
    return replace(target, values=np.where(inside[..., None], target.values, np.nan))
