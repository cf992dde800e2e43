"""How much is asked: numbers of trajectories, the seed, and a quick look at everything.

The trajectories of a condition are what ``--trajectories`` speaks of; all other sets follow in
proportion, and so does the training of control predictors, which the same question would otherwise
wait for. What was made shorter is told beside the numbers.
"""

from __future__ import annotations

import contextlib
import operator
from typing import TYPE_CHECKING

from lewm_probe.core.errors import UsageError

if TYPE_CHECKING:
    from lewm_probe.analyses.engine.asked.suite import Suite

FAST_TRAJECTORIES = 24
"""Trajectories a condition of a quick look: d_z 0.8 is found with a power of 0.8 among 16 tests."""

FAST_RESAMPLES = 500
"""Resamples of its intervals, a quarter of what suites ask for."""

TRAINED_CONTROLS = ("random_encoder", "action_blind")
"""Baselines of ``voe`` whose predictors are trained here."""


def with_numbers(
    suite: Suite, trajectories: int | None, seed: int | None, fast: bool = False
) -> Suite:
    """The suite with n trajectories a condition, all other sets in proportion, and a seed.

    ``fast`` asks for few trajectories, unless ``trajectories`` says how many, and for few resamples
    of intervals; a suite that asks for less already stays as it is.

    Raises:
        UsageError: fewer than 4 trajectories, a seed below 0, or no whole numbers.
    """
    if seed is not None:
        seed = whole("seed", seed)
        suite = suite.model_copy(update={"seed": seed})
    if fast:
        fewer = min(suite.statistics.bootstrap, FAST_RESAMPLES)
        statistics = suite.statistics.model_copy(update={"bootstrap": fewer})
        suite = suite.model_copy(update={"statistics": statistics})
        if trajectories is None and suite.voe.trajectories > FAST_TRAJECTORIES:
            trajectories = FAST_TRAJECTORIES
    if trajectories is None:
        return suite
    trajectories = whole("trajectories", trajectories, least=4)
    # The trajectories of a condition are what the option speaks of; all else follows.
    return suite.scaled(trajectories / suite.voe.trajectories)


def fast_note(suite: Suite) -> str:
    """What a reader of every number of a quick look must know first."""
    return (
        f"Asked with --fast: {suite.voe.trajectories} trajectories a condition, "
        f"{suite.statistics.bootstrap} resamples an interval and no curves over training. This is "
        "a quick look, not numbers to publish."
    )


def shortened_training(full: Suite, asked: Suite, *, fast: bool = False) -> str | None:
    """What a reader of surprise must know of its controls, if they were trained for fewer steps.

    Args:
        full: the suite as it stands.
        asked: the suite as it is asked.
        fast: fewer trajectories were asked for by ``--fast``, not by ``-n``.
    """
    before, now = full.random_encoder.steps, asked.random_encoder.steps
    if now == before or not set(TRAINED_CONTROLS) & set(asked.voe.baselines):
        return None
    option = "--fast" if fast else "-n"
    return (
        f"Random encoders and the action-blind predictor were trained for {now} steps instead of "
        f"{before}, as {option} asks for fewer trajectories: having learned from few, these "
        "controls predict less well than those of the whole suite, and a model's lead over them is "
        "flattered."
    )


def whole(name: str, value: object, least: int = 0) -> int:
    """A whole number, of Python, numpy or torch.

    Raises:
        UsageError: it is none, or too small.
    """
    with contextlib.suppress(TypeError, ValueError):
        number = operator.index(value)  # type: ignore[arg-type]  # that is the question
        if number >= least:
            return number
    raise UsageError(f"{name} is {value!r}; expected a whole number from {least} up.")
