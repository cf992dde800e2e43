"""AUROC of every condition beside its baselines, a panel a model."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lewm_probe.analyses.voe.report.baselines import ONSET, detector
from lewm_probe.reports import labels
from lewm_probe.reports.figures.style import FULL, Plot, grid, legend
from lewm_probe.reports.means import Mean, means, preferred, samples
from lewm_probe.reports.palette import CONTROL_MARKERS, FAINT, INK, MUTED, PAPER
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import comma

_MODEL, _SLOT, _GAP = 0.11, 0.065, 0.03
"""Heights in inches: of the model's marker, of a baseline's, and between conditions."""

_LEAST = 0.9
"""Of a panel, so that one condition leaves room for it beside a legend of several lines."""


def auroc_plot(view: WorldView) -> Plot | None:
    """Onset AUROC: the model large and in its colour, baselines hollow and grey beneath it."""
    found = preferred(view.pick("voe", "auroc", window=ONSET, control=ANY))
    conditions = [c for c in view.conditions() if any(row.subject == c for row in found)]
    models = [m for m in view.models if any(row.model == m for row in found)]
    if not conditions:
        return None
    points: dict[tuple[str, str], dict[str | None, Mean]] = {}
    for mean in means(found, "subject", "model", "control"):
        subject, model, control = mean.key.values()
        used = detector(view, control, subject=subject, model=model) if control else None
        points.setdefault((subject, model), {})[control] = used.auroc if used else mean
    controls = sorted({row.control for row in found if row.control}, key=labels.control_order)
    # Rows are as high as what stands in them: markers keep clear of each other, whatever they show.
    beside = {
        c: [k for k in controls if any(k in points.get((c, m), {}) for m in models)]
        for c in conditions
    }
    heights = [_MODEL + len(beside[c]) * _SLOT + _GAP for c in conditions]
    tops = [sum(heights[:k]) for k in range(len(conditions))]
    whole = sum(heights)

    def draw(width: float) -> Figure:
        across = min(3, len(models)) if width >= FULL else 1
        height = max(_LEAST, whole * (1 if width >= FULL else 0.85)) + 0.6
        figure, axes = grid(len(models), width, across=across, height=height)
        for ax, model in zip(axes, models, strict=True):
            look = view.looks[model]
            ax.axvline(0.5, color=MUTED, linewidth=0.7, zorder=0.5)
            for k, condition in enumerate(conditions):
                if k:
                    ax.axhline(tops[k], color=FAINT, linewidth=0.5, zorder=0.4)
                for control, mean in points.get((condition, model), {}).items():
                    y = tops[k] + _MODEL / 2 + _GAP / 2
                    if control:
                        y += _MODEL / 2 + (beside[condition].index(control) + 0.5) * _SLOT
                    if mean.low is not None and mean.high is not None:
                        ax.plot(
                            [mean.low, mean.high],
                            [y, y],
                            color=MUTED if control else look.color,
                            linewidth=0.7 if control else 1.6,
                            solid_capstyle="butt",
                        )
                    if control:
                        ax.plot(mean.value, y, **_hollow(control))
                    else:
                        ax.plot(
                            mean.value,
                            y,
                            marker=look.marker,
                            color=look.color,
                            markersize=5.5,
                            markeredgecolor=PAPER,
                            markeredgewidth=0.5,
                            zorder=4,
                        )
            middles = [top + height / 2 for top, height in zip(tops, heights, strict=True)]
            ax.set_yticks(middles, [view.condition(c) for c in conditions])
            ax.set_ylim(whole, 0)
            ax.set_xlim(_floor(points) - 0.03, 1.02)
            ax.tick_params(axis="y", length=0)
            ax.set_title(look.label, loc="left", color=look.color, fontweight="bold", pad=3)
        for ax in axes[-across:]:
            ax.set_xlabel("AUROC at onset")
        marks = [
            Line2D([], [], linestyle="none", label=labels.control(c), **_hollow(c))
            for c in controls
        ]
        legend(figure, marks, width=width)
        return figure

    return Plot(
        f"{view.world}-auroc",
        "AUROC beside baselines",
        "How well surprise at the onset frame tells perturbed from unperturbed trajectories"
        f"{comma(samples(found, say=view.condition))} each; 0.5 (line) is chance. "
        "Large: the model’s surprise; hollow: simpler detectors, each in the direction chosen on "
        "other trajectories. Bars: 95 % intervals over trajectories "
        "(several training seeds: mean and span of the checkpoints’ intervals, no 95 % interval).",
        draw,
    )


def _floor(points: dict[tuple[str, str], dict[str | None, Mean]]) -> float:
    lows = [
        m.value if m.low is None else m.low for found in points.values() for m in found.values()
    ]
    return min(0.4, *lows)


def _hollow(control: str) -> dict[str, Any]:
    marker = CONTROL_MARKERS.get(control, "s")
    return {
        "marker": marker,
        "color": MUTED,
        "markersize": 3.4,
        "markerfacecolor": "none" if marker in "x|_+" else PAPER,
        "markeredgecolor": INK,
        "markeredgewidth": 0.7,
    }
