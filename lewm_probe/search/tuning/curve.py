"""The curve of a search: rank and score against the value, as in figure 16 of arXiv 2603.19312.

The bound is drawn, the safe range shaded, trials are numbered in the order in which they were asked
for, the chosen value is marked; with several seeds each is a dot, and whiskers are their SD.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lewm_probe.reports.figures.style import Plot, grid
from lewm_probe.reports.palette import FAINT, INK, MUTED, PAPER
from lewm_probe.search.tuning.record import Trial, deviation, mean
from lewm_probe.search.tuning.run import BISECTION, GRID, Outcome
from lewm_probe.search.tuning.scores import SCORES

COLORS = {BISECTION: "#0072b2", "golden section": "#d55e00", GRID: MUTED}
"""A stage's colour, of Okabe and Ito's set."""

MARKERS = {BISECTION: "o", "golden section": "D", GRID: "s"}


def curve(found: Outcome) -> Plot:
    """Two panels, one above the other where a column is narrow."""
    made, key = found.made, found.made.asked.keys[0]
    score = SCORES.get(made.tune.score)
    better = "higher" if score.higher_is_better else "lower"

    def draw(width: float) -> Figure:
        across = 2 if width > 4 else 1
        figure, axes = grid(2, width, across=across, height=2.1, sharey=False)
        for ax in axes:
            ax.set_xscale("log")
            ax.set_xlim(made.tune.low / 1.4, made.tune.high * 1.4)
            ax.set_xlabel(key.rpartition(".")[2].replace("_", " "))
            if found.safe is not None:
                ax.axvspan(*found.safe, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
            if found.best is not None:
                ax.axvline(found.best.value(key), color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
        rank, scored = axes
        rank.axhline(made.bound, color=MUTED, linewidth=0.8)
        rank.set_title("Rank of validation latents", loc="left", pad=3)
        scored.set_title(f"{score.label} ({better} is better)", loc="left", pad=3)
        handles: dict[str, Artist] = {}
        for trial in found.trials:
            stage = _stage(found, trial)
            handles[stage] = _draw(rank, trial, trial.ranks, key, stage)
            _draw(scored, trial, trial.scores(made.tune.score), key, stage)
        rank.set_ylim(bottom=0)
        _bounded(scored, [mean(t.scores(made.tune.score)) for t in found.trials])
        if handles:
            figure.legend(
                list(handles.values()), list(handles), loc="outside upper center", ncols=3
            )
        return figure

    seeds = len(made.asked.seeds)
    of = f"{seeds} seeds, whiskers: SD" if seeds > 1 else "one seed"
    return Plot(
        "curve",
        f"{made.recipe.name}: {key.rpartition('.')[2]}",
        f"Trials numbered in their order ({of}). Line: the bound of {made.bound:g}; shaded: the "
        "safe range; dashed: the chosen value.",
        draw,
    )


def _stage(found: Outcome, trial: Trial) -> str:
    own = (name for name, trials in found.stages.items() if trial in trials)
    return next(own, trial.stage)


def _draw(ax: Axes, trial: Trial, values: Sequence[float], key: str, stage: str) -> Artist:
    color, marker = COLORS.get(stage, INK), MARKERS.get(stage, "o")
    x = trial.value(key)
    if len(values) > 1:
        ax.scatter([x] * len(values), values, s=5, color=color, alpha=0.6, linewidths=0)
    middle = mean(values)
    if not math.isfinite(middle):  # diverged: a cross at the foot
        return ax.scatter(
            [x], [0.02], s=18, marker="x", color=color, transform=ax.get_xaxis_transform()
        )
    if (spread := deviation(values)) is not None:
        ax.errorbar([x], [middle], yerr=[spread], color=color, linewidth=0.8, capsize=1.5)
    drawn = ax.scatter(
        [x], [middle], s=20, marker=marker, color=color, edgecolors=PAPER, linewidths=0.4, zorder=3
    )
    ax.annotate(
        str(trial.number),
        (x, middle),
        xytext=(2.5, 2.5),
        textcoords="offset points",
        fontsize=6,
        annotation_clip=True,
    )
    return drawn


def _bounded(ax: Axes, values: Sequence[float]) -> None:
    """Let a collapsed model's score not flatten all others: at most three times their median."""
    there = sorted(value for value in values if math.isfinite(value))
    if len(there) < 3:
        return
    most = 3 * there[len(there) // 2]
    if there[-1] > most > 0 and there[0] >= 0:
        ax.set_ylim(0, most)
