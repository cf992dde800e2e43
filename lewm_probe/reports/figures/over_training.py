"""What changes while a model trains: how well position is read, and how straight paths are."""

from __future__ import annotations

from collections import defaultdict

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lewm_probe.reports.figures.style import (
    FULL,
    Plot,
    band,
    grid,
    handle,
    legend,
    thousands,
)
from lewm_probe.reports.means import means, sample
from lewm_probe.reports.page.brought import LEVELS, Panel
from lewm_probe.reports.page.parts import parts
from lewm_probe.reports.palette import MUTED
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import comma
from lewm_probe.results.schema import Metric


def training_plot(view: WorldView) -> Plot | None:
    """Curves over the checkpoints of each run, controls as grey levels."""
    panels = [panel for part in parts() if part.curves for panel in part.curves(view)]
    panels = [panel for panel in panels if panel.curves]
    if not panels:
        return None
    models = [m for m in view.models if any(m == who[0] for p in panels for who in p.curves)]

    def draw(width: float) -> Figure:
        across = min(3, len(panels)) if width >= FULL else 1
        height = 2.0 if len(panels) > 1 or width < FULL else 2.6
        figure, axes = grid(len(panels), width, across=across, height=height, sharey=False)
        used: dict[str, None] = {}
        for ax, panel in zip(axes, panels, strict=True):
            for model in models:
                _curves(ax, view, model, panel)
            for control, value in panel.levels.items():
                ax.axhline(
                    value, color=MUTED, linewidth=0.9, linestyle=LEVELS[control][1], zorder=1
                )
                used.setdefault(control)
            ax.set_title(panel.title, loc="left", pad=3)
            ax.set_ylabel(panel.label)
            ax.grid(axis="y")
            ax.xaxis.set_major_formatter(thousands)
        for ax in axes[-across:]:
            ax.set_xlabel("training step")
        marks = [
            Line2D([], [], color=MUTED, linewidth=0.9, linestyle=LEVELS[c][1], label=LEVELS[c][0])
            for c in used
        ]
        legend(figure, [*(handle(view.looks[m]) for m in models), *marks], width=width)
        return figure

    n = sample([row for p in panels for c in p.curves.values() for _, row in c])
    return Plot(
        f"{view.world}-training",
        "Over training",
        "Checkpoints of each run, from random initialisation on; no term of LeWM’s loss asks for "
        f"straight paths. Lines: mean over training seeds{comma(n)} trajectories a checkpoint; "
        "bands: envelope of the checkpoints’ 95 % intervals. Grey: controls.",
        draw,
    )


def _curves(ax: Axes, view: WorldView, model: str, panel: Panel) -> None:
    steps: dict[int, list[Metric]] = defaultdict(list)
    seeds = [curve for who, curve in panel.curves.items() if who[0] == model]
    for curve in seeds:
        for step, row in curve:
            steps[step].append(row)
    # A mean over seeds only where all of them were measured: else it would jump with the mix.
    points = [
        (step, means(rows)) for step, rows in sorted(steps.items()) if len(rows) == len(seeds)
    ]
    shown = [(step, found[0]) for step, found in points if found]
    if not shown:
        return
    band(
        ax,
        view.looks[model],
        [step for step, _ in shown],
        [mean.value for _, mean in shown],
        [mean.low for _, mean in shown],
        [mean.high for _, mean in shown],
    )
