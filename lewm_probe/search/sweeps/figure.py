"""The figure of a sweep: an axis a row, a measure a column, a dot a seed, a line the mean."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lewm_probe.reports.figures.style import Plot
from lewm_probe.reports.palette import FAINT, INK, MUTED
from lewm_probe.search.sweeps.columns import Column
from lewm_probe.search.sweeps.file import Axis
from lewm_probe.search.sweeps.request import Sweep
from lewm_probe.search.sweeps.run import Row

COLOR = "#0072b2"
ROW_HEIGHT = 1.15
"""Inches."""


def figure(made: Sweep, rows: Sequence[Row], columns: Sequence[Column]) -> Plot:
    """All panels; within a column they share their y-axis, so that axes can be compared."""
    axes = made.asked.sweep.axes

    def draw(width: float) -> Figure:
        layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
        drawn = Figure(figsize=(width, ROW_HEIGHT * len(axes) + 0.3), layout=layout)
        grid = drawn.subplots(len(axes), len(columns), sharey="col", squeeze=False)
        for i, axis in enumerate(axes):
            for j, column in enumerate(columns):
                ax = grid[i][j]
                _panel(ax, axis, column, rows)
                if i == 0:
                    ax.set_title(textwrap.fill(column.label, 16), loc="left", pad=3, fontsize=6.5)
                if j == 0:
                    ax.set_ylabel(axis.label, fontsize=6.5)
        return drawn

    seeds = len(made.asked.seeds)
    return Plot(
        "sweep",
        made.asked.sweep.name,
        f"One thing changed at a time from {made.base.name}; dots: {seeds} training seeds, line: "
        "their mean, shaded: the base.",
        draw,
        column=False,
    )


def _panel(ax: Axes, axis: Axis, column: Column, rows: Sequence[Row]) -> None:
    means: list[tuple[int, float]] = []
    for x, cell in enumerate(axis.cells):
        own = [row for row in rows if (row.axis, row.label) == (axis.name, cell.label)]
        values = [v for v in (row.values.get(column.name) for row in own) if v is not None]
        if not cell.set:
            ax.axvspan(x - 0.4, x + 0.4, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
        ax.scatter([x] * len(values), values, s=7, color=COLOR, linewidths=0, alpha=0.8, zorder=3)
        if values:
            means.append((x, statistics.fmean(values)))
        elif any(row.status == "diverged" for row in own):
            ax.text(x, 0.03, "×", color=INK, ha="center", transform=ax.get_xaxis_transform())
    ax.plot([x for x, _ in means], [mean for _, mean in means], color=MUTED, linewidth=0.8)
    ax.set_xlim(-0.5, len(axis.cells) - 0.5)
    ax.set_xticks(range(len(axis.cells)), [cell.label for cell in axis.cells])
    ax.tick_params(axis="x", labelsize=5, labelrotation=30 if len(axis.cells) > 4 else 0)
    ax.tick_params(axis="y", labelsize=5.5)
    ax.grid(axis="y")
