"""Before a run: whether the data set fits its recipe, and whether what is called finished is it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lewm_probe.core.errors import LONGEST, UserError
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.sampling.split import split_episodes
from lewm_probe.data.sampling.windows import Windows
from lewm_probe.models.checkpoints.native import load_checkpoint, read_header
from lewm_probe.models.family import FAMILIES
from lewm_probe.training.recipe import Recipe
from lewm_probe.training.run.state import check_data_set


def split(recipe: Recipe, file: Episodes) -> tuple[np.ndarray, np.ndarray]:
    """The episodes that a recipe trains on, and those it holds out."""
    return split_episodes(len(file), recipe.data.validation_fraction, recipe.seed)


def steps(recipe: Recipe, file: Episodes, windows: int) -> tuple[int, int]:
    """Optimiser steps of an epoch, and of the whole run, with so many training windows.

    Raises:
        UserError: they do not fill a batch.
    """
    options = recipe.optimizer
    if windows < options.batch:
        raise UserError(
            f"{file.path} gives {windows} training windows, fewer than one batch of "
            f"{options.batch}. Collect more episodes, or lower optimizer.batch."
        )
    whole = windows // options.batch
    of_an_epoch = min(whole, options.steps_per_epoch or whole)
    return of_an_epoch, of_an_epoch * options.epochs


def check_data(recipe: Recipe, file: Episodes) -> None:
    """Refuse a data set that does not fit the recipe.

    Raises:
        UserError: a column missing, another image size or another action width.
    """
    config = recipe.model
    wanted = FAMILIES.get(recipe.family).columns(config)
    lacking = [c for c in wanted if c not in file.columns]
    if lacking:
        raise UserError(
            f"{file.path} has no column {' and no '.join(lacking)}, which the family "
            f"{recipe.family} is trained on. Give a data set that has, or another recipe."
        )
    height = file.image_size
    if height != config.image_size:
        raise UserError(
            f"{file.path} holds {height} px images, the recipe expects {config.image_size} px. "
            f"Collect with --size {config.image_size}, or set model.image_size={height}."
        )
    if file.action_width != config.env_action_width:
        raise UserError(
            f"{file.path} holds actions of width {file.action_width}, the recipe expects "
            f"{config.env_action_width}. Set model.env_action_width={file.action_width}, or give "
            "the data set of the recipe's world."
        )


def check_finished(path: Path, recipe: Recipe, file: Episodes) -> None:
    """Believe a run's final checkpoint only if it is what this recipe makes of this data set.

    Raises:
        UserError: not whole, a stranger's, of another data set, or not of the last step.
    """
    try:
        load_checkpoint(path)
        header = read_header(path)
    except UserError as error:
        raise UserError(
            f"The run in {path.parent} is not finished, though it looks so: {error} Or remove the "
            "file and run the same command with --resume: training goes on from its last saved "
            "state, or begins anew."
        ) from error
    meta = header.meta
    _same(path, "family", meta.family, recipe.family)
    _same(path, "recipe", meta.recipe, recipe.name)
    _same(path, "world", meta.world, recipe.world)
    _same(path, "seed", meta.seed, recipe.seed)
    family = FAMILIES.get(recipe.family)
    with torch.device("meta"):  # a model fills in what its configuration leaves open
        wanted = family.build(recipe.model, header.statistics, meta).config.model_dump(mode="json")
    for key, value in header.config.model_dump(mode="json").items():
        _same(path, f"model.{key}", value, wanted.get(key))
    check_data_set(path.parent, meta.data_fingerprint, file.fingerprint)
    training, _ = split(recipe, file)
    # Counted only: no image is read.
    windows = Windows(file, training, recipe.data.frames, recipe.model.frame_skip, memory_limit=0)
    _, total = steps(recipe, file, len(windows))
    _same(path, "step", meta.step, total)


def _same(path: Path, what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise UserError(
            f"{path} is not what this run makes: its {what} is {_shown(found)}, not "
            f"{_shown(wanted)}. Move it elsewhere, or train into another folder with --out."
        )


def _shown(value: object) -> str:
    return "not given" if value is None else str(value)[:LONGEST]
