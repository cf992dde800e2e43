"""The checkpoints of a training run, one after the other, for curves over training.

Runs of other libraries keep ``weights_epoch_N.pt``, which say no optimiser steps: there N, the
epoch, stands in place of the step.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.models.base import device_of
from lewm_probe.models.checkpoints.load import load_located, step_of
from lewm_probe.models.checkpoints.locate import locate

CURVE_CHECKPOINTS = 12
"""Most checkpoints looked at in a run: evenly spaced, the first and the last included."""

CURVE_TRAJECTORIES = 100
"""Trajectories for each earlier checkpoint: the same for straightness and geometry."""


def earlier_checkpoints(checkpoint: Checkpoint, limit: int = CURVE_CHECKPOINTS) -> list[Path]:
    """Up to ``limit`` checkpoints of the subject's run, without the step it is at itself.

    The subject's own step is the end of the curve and is measured on more trajectories.
    """
    paths = [
        checkpoint.earlier_checkpoints[i]
        for i in thinned(len(checkpoint.earlier_checkpoints), limit)
    ]
    own = checkpoint.model.spec.step
    return [path for path in paths if path != checkpoint.source and step_of(path) != own]


def at_checkpoint(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """The checkpoint as it was at a checkpoint of its run, loaded as the checkpoint was."""
    choice = checkpoint.options.chosen(checkpoint.name)
    return checkpoint.at(load_located(locate(path), choice, device_of(checkpoint.model)))


def thinned(count: int, limit: int) -> list[int]:
    """At most ``limit`` evenly spaced indices out of ``count``, both ends included.

    >>> thinned(5, 12), thinned(101, 5)
    ([0, 1, 2, 3, 4], [0, 25, 50, 75, 100])
    """
    if count == 0:
        return []
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int)).tolist()
