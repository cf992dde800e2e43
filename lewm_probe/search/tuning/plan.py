"""What a search takes at the most, told before it begins: trainings, minutes, megabytes."""

from __future__ import annotations

import math

from lewm_probe.core.disk import MEGABYTE, check_room
from lewm_probe.core.errors import UsageError
from lewm_probe.reports.formatting import counted
from lewm_probe.search.plan import Stage, run_megabytes, run_minutes
from lewm_probe.search.training import at_once
from lewm_probe.search.tuning import bisection, golden
from lewm_probe.search.tuning.request import Tuning


def plan(made: Tuning, device: str) -> list[Stage]:
    """The stages of a search, each at its longest; what is in the record already costs nothing.

    Raises:
        UsageError: fewer trials are allowed than the bisection may take.
    """
    seeds, tune = len(made.asked.seeds), made.tune
    each = run_minutes(made.recipe, made.asked.recipe)
    megabytes = run_megabytes(made.recipe)

    def stage(name: str, what: str, trials: int, together: int) -> Stage:
        """``together``: trials that are asked for at once."""
        rounds = math.ceil(trials / together) * math.ceil(seeds * together / at_once(device))
        minutes = None if each is None else rounds * each
        runs = trials * seeds
        words = f"{what}: at most {counted(trials, 'value')}, {counted(runs, 'training')}"
        return Stage(name, words, minutes if runs else 0.0, runs * megabytes)

    if made.asked.search == "optuna":
        what = f"{counted(len(made.asked.keys), 'weight')} from {tune.low:g} to {tune.high:g}"
        return [stage("optuna", what, tune.trials, 1)]
    first = check_trials(made)
    longest = golden.most_trials(tune.low, tune.high, tune.tolerance)
    stages = [
        stage(
            "bisection",
            f"{made.asked.keys[0]} among {len(made.points)} from {tune.low:g} to {tune.high:g}",
            first,
            1,
        ),
        stage("golden section", f"best {tune.score}", min(longest, tune.trials - first), 1),
    ]
    if made.asked.grid is not None:
        stages.append(stage("grid", "to compare with", made.asked.grid, made.asked.grid))
    return stages


def check_trials(made: Tuning) -> int:
    """Trials that the bisection may take.

    Raises:
        UsageError: more than are allowed.
    """
    first, allowed = bisection.most_trials(len(made.points)), made.tune.trials
    if allowed < first:
        raise UsageError(
            f"--trials allows {counted(allowed, 'value')}, but a bisection among the "
            f"{len(made.points)} from {made.tune.low:g} to {made.tune.high:g}, a factor of "
            f"{made.tune.tolerance:g} apart, may take {first}. Raise --trials, or --tolerance."
        )
    return first


def check_space(made: Tuning, stages: list[Stage]) -> None:
    """Refuse what the disk cannot hold.

    Raises:
        NotWritten: too little space is free.
    """
    there = sum(1 for _ in made.folder.glob("runs/*/seed-*/model.safetensors"))
    left = sum(stage.megabytes for stage in stages) - there * run_megabytes(made.recipe)
    check_room(
        made.folder, max(0.0, left) * MEGABYTE, "The search", "fewer --trials, fewer --seeds"
    )
