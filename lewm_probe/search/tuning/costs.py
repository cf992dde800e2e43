"""What an answer cost, beside what others would have: a grid, and the rival's six weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lewm_probe.search.tuning.record import Trial, mean
from lewm_probe.search.tuning.run import BISECTION, GRID, Outcome


@dataclass(frozen=True)
class Cost:
    """One way to an answer.

    Attributes:
        way: in words.
        trainings: how many it takes.
        seconds: of training on one core; None: not known.
        counted: whether it was only counted, at the speed of what was trained.
        score: the best of trials that reach the bound of the rank; None: none, or not run.
    """

    way: str
    trainings: int
    seconds: float | None
    counted: bool
    score: float | None = None


def costs(found: Outcome, against: Sequence[str] = ()) -> list[Cost]:
    """The search's own cost, then those of ``against``: ``grid``, ``pldm``."""
    made, own = found.made, found.own
    seeds = len(made.asked.seeds)
    each = seconds_of(own) / runs_of(own) if own and runs_of(own) else None
    told = []
    for stage, mine in found.stages.items():
        if stage != GRID:
            told.append(Cost(stage, runs_of(mine), seconds_of(mine), counted=False))
    if len(told) > 1:
        told.append(Cost("both together", runs_of(own), seconds_of(own), counted=False))
    if told:
        last = told[-1]
        told[-1] = Cost(last.way, last.trainings, last.seconds, False, _best(found, own))
    single = made.asked.search == BISECTION
    grid = found.stages.get(GRID, [])
    if grid:
        way = f"grid of {made.asked.grid} over the same range"
        told.append(Cost(way, runs_of(grid), seconds_of(grid), False, _best(found, grid)))
    if single and "grid" in against:
        count = len(made.points) * seeds
        way = f"grid of {len(made.points)}, the same resolution"
        told.append(Cost(way, count, None if each is None else count * each, counted=True))
    if found.rival is not None:
        rival = found.rival
        weights = len(rival.made.asked.keys)
        way = f"{rival.made.recipe.name}, {weights} weights by Optuna"
        theirs = rival.own
        told.append(Cost(way, runs_of(theirs), seconds_of(theirs), False, _best(rival, theirs)))
        many = len(made.points) ** weights * len(rival.made.asked.seeds)
        one = seconds_of(theirs) / runs_of(theirs) if runs_of(theirs) else None
        way = f"grid of {weights} weights, the same resolution"
        told.append(Cost(way, many, None if one is None else many * one, counted=True))
    return told


def runs_of(trials: Sequence[Trial]) -> int:
    """Trainings of some trials."""
    return sum(len(trial.lines) for trial in trials)


def seconds_of(trials: Sequence[Trial]) -> float:
    """Seconds of training of some trials, as far as they are known."""
    return sum(line.seconds or 0.0 for trial in trials for line in trial.lines)


def _best(found: Outcome, trials: Sequence[Trial]) -> float | None:
    from lewm_probe.search.tuning.scores import SCORES

    tune = found.made.tune
    higher = SCORES.get(tune.score).higher_is_better
    able = [t.costs(tune.score, found.made.bound, higher) for t in trials]
    means = [mean(one) for one in able if one is not None]
    return None if not means else -min(means) if higher else min(means)
