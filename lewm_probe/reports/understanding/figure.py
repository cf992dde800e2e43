"""One figure for a slide: every measure's correlation with success, and the best one's points."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter

from lewm_probe.reports.figures.style import COLUMN, Plot, handle, legend
from lewm_probe.reports.formatting import number
from lewm_probe.reports.palette import FAINT, INK, MUTED, PAPER, Look
from lewm_probe.reports.understanding.measures import LOSS
from lewm_probe.reports.understanding.study import Correlation, Study, detectable

ROW, SCATTER = 0.17, 2.4
"""Inches: of a measure in the forest, and of the points."""

LETTERS = 24
"""Of a label in a line, where the figure is a column wide."""


def figure(study: Study) -> Plot | None:
    """The forest and the points; nothing where no measure has a correlation."""
    best = study.best
    if best is None:
        return None
    rows = _order(study)

    def draw(width: float) -> Figure:
        narrow = width <= COLUMN
        height = ROW * len(rows) * (1.25 if narrow else 1) + 0.8
        layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
        if narrow:
            drawn = Figure(figsize=(width, height + SCATTER), layout=layout)
            forest, points = drawn.subplots(2, 1, height_ratios=[height, SCATTER])
        else:
            drawn = Figure(figsize=(width, max(SCATTER + 0.6, height)), layout=layout)
            forest, points = drawn.subplots(1, 2, width_ratios=[1.1, 1])
        _forest(forest, rows, len(study.checkpoints), narrow=narrow)
        _points(points, study, best)
        handles = [handle(look, line=False) for look in study.looks.values()]
        for shown, look in zip(handles, study.looks.values(), strict=True):
            shown.set_markersize(_size(look))
        legend(drawn, handles, width=width)
        return drawn

    return Plot(
        f"understanding-{study.world}", "Understanding against planning", _caption(study), draw
    )


def _order(study: Study) -> list[Correlation]:
    """Confirmatory measures, then the others, then the loss."""
    loss = [study.loss] if study.loss is not None else []
    rows = [*study.confirmatory, *study.exploratory, *loss]
    return [one for one in rows if one.rho.value is not None]


def _forest(ax: Axes, rows: Sequence[Correlation], n: int, *, narrow: bool) -> None:
    """Every measure's correlation over ``n`` checkpoints, and what they are too few to show."""
    if (smallest := detectable(n)) is not None:
        ax.axvspan(-smallest, smallest, color=FAINT, alpha=0.55, linewidth=0, zorder=0)
        ax.set_title(f"Shaded: too small for {n} checkpoints", loc="left")
    ax.axvline(0, color=MUTED, linewidth=0.6, zorder=0.5)
    for y, one in enumerate(rows):
        main = one.measured.measure.confirmatory
        color = INK if main else MUTED
        value, low, high, _ = one.rho
        assert value is not None  # others are not drawn
        if low is not None and high is not None:
            ax.plot([low, high], [y, y], color=color, linewidth=1.6 if main else 1)
        style: dict[str, Any] = {"markerfacecolor": INK if main else PAPER, "zorder": 3}
        marker = "s" if one.measured.name == LOSS else "D" if main else "o"
        size = 5 if main else 3.6
        ax.plot(value, y, marker, color=color, markersize=size, **style)
    count = sum(one.measured.measure.confirmatory for one in rows)
    if 0 < count < len(rows):
        ax.axhline(count - 0.5, color=MUTED, linewidth=0.6, linestyle=(0, (1, 2)))
    shown = [_label(one, narrow=narrow) for one in rows]
    ax.set_yticks(range(len(rows)), shown)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(-1.03, 1.03)
    ax.set_xlabel("Spearman’s ρ with success")
    ax.tick_params(axis="y", length=0)


def _label(one: Correlation, *, narrow: bool) -> str:
    lower = one.measured.measure.higher_is_better is False
    label = one.measured.label + (" ↓" if lower else "")
    return textwrap.fill(label, LETTERS) if narrow else label


def _points(ax: Axes, study: Study, best: Correlation) -> None:
    """Checkpoints by the measure and their success; a thin line joins those of a run."""
    x, y = best.measured.values, study.success
    for run in dict.fromkeys(checkpoint.run for checkpoint in study.checkpoints):
        own = np.array([checkpoint.run == run for checkpoint in study.checkpoints])
        ax.plot(x[own], y[own], color=MUTED, linewidth=0.5, alpha=0.6, zorder=1)
    for family, look in study.looks.items():
        own = np.array([one == family for one in study.families])
        ax.plot(
            x[own],
            y[own],
            look.marker,
            color=look.color,
            markersize=_size(look),
            markeredgecolor=PAPER,
            markeredgewidth=0.5,
            zorder=2,
        )
    lower = best.measured.measure.higher_is_better is False
    ax.set_xlabel(best.measured.label + (" ↓" if lower else ""))
    ax.set_ylabel("Planning success")
    ax.set_title(f"ρ = {number(best.rho.value, 2)}, n = {best.n}", loc="left")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.margins(0.06)


def _size(look: Look) -> float:
    """Of a marker: a star of the same size looks smaller."""
    return 8.0 if look.marker == "*" else 5.0


def _caption(study: Study) -> str:
    best = study.best
    name = "" if best is None else best.measured.label
    n = len(study.checkpoints)
    smallest = number(detectable(n), 2)
    return (
        f"{study.title}, n = {n} checkpoints of {study.runs} training runs, success over "
        f"{study.outcomes.shape[1]} pairs. Lines: 95 % intervals, runs and pairs drawn again "
        "together (none where there are fewer than five runs). Filled: confirmatory; square: "
        "validation loss; ↓: less is better. Shaded: correlations that so many checkpoints are "
        f"not sure to show (|ρ| below {smallest}). Points: {name}, a thin line joins the "
        "checkpoints of a run."
    )
