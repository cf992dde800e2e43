"""A trained model with the episodes that its run trained on and those it held out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint, load_checkpoints
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.training.recipe import Recipe
from lewm_probe.training.run.claims import split


@dataclass(frozen=True)
class Trained:
    """What a score is told of a run.

    Attributes:
        checkpoint: the frozen model, as analyses take it.
        data: the data set; only the two shares below are to be read.
        training: episodes that it was trained on, ascending.
        validation: episodes that it was not trained on: those of the run's own split.
    """

    checkpoint: Checkpoint
    data: Episodes
    training: np.ndarray
    validation: np.ndarray


@contextmanager
def trained(recipe: Recipe, data: Path, folder: Path, device: str) -> Iterator[Trained]:
    """A finished run, its data set open.

    Raises:
        UserError: the checkpoint or the data set cannot be read.
    """
    (checkpoint,) = load_checkpoints([f"model={folder}"], device)
    with open_episodes(data) as episodes:
        training, validation = split(recipe, episodes)
        yield Trained(checkpoint, episodes, training, validation)
