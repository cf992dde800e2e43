"""AUROC against the dose of a violation, a panel a condition, all models beside copy-last."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from lewm_probe.analyses.voe.report.doses.tables import (
    BESIDE,
    by_color,
    dose_rows,
    dosed,
    first_doses,
)
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.figures.style import (
    FULL,
    Plot,
    grid,
    handle,
    legend,
    mark_zero,
    means_band,
)
from lewm_probe.reports.means import Mean, means, samples
from lewm_probe.reports.palette import MUTED, PAPER
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import comma

_LINES: dict[str, dict[str, Any]] = {
    "copy_last": {
        "linewidth": 0.9,
        "linestyle": (0, (3.2, 1.6)),
        "marker": "o",
        "markersize": 3,
        "markerfacecolor": PAPER,
        "markeredgewidth": 0.7,
    },
    "random_encoder": {"linewidth": 0.8, "linestyle": (0, (1, 1.4))},
    "action_blind": {"linewidth": 0.8, "linestyle": (0, (6, 1.2, 1, 1.2))},
}
"""Baselines: in the model's colour, as they are computed in its latents; hollow or bare."""

_SEED: dict[str, Any] = {"linestyle": "none", "marker": ".", "markersize": 2.5, "alpha": 0.6}
"""A checkpoint, where there are several."""

_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_LOWEST = 0.4
"""AUROC at the bottom of the panels, unless something lies below it."""
_ROW = 0.065
"""Height of a row of first doses, one a model, as a share of the panel's."""
_APART = 1.05
"""Ratio of the places of neighbouring models: their markers stand side by side at one dose."""


def dose_plot(view: WorldView) -> Plot | None:
    """Means over training seeds with their envelope; beneath, where each checkpoint first wins."""
    conditions = dosed(view)
    if not conditions:
        return None
    found = dose_rows(view, "auroc", control=(None, *BESIDE))
    curves: dict[tuple[str, str, str | None], list[Mean]] = {}
    for mean in means(found, "subject", "model", "control", "dose"):
        subject, model, control, _ = mean.key.values()
        curves.setdefault((subject, model, control), []).append(mean)
    for curve in curves.values():
        curve.sort(key=lambda mean: mean.key["dose"])
    models = [m for m in view.models if any(row.model == m for row in found)]
    firsts = {
        (condition, model): {d for d in first_doses(view, condition, model) if d is not None}
        for condition in conditions
        for model in models
    }
    drawn = [c for c in BESIDE if any(key[2] == c for key in curves)]
    lowest = min(_lowest(mean) for curve in curves.values() for mean in curve)
    bottom = min(_LOWEST, math.floor(10 * lowest) / 10)
    high = _ROW * (1.02 - bottom)

    def draw(width: float) -> Figure:
        across = 2 if width >= FULL else 1
        height = 1.85 if width >= FULL else 1.75
        figure, axes = grid(len(conditions), width, across=across, height=height, sharex=False)
        for k, (ax, condition) in enumerate(zip(axes, conditions, strict=True)):
            mark_zero(ax, 0.5)
            mark_zero(ax, bottom)
            for row, model in enumerate(models):
                look = view.looks[model]
                aside = _APART ** (row - (len(models) - 1) / 2)
                for control in drawn:
                    curve = curves.get((condition, model, control), [])
                    style = {"color": look.color, **_LINES[control]}
                    doses = [m.key["dose"] * aside for m in curve]
                    ax.plot(doses, [m.value for m in curve], **style)
                curve = curves.get((condition, model, None), [])
                for mean in curve if any(m.checkpoints > 1 for m in curve) else []:
                    at = [mean.key["dose"] * aside] * mean.checkpoints
                    ax.plot(at, mean.values, color=look.color, **_SEED)
                moved = [replace(m, key={"dose": m.key["dose"] * aside}) for m in curve]
                means_band(ax, look, moved, "dose")
                level = bottom - (row + 0.6) * high
                first = sorted(firsts[condition, model])
                ax.plot(first, [level] * len(first), color=look.color, **_FIRST)
            doses = [m.key["dose"] for key, c in curves.items() if key[0] == condition for m in c]
            _axis(ax, doses)
            step = 1 if bottom > 0.35 else 2
            tenths = range(10, math.ceil(10 * bottom - 0.5) - 1, -step)
            ax.yaxis.set_major_locator(FixedLocator([tenth / 10 for tenth in tenths]))
            ax.set_ylim(bottom - (len(models) + 0.2) * high, 1.02)
            ax.set_title(view.condition(condition), loc="left", pad=3)
            colored = by_color(view, condition)
            ax.set_xlabel(f"share of the {'way to the colour' if colored else 'arena’s width'}")
            if k % across == 0:
                ax.set_ylabel("AUROC at onset")
        marks = [handle(view.looks[m]) for m in models]
        for control in drawn:
            style = {"color": MUTED, **_LINES[control]}
            marks.append(Line2D([], [], label=labels.control(control), **style))
        if any(firsts.values()):
            marks.append(
                Line2D([], [], color=MUTED, label="first dose beyond every baseline", **_FIRST)
            )
        legend(figure, marks, width=width)
        return figure

    return Plot(
        f"{view.world}-dose",
        "AUROC against dose",
        "How well surprise at the onset frame tells perturbed from unperturbed trajectories"
        f"{comma(samples(found, say=view.condition))} each, by the size of the "
        "violation (logarithmic); 0.5 (line) is chance. Models stand a little apart at each dose, "
        "to be told from each other. Thin: "
        "baselines, in the colour of the model they stand beside. Bands: 95 % "
        "intervals over trajectories (several training seeds: mean and envelope of the "
        "checkpoints’ intervals, dots for the checkpoints). Triangles at the foot, a row a model: "
        "the smallest dose at which a checkpoint is beyond every baseline after Holm’s correction "
        "over the doses.",
        draw,
    )


_FIRST: dict[str, Any] = {
    "linestyle": "none",
    "marker": "^",
    "markersize": 4,
    "markeredgecolor": PAPER,
    "markeredgewidth": 0.3,
}


def _lowest(mean: Mean) -> float:
    return mean.value if mean.low is None else min(mean.low, mean.value)


def _axis(ax: Axes, doses: list[float]) -> None:
    """A logarithmic axis from the smallest to the largest dose, with ticks in percent."""
    low, high = min(doses) / 1.25, max(doses) * 1.25
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if low <= tick <= high]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: formatting.percent(value)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.grid(axis="y")
