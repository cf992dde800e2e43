"""The checkpoints of a training run, one after the other, for curves over training.

Runs of other libraries keep ``weights_epoch_N.pt``, which say no optimiser steps: there N, the
epoch, stands in place of the step.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Subject
from lewm_probe.models.base import device_of
from lewm_probe.models.checkpoints.load import load_located, step_of
from lewm_probe.models.checkpoints.locate import locate

CURVE_CHECKPOINTS = 12
"""Most checkpoints looked at in a run: evenly spaced, the first and the last included."""

CURVE_TRAJECTORIES = 100
"""Trajectories for each earlier checkpoint: the same for straightness and geometry."""


def earlier_checkpoints(subject: Subject, limit: int = CURVE_CHECKPOINTS) -> list[Path]:
    """Up to ``limit`` checkpoints of the subject's run, without the step it is at itself.

    The subject's own step is the end of the curve and is measured on more trajectories.
    """
    paths = [subject.history[i] for i in thinned(len(subject.history), limit)]
    own = subject.model.spec.step
    return [path for path in paths if path != subject.source and step_of(path) != own]


def at_checkpoint(subject: Subject, path: Path) -> Subject:
    """The subject as it was at a checkpoint of its run, loaded as the subject was."""
    choice = subject.options.chosen(subject.name)
    return subject.at(load_located(locate(path), choice, device_of(subject.model)))


def thinned(count: int, limit: int) -> list[int]:
    """At most ``limit`` evenly spaced indices out of ``count``, both ends included.

    >>> thinned(5, 12), thinned(101, 5)
    ([0, 1, 2, 3, 4], [0, 25, 50, 75, 100])
    """
    if count == 0:
        return []
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int)).tolist()
