"""A quick run (``train --fast``, ``tune --steps``): a recipe's own batch and model for few steps.

It is named so, and the name goes into the run folder and into every checkpoint, so that whatever is
measured of such a model can say that it was hardly trained.
"""

from __future__ import annotations

from lewm_probe.core.errors import UsageError
from lewm_probe.training.recipe import Expects, Recipe, override

FAST_MINUTES = 1.5
"""About how long a quick run takes where the recipe says how long a whole one takes."""

FAST_STEPS = 300
"""Its optimiser steps where the recipe does not say."""

FAST_EPOCHS = 3
"""Validated so often, and a checkpoint each: curves over training need a few."""

MARK = " (fast)"
"""Ends the name of a shortened recipe."""


def shortened(recipe: Recipe, whole: Recipe, expects: Expects | None) -> Recipe:
    """``recipe`` for a minute or two; one that is as short already only gets the name.

    Args:
        recipe: with what the user changed in it.
        whole: as its file has it, of which ``expects`` speaks.
        expects: what its file says that a run takes.
    """
    most = FAST_STEPS
    if expects is not None and expects.minutes is not None and whole.steps is not None:
        most = max(FAST_EPOCHS, round(whole.steps * FAST_MINUTES / expects.minutes))
    asked = recipe.model_copy(update={"name": recipe.name + MARK})
    if recipe.steps is not None and recipe.steps <= most:
        return asked
    epochs = min(FAST_EPOCHS, recipe.optimizer.epochs)
    return override(
        asked, [f"optimizer.epochs={epochs}", f"optimizer.steps_per_epoch={most // epochs}"]
    )


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """``recipe`` for so many steps at the most, by the same name as a quick run if those are fewer.

    Raises:
        UsageError: fewer than one step.
    """
    if steps < 1:
        raise UsageError(f"--steps is {steps}; expected a whole number from 1 up.")
    epochs = min(FAST_EPOCHS, recipe.optimizer.epochs, steps)
    each = [f"optimizer.epochs={epochs}", f"optimizer.steps_per_epoch={steps // epochs}"]
    if recipe.steps is not None and recipe.steps <= steps:
        return recipe
    return override(recipe.model_copy(update={"name": recipe.name + MARK}), each)


def is_shortened(name: object) -> bool:
    """Whether a recipe of this name was shortened.

    >>> is_shortened("two-room/lewm-cpu (fast)"), is_shortened("two-room/lewm-cpu")
    (True, False)
    """
    return isinstance(name, str) and name.endswith(MARK)


def shortened_note(label: str) -> str:
    """What a reader of every number of such a model must know first."""
    return (
        f"{label} was trained with --fast, for far fewer steps than its recipe says: a quick look, "
        "not numbers to publish."
    )
