"""AUROC of every condition beside its baselines, a panel a model."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lewm_probe.analyses.voe.report.baselines import ONSET, detector
from lewm_probe.reports import labels
from lewm_probe.reports.figures.style import FULL, Plot, grid, legend
from lewm_probe.reports.palette import CONTROL_MARKERS, FAINT, INK, MUTED, PAPER
from lewm_probe.reports.results_view import ANY, Mean, WorldView, means, preferred, samples
from lewm_probe.reports.tables.table import comma


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
    slots = {control: (k + 1) / (len(controls) + 1.6) for k, control in enumerate(controls)}

    def draw(width: float) -> Figure:
        across = min(3, len(models)) if width >= FULL else 1
        row = 0.30 if width >= FULL else 0.24
        figure, axes = grid(len(models), width, across=across, height=row * len(conditions) + 0.6)
        for ax, model in zip(axes, models, strict=True):
            look = view.looks[model]
            ax.axvline(0.5, color=MUTED, linewidth=0.7, zorder=0.5)
            for k, condition in enumerate(conditions):
                if k:
                    ax.axhline(k - 0.32, color=FAINT, linewidth=0.5, zorder=0.4)
                for control, mean in points.get((condition, model), {}).items():
                    y = k + (slots[control] * 0.78 if control else 0.0) - 0.12
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
            ax.set_yticks(range(len(conditions)), [view.condition(c) for c in conditions])
            ax.set_ylim(len(conditions) - 0.3, -0.4)
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
        f"{comma(samples(found))} each; 0.5 (line) is chance. Large: the model’s surprise; hollow: "
        "simpler detectors, each in the direction chosen on other trajectories. Bars: 95 % "
        "intervals over trajectories "
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
