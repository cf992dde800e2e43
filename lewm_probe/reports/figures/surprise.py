"""Surprise over time around the intervention, a panel a condition, all models in each."""

from __future__ import annotations

import textwrap

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lewm_probe.reports import words
from lewm_probe.reports.figures.canvas import FULL, Plot, band, grid, handle, legend, mark_zero
from lewm_probe.reports.identity import INK
from lewm_probe.reports.tables.table import comma
from lewm_probe.reports.view import Mean, WorldView, means, sample


def surprise_plot(view: WorldView) -> Plot | None:
    """Normalised surprise where it was stored; raw surprise where a single model makes do."""
    metric = "surprise_z" if view.pick("voe", "surprise_z") else "surprise"
    found = [row for row in view.pick("voe", metric) if row.horizon is not None]
    conditions = [c for c in view.conditions() if any(row.subject == c for row in found)]
    if not conditions:
        return None
    curves: dict[tuple[str, str], list[Mean]] = {}
    for mean in means(found, "subject", "model", "horizon"):
        curves.setdefault((mean.key["subject"], mean.key["model"]), []).append(mean)
    for curve in curves.values():
        curve.sort(key=lambda mean: mean.key["horizon"])
    models = [m for m in view.models if any(key[1] == m for key in curves)]
    unit = "surprise (SD of clean log s)" if metric == "surprise_z" else "surprise s"

    def draw(width: float) -> Figure:
        across = 3 if width >= FULL else 2
        figure, axes = grid(len(conditions), width, across=across, height=1.35)
        for k, (ax, condition) in enumerate(zip(axes, conditions, strict=True)):
            mark_zero(ax)
            ax.axvline(0, color=INK, linewidth=0.9, linestyle=(0, (1, 1)), zorder=0.6)
            for model in models:
                look = view.looks[model]
                clean = curves.get(("reference", model), [])
                ax.plot(
                    [m.key["horizon"] for m in clean],
                    [m.value for m in clean],
                    color=look.color,
                    linewidth=0.6,
                    alpha=0.7,
                )
                curve = curves.get((condition, model), [])
                band(
                    ax,
                    look,
                    [m.key["horizon"] for m in curve],
                    [m.value for m in curve],
                    [m.low for m in curve],
                    [m.high for m in curve],
                )
            ax.set_title(textwrap.fill(words.condition(condition), 27), loc="left", pad=3)
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            ax.grid(axis="y")
            if metric == "surprise":
                ax.set_yscale("log")
            if k + across >= len(conditions):
                ax.set_xlabel("frames after t₀")
        figure.supylabel(unit, fontsize=7.5, color=INK)
        marks = [
            Line2D(
                [], [], color=INK, linewidth=0.9, linestyle=(0, (1, 1)), label="intervention, t₀"
            ),
            Line2D([], [], color=INK, linewidth=0.6, alpha=0.7, label="unperturbed twins"),
        ]
        legend(figure, [*(handle(view.looks[m]) for m in models), *marks], width=width)
        return figure

    normalised = (
        "Log surprise of every model in units of its SD on disjoint unperturbed trajectories, so "
        "that models can be compared"
        if metric == "surprise_z"
        else "Surprise, not normalised"
    )
    return Plot(
        f"{view.world}-surprise",
        "Surprise over time",
        f"{normalised}{comma(sample(found))} trajectories a condition. The intervention comes "
        "before frame t₀ is drawn. Lines: mean over training seeds; bands: envelope of the "
        "checkpoints’ 95 % intervals over trajectories; thin lines: the same trajectories "
        "unperturbed. A violation should decay once it lies in the model’s history; a persistent "
        "rise after a change of appearance means “never saw such a picture”.",
        draw,
    )
