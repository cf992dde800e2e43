"""The search itself: the smallest value whose latents do not collapse, then the best above it.

Question 1, by bisection: which is the smallest value whose validation latents, after training, have
a centred effective rank of at least the bound? Question 2, by golden section, from there upwards:
which value has the best score? Where what was found contradicts that ranks grow with the value, it
is said, and these rules hold:

- a training whose loss was not finite counts as too large a value, not as too small a one;
- the range searched for the best value ends below the smallest value that fails above the safe one;
- what fails is never chosen, and of equals the smaller value is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lewm_probe.search.tuning import golden, optuna_search
from lewm_probe.search.tuning.bisection import (
    Threshold,
    bisect,
    contradictions,
    even_grid,
)
from lewm_probe.search.tuning.record import Trial, mean
from lewm_probe.search.tuning.request import Tuning
from lewm_probe.search.tuning.scores import SCORES
from lewm_probe.search.tuning.trials import Trials, identity, label_of

BISECTION, GOLDEN, GRID, OPTUNA = "bisection", "golden section", "grid", "optuna"
"""Stages, as the record names them."""


@dataclass
class Outcome:
    """What a search found.

    Attributes:
        made: what was asked.
        stages: stage → the trials that it asked for, in order, each once.
        threshold: where values begin to pass; None: several weights were searched for.
        safe: from the smallest value that passes to the largest that nothing speaks against.
        valley: where the best value lies; None: it was not looked for.
        best: the trial with the best score of those that pass, the grid's left out.
        said: what a reader has to know, each a sentence or two.
        rival: the search of the rival's weights that this one is set against, if any.
    """

    made: Tuning
    stages: dict[str, list[Trial]] = field(default_factory=dict)
    threshold: Threshold | None = None
    safe: tuple[float, float] | None = None
    valley: golden.Valley | None = None
    best: Trial | None = None
    said: list[str] = field(default_factory=list)
    rival: Outcome | None = None

    @property
    def own(self) -> list[Trial]:
        """Trials of the search itself, a grid to compare with left out."""
        return _once([t for stage, trials in self.stages.items() if stage != GRID for t in trials])

    @property
    def trials(self) -> list[Trial]:
        """All that were asked for, in order."""
        return _once([trial for trials in self.stages.values() for trial in trials])


def search(made: Tuning, trials: Trials, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Search as asked; every trial is kept as soon as it is there.

    Raises:
        UserError: a training failed for another reason than that it diverged, or Optuna is missing.
    """
    found = Outcome(made)
    if made.shortened is not None:
        found.said.append(made.shortened)
    if made.asked.search == "optuna":
        _optuna(found, trials)
    else:
        _safe(found, trials, say)
        if found.safe is not None:
            _best(found, trials, say)
    found.best = _chosen(made, found.own)
    if made.asked.grid is not None and made.asked.search == BISECTION:
        values = even_grid(made.tune.low, made.tune.high, made.asked.grid)
        settings = [{made.asked.keys[0]: value} for value in values]
        found.stages[GRID] = trials(GRID, settings)
    if made.asked.search == BISECTION:
        _tell(found)
    return found


def _safe(found: Outcome, trials: Trials, say: Callable[[str], None]) -> None:
    """Question 1."""
    made = found.made
    key = made.asked.keys[0]

    def passes(value: float) -> bool:
        (trial,) = trials(BISECTION, [{key: value}])
        if trial.status == "diverged":
            say(f"{label_of(trial.settings)} diverged: the search goes on below it")
            return True
        passed = trial.passes(made.bound)
        rank = f"rank {mean(trial.ranks):.1f}, bound {made.bound:g}"
        say(f"{label_of(trial.settings)} {'passes' if passed else 'fails'} ({rank})")
        return passed

    threshold = bisect(made.points, passes)
    found.threshold = threshold
    found.stages[BISECTION] = trials.all()
    known = {trial.value(key): trial for trial in found.own}
    low = threshold.passes
    if low is None:
        found.said.append(
            f"No value up to {made.tune.high:g} reaches the rank of {made.bound:g}: the largest "
            "tried fails. Raise --high, lower --rank, or train for longer."
        )
    elif known[low].status == "diverged":
        below = "no smaller one" if threshold.fails is None else f"{threshold.fails:g}"
        found.said.append(
            f"{low:g} diverged, and {below} reaches the rank of {made.bound:g}: between them "
            "nothing was found. Lower optimizer.learning_rate, --rank or --tolerance."
        )
    else:
        found.safe = low, _end(found, low)


def _end(found: Outcome, low: float) -> float:
    """How far values are safe: below the smallest that fails above ``low``."""
    key, bound = found.made.asked.keys[0], found.made.bound
    above = [t for t in found.own if t.value(key) > low and not t.passes(bound)]
    if not above:
        return found.made.tune.high
    least = min(trial.value(key) for trial in above)
    return max(t.value(key) for t in found.own if t.passes(bound) and t.value(key) < least)


def _best(found: Outcome, trials: Trials, say: Callable[[str], None]) -> None:
    """Question 2."""
    assert found.safe is not None
    made = found.made
    key, low = made.asked.keys[0], found.safe[0]
    higher = SCORES.get(made.tune.score).higher_is_better
    failing = [
        trial.value(key)
        for trial in found.own
        if trial.value(key) > low and not trial.passes(made.bound)
    ]

    def measure(values: Sequence[float]) -> list[golden.Costs]:
        asked = trials(GOLDEN, [{key: value} for value in values])
        for trial in asked:
            score = f"{made.tune.score} {mean(trial.scores(made.tune.score)):.4g}"
            say(f"{label_of(trial.settings)}: {score}, rank {mean(trial.ranks):.1f}")
        return [trial.costs(made.tune.score, made.bound, higher) for trial in asked]

    high = min([*failing, made.tune.high])
    left = made.tune.trials - len(trials.asked)
    found.valley = golden.golden_section(low, high, made.tune.tolerance, measure, left)
    found.stages[GOLDEN] = trials.all()[len(found.own) :]
    found.safe = low, _end(found, low)


def _optuna(found: Outcome, trials: Trials) -> None:
    made = found.made
    higher = SCORES.get(made.tune.score).higher_is_better

    def cost(setting: object) -> float:
        (trial,) = trials(OPTUNA, [setting])  # type: ignore[list-item]
        costs = trial.costs(made.tune.score, made.bound, higher)
        if costs is None or not math.isfinite(mean(costs)):
            return optuna_search.penalty(trial.ranks, made.bound)
        return mean(costs)

    ranges = dict.fromkeys(made.asked.keys, (made.tune.low, made.tune.high))
    optuna_search.tpe(ranges, made.tune.trials, made.asked.seeds[0], cost)
    found.stages[OPTUNA] = trials.all()


def _chosen(made: Tuning, trials: Sequence[Trial]) -> Trial | None:
    higher = SCORES.get(made.tune.score).higher_is_better
    able = []
    for trial in trials:
        costs = trial.costs(made.tune.score, made.bound, higher)
        if costs is not None:
            able.append((mean(costs), tuple(trial.settings.values()), trial))
    return min(able, key=lambda one: one[:2])[2] if able else None


def _once(trials: Sequence[Trial]) -> list[Trial]:
    return list({identity(trial.settings): trial for trial in trials}.values())


def _tell(found: Outcome) -> None:
    """What of the answers is not as it was assumed, or not certain."""
    made, key = found.made, found.made.asked.keys[0]
    passed = {trial.value(key): trial.passes(made.bound) for trial in found.trials}
    whose = {trial.value(key): trial for trial in found.trials}
    for below, above in contradictions(passed):
        trial = whose[above]
        how = "diverged" if trial.status == "diverged" else f"fails (rank {mean(trial.ranks):.1f})"
        found.said.append(
            f"Not monotone: {above:g} {how}, though {below:g} passes (rank "
            f"{mean(whose[below].ranks):.1f}). Ranks were assumed to grow with the value; what "
            "fails is not chosen, and the safe range ends below the smallest value that fails "
            "above it."
        )
    if len(made.asked.seeds) > 1:
        for value, trial in sorted(whose.items()):
            sides = {rank >= made.bound for rank in trial.ranks}
            if len(sides) > 1:
                found.said.append(
                    f"Seeds disagree at {value:g}: ranks from {min(trial.ranks):.1f} to "
                    f"{max(trial.ranks):.1f} on both sides of {made.bound:g}. Their mean decides."
                )
    if found.valley is not None and found.valley.ended != "resolution":
        found.said.append(
            f"The golden section stopped between {found.valley.low:g} and {found.valley.high:g}: "
            f"{found.valley.why}."
        )
    if len(made.asked.seeds) == 1:
        found.said.append(
            "One training a value: how much seeds alone would move ranks and scores is not known. "
            "Give --seeds to know."
        )
    elif found.best is not None and found.safe is not None:
        higher = SCORES.get(made.tune.score).higher_is_better
        safe = whose[found.safe[0]]
        pair = [t.costs(made.tune.score, made.bound, higher) for t in (found.best, safe)]
        why = None if safe is found.best else golden.indistinct(*pair)
        if why is not None:
            found.said.append(
                f"The best value, {found.best.value(key):g}, cannot be told from the smallest safe "
                f"one, {found.safe[0]:g}: {why}."
            )
