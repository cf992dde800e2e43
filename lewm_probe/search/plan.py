"""What a study will take, told before it begins: runs, minutes and megabytes, stage by stage.

Collecting is measured on a few episodes here and now; training is as its recipe's file says, by the
steps that are asked for; the audit is as it was measured on two cores. Space is counted, not
guessed: episodes as they compress, weights by their parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lewm_probe.core.disk import MEGABYTE, check_room
from lewm_probe.core.processes.workers import cores
from lewm_probe.data.collect import Settings, foreseen
from lewm_probe.reports.formatting import counted
from lewm_probe.search.training import Run, at_once
from lewm_probe.training.recipe import Recipe, expectations, load_recipe

if TYPE_CHECKING:
    from lewm_probe.search.request import Study

AUDIT_MINUTES = 0.4, 1.6
"""Of one CPU checkpoint: whatever is asked, and in proportion to trajectories, at the full number.

Measured with nothing remembered on two cores (AMD EPYC): 33 s at 24 trajectories a condition, 115 s
at 200 with curves over training.
"""

AUDIT_MB = 20.0, 160.0
"""Latents, measurements and rows of one CPU checkpoint, likewise: 38 MB and 180 MB measured."""

FULL_TRAJECTORIES, FAST_TRAJECTORIES = 200, 24
"""Trajectories a condition of a shipped suite, and of a quick look."""


@dataclass(frozen=True)
class Stage:
    """One stage of a study.

    Attributes:
        name: of the stage.
        what: what is made in it.
        minutes: how long it takes here; None: nobody knows.
        megabytes: how much disk it takes beyond what is there already.
    """

    name: str
    what: str
    minutes: float | None
    megabytes: float


def plan(study: Study, device: str) -> list[Stage]:
    """The stages of a study as far as they are not done."""
    return [_collecting(study), _training(study.runs, study, device), _auditing(study)]


def check_space(folder: Path, stages: Sequence[Stage]) -> None:
    """Refuse what the disk cannot hold.

    Raises:
        NotWritten: too little space is free.
    """
    check_room(
        folder,
        sum(stage.megabytes for stage in stages) * MEGABYTE,
        "The study",
        "fewer --seeds, fewer episodes (--set data.collect.episodes=…)",
    )


def _collecting(study: Study) -> Stage:
    recipe = next(iter(study.recipes.values()))
    asked = recipe.data.collect
    if study.data.exists() or study.asked.data is not None:
        return Stage("data", f"{study.data}, there already", 0.0, 0.0)
    settings = Settings(
        recipe.world, asked.size, asked.seed, asked.mode, asked.length, asked.policy
    )
    taken = foreseen(settings, asked.episodes, cores())
    # At the end parts and the joined file lie side by side.
    return Stage(
        "data",
        f"{asked.episodes:,} episodes of {recipe.world}, {asked.size} px",
        taken.seconds / 60,
        2 * taken.size / MEGABYTE,
    )


def _training(runs: Sequence[Run], study: Study, device: str) -> Stage:
    left = [run for run in runs if not (run.folder / "model.safetensors").is_file()]
    together = min(at_once(device), max(1, len(left)))
    minutes: list[float | None] = []
    megabytes = 0.0
    for run in left:
        minutes.append(run_minutes(run.recipe, study.asked.recipes[run.name.rpartition("-")[0]]))
        megabytes += run_megabytes(run.recipe)
    known = [m for m in minutes if m is not None]
    whole = None
    if len(known) == len(minutes):
        # Runs of about the same length, so many at a time.
        whole = math.ceil(len(left) / together) * (sum(known) / len(known)) if left else 0.0
    there = f", {len(runs) - len(left)} there already" if len(left) < len(runs) else ""
    times = f", {together} at a time" if len(left) > 1 else ""
    return Stage("training", f"{counted(len(runs), 'run')}{there}{times}", whole, megabytes)


def run_minutes(recipe: Recipe, path: str) -> float | None:
    """Minutes of a run on one core, by what its recipe's file says; None: it does not."""
    expects, whole = expectations(path), load_recipe(path)
    if expects is None or expects.minutes is None or not whole.steps or not recipe.steps:
        return None
    work = recipe.steps * recipe.optimizer.batch / (whole.steps * whole.optimizer.batch)
    return expects.minutes * work


def run_megabytes(recipe: Recipe) -> float:
    """What a run folder takes while it is trained: checkpoints, and the state to go on from."""
    from lewm_probe.training.size import parameters

    checkpoints = recipe.optimizer.epochs + 2  # the untrained model and the final one too
    # The state holds weights and two moments, and is replaced by writing a second beside it.
    return 4 * parameters(recipe) * (checkpoints + 2 * 3) / MEGABYTE


def _auditing(study: Study) -> Stage:
    asked = FAST_TRAJECTORIES if study.asked.fast else FULL_TRAJECTORIES
    trajectories = asked if study.asked.trajectories is None else study.asked.trajectories
    share = trajectories / FULL_TRAJECTORIES
    checkpoints = len(study.runs)
    what = f"{counted(checkpoints, 'checkpoint')}, {trajectories} trajectories a condition"
    if (study.audit / "report.html").is_file():
        return Stage("audit", f"{what}, there already", 0.0, 0.0)
    (always, scaled), (least, more) = AUDIT_MINUTES, AUDIT_MB
    minutes = checkpoints * (always + scaled * share) * 2 / min(2, cores())
    return Stage("audit", what, minutes, checkpoints * (least + more * share))
