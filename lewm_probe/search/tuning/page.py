"""What a search leaves for readers: ``tune.json``, ``tune.md`` and the curve."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lewm_probe.core.files import write_text
from lewm_probe.reports.formatting import MISSING, duration, estimate
from lewm_probe.search.seeds import seeds_text
from lewm_probe.search.tuning.costs import Cost, costs
from lewm_probe.search.tuning.record import Trial, deviation, mean
from lewm_probe.search.tuning.run import Outcome
from lewm_probe.search.tuning.scores import SCORES
from lewm_probe.search.tuning.trials import label_of

Rows = list[tuple[str, ...]]


def write(
    found: Outcome, folder: Path, command: str, seconds: float, against: Sequence[str]
) -> Path:
    """Write all of it; return the page.

    Args:
        found: what the search found.
        folder: where to.
        command: that asked for it.
        seconds: wall time of this call.
        against: what costs are set against.
    """
    from lewm_probe.results.provenance import provenance

    told = costs(found, against)
    made = found.made
    entry = provenance(
        command,
        seeds={f"training {k + 1}": seed for k, seed in enumerate(made.asked.seeds)},
        settings={"asked": made.asked.model_dump(mode="json")},
        wall_seconds=seconds,
        notes=found.said,
    )
    data = {**plain(found, told), "provenance": entry.model_dump(mode="json")}
    write_text(folder / "tune.json", json.dumps(finite(data), indent=1, allow_nan=False) + "\n")
    drawn = False
    if len(made.asked.keys) == 1 and found.trials:
        from lewm_probe.reports.figures.style import render
        from lewm_probe.search.tuning.curve import curve

        render(curve(found), folder)
        drawn = True
    page = folder / "tune.md"
    write_text(page, markdown(found, told, command, entry.hardware, seconds, drawn))
    return page


def plain(found: Outcome, told: Sequence[Cost]) -> dict[str, Any]:
    """What was found as plain values."""
    made, threshold, valley = found.made, found.threshold, found.valley
    return {
        "recipe": made.recipe.name,
        "search": made.asked.search,
        "keys": list(made.asked.keys),
        "low": made.tune.low,
        "high": made.tune.high,
        "tolerance": made.tune.tolerance,
        "bound": made.bound,
        "score": made.tune.score,
        "seeds": list(made.asked.seeds),
        "steps": made.recipe.steps,
        "shortened": made.shortened is not None,
        "smallest_that_passes": None if threshold is None else threshold.passes,
        "largest_that_fails_below": None if threshold is None else threshold.fails,
        "safe": None if found.safe is None else list(found.safe),
        "best": None if found.best is None else _trial(found, found.best),
        "golden_section": None
        if valley is None
        else {"low": valley.low, "high": valley.high, "ended": valley.ended, "why": valley.why},
        "trials": [_trial(found, trial) for trial in found.trials],
        "costs": [vars(cost) for cost in told],
        "said": found.said,
    }


def _trial(found: Outcome, trial: Trial) -> dict[str, Any]:
    score = found.made.tune.score
    return {
        "trial": trial.number,
        "stage": trial.stage,
        "settings": dict(trial.settings),
        "status": trial.status,
        "passes": trial.passes(found.made.bound),
        "rank": mean(trial.ranks),
        "rank_sd": deviation(trial.ranks),
        "score": mean(trial.scores(score)),
        "score_sd": deviation(trial.scores(score)),
        "seeds": [line.model_dump(mode="json", exclude={"settings"}) for line in trial.lines],
    }


def finite(value: Any) -> Any:
    """The same with null for NaN and infinities, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def answer(found: Outcome) -> list[str]:
    """The answers, a sentence each."""
    made, key = found.made, found.made.asked.keys[0].rpartition(".")[2]
    score = SCORES.get(made.tune.score).label
    said = []
    if found.safe is not None and found.threshold is not None:
        below = (
            "the smallest of the range"
            if found.threshold.fails is None
            else f"{found.threshold.fails:g} fails"
        )
        said.append(
            f"The smallest {key} whose validation latents reach a rank of {made.bound:g} is "
            f"{found.safe[0]:g} ({below}); safe up to {found.safe[1]:g}, as far as was tried "
            f"({_largest(found):g})."
        )
    if found.best is not None:
        said.append(
            f"Best {score} of those that reach it: {label_of(found.best.settings)}, with "
            f"{_value(found.best.scores(made.tune.score))}."
        )
    elif made.asked.search == "optuna":
        said.append(f"No setting reached a rank of {made.bound:g}.")
    return said


def _largest(found: Outcome) -> float:
    """The largest value that was tried and passes."""
    key = found.made.asked.keys[0]
    return max(t.value(key) for t in found.trials if t.passes(found.made.bound))


def trial_rows(found: Outcome) -> Rows:
    """A row a trial: number, stage, setting, rank, score, outcome."""
    made = found.made
    rows: Rows = []
    for trial in found.trials:
        outcome = "passes" if trial.passes(made.bound) else "fails"
        outcome = trial.status if trial.status != "done" else outcome
        mark = ", chosen" if trial == found.best else ""
        rows.append(
            (
                str(trial.number),
                trial.stage,
                ", ".join(f"{value:g}" for value in trial.settings.values()),
                _value(trial.ranks),
                _value(trial.scores(made.tune.score)),
                outcome + mark,
            )
        )
    return rows


def trial_columns(found: Outcome) -> tuple[str, ...]:
    """Heads of ``trial_rows``."""
    made = found.made
    names = ", ".join(key.rpartition(".")[2].removesuffix("_weight") for key in made.asked.keys)
    names = made.asked.keys[0].rpartition(".")[2] if len(made.asked.keys) == 1 else names
    return "trial", "stage", names, "rank", SCORES.get(made.tune.score).label, "outcome"


def cost_rows(told: Sequence[Cost]) -> Rows:
    """A row a way: what it is, trainings, time on one core, best score."""
    return [
        (
            f"{cost.way} (counted, not run)" if cost.counted else cost.way,
            f"{cost.trainings:,}",
            _time(cost.seconds),
            MISSING if cost.score is None else estimate(cost.score),
        )
        for cost in told
    ]


COST_COLUMNS = ("way", "trainings", "one core", "best score")


def _time(seconds: float | None) -> str:
    if seconds is not None and seconds > 2 * 365 * 86400:
        return f"{seconds / (365 * 86400):,.0f} years"
    return duration(seconds)


def _value(values: Sequence[float]) -> str:
    if not values:
        return MISSING
    spread = deviation(values)
    return estimate(mean(values)) + ("" if spread is None else f" ± {estimate(spread)}")


def markdown(
    found: Outcome,
    told: Sequence[Cost],
    command: str,
    hardware: str,
    seconds: float,
    drawn: bool,
) -> str:
    """The page."""
    made = found.made
    lines = [f"# Search: {made.recipe.name}", ""]
    lines += [*(f"{sentence}" for sentence in answer(found)), ""]
    if drawn:
        lines += ["![Rank and score against the value](curve.png)", ""]
    lines += _table(trial_columns(found), trial_rows(found))
    lines += ["", "## What it cost", ""]
    lines += _table(COST_COLUMNS, cost_rows(told))
    if found.said:
        lines += ["", "## To know", "", *(f"- {sentence}" for sentence in found.said)]
    steps = "as many steps as its data give" if made.recipe.steps is None else made.recipe.steps
    lines += [
        "",
        "## How",
        "",
        f"`{command}`",
        "",
        f"Range {made.tune.low:g} to {made.tune.high:g}, a factor of {made.tune.tolerance:g} "
        f"between neighbours, training seeds {seeds_text(made.asked.seeds)}, {steps} steps each. "
        "Ranks and scores are of validation episodes, which no training saw, and of no audit. "
        f"{hardware}; this call took {duration(seconds)}.",
        "",
    ]
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Rows) -> list[str]:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]
