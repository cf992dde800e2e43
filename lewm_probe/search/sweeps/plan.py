"""What a sweep takes, told before it begins: trainings, minutes, megabytes."""

from __future__ import annotations

import math

from lewm_probe.core.disk import MEGABYTE, check_room
from lewm_probe.core.processes.workers import cores
from lewm_probe.reports.formatting import counted
from lewm_probe.search.plan import Stage, run_megabytes, run_minutes
from lewm_probe.search.sweeps.request import Sweep
from lewm_probe.search.training import at_once

MEASURE_MINUTES = 0.2
"""Of one CPU checkpoint at 50 trajectories a condition: 7 to 11 s of one core (AMD EPYC)."""

MEASURE_MB = 8.0
"""Latents, measurements and rows of one, likewise."""

FULL = 50
"""Trajectories that these were measured at."""


def plan(made: Sweep, device: str, jobs: int | None) -> list[Stage]:
    """The stages as far as they are not done; every run as long as one of the base recipe."""
    left = [run for run in made.runs if not (run.folder / "model.safetensors").is_file()]
    together = max(1, min(jobs or at_once(device), len(left)))
    each = run_minutes(made.base, made.asked.sweep.base)
    if each is not None:  # minutes are told of two runs on two cores; more on one core wait
        each *= max(1.0, together / cores())
    minutes = None if each is None else math.ceil(len(left) / together) * each
    there = f", {len(made.runs) - len(left)} there already" if len(left) < len(made.runs) else ""
    what = (
        f"{counted(len(made.models), 'cell')}, {counted(len(made.asked.seeds), 'seed')}: "
        f"{counted(len(made.runs), 'run')}{there}, {together} at a time"
    )
    share = made.asked.trajectories / FULL
    measured = len(made.runs) * MEASURE_MINUTES * share
    space = len(made.runs) * MEASURE_MB * share
    return [
        Stage("training", what, minutes, sum(run_megabytes(run.recipe) for run in left)),
        Stage(
            "measuring",
            f"{counted(len(made.runs), 'checkpoint')}, {made.asked.trajectories} trajectories a "
            "condition",
            measured,
            space,
        ),
    ]


def check_space(made: Sweep, stages: list[Stage]) -> None:
    """Refuse what the disk cannot hold.

    Raises:
        NotWritten: too little space is free.
    """
    wanted = sum(stage.megabytes for stage in stages) * MEGABYTE
    check_room(made.folder, wanted, "The sweep", "fewer --seeds, fewer cells")
