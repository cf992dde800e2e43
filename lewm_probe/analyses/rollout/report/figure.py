"""How errors of imagined latents grow with the horizon."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lewm_probe.analyses.probe.report.questions import poses
from lewm_probe.reports import labels
from lewm_probe.reports.figures.style import (
    FULL,
    Plot,
    grid,
    handle,
    legend,
    mark_zero,
    means_band,
)
from lewm_probe.reports.means import Mean, means, sample
from lewm_probe.reports.palette import MUTED
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import comma
from lewm_probe.results.schema import Metric

_LEVELS: dict[str, tuple[str, Any]] = {
    "copy_last": ("read from the copied latent", (0, (1, 1.4))),
    "encoded": ("read from the encoded future", (0, (6, 1.2))),
}
"""Controls of what is read: how bad without dynamics, how good with perfect ones."""


@dataclass
class _Panel:
    title: str
    label: str
    curves: dict[str, list[Mean]]
    levels: dict[str, dict[str, list[Mean]]] = field(default_factory=dict)


def rollout_plot(view: WorldView) -> Plot | None:
    """A panel of latent error over copy-last, and one for each quantity read."""
    panels: list[_Panel] = []
    seen: list[Metric] = []
    relative = _relative(view)
    if relative:
        panels.append(_Panel("Latent error over copy-last", "ratio of MSE", relative))
        seen += view.pick("rollout", ("mse", "mse_over_copy_last"), subject=None)
    read = ("rmse", "angle_error_deg")
    found = view.subjects("rollout", read, control=ANY)
    # What cannot be seen (a goal that is not drawn) is a control: in the table, not here.
    for quantity in [q for q in poses(view) if q in found] or found:
        for metric in read:
            own = view.pick("rollout", metric, subject=quantity)
            unit = labels.unit(next((row.unit for row in own if row.unit), None))
            if own:
                seen += own
                name = labels.sentence(labels.quantity(quantity))
                label = f"RMSE{f' ({unit})' if unit else ''}" if metric == "rmse" else "error (°)"
                levels = {
                    control: _curves(
                        view.pick("rollout", metric, subject=quantity, control=control)
                    )
                    for control in _LEVELS
                }
                panels.append(_Panel(f"{name}, read", label, _curves(own), levels))
    if not panels:
        return None
    models = [m for m in view.models if any(m in p.curves for p in panels)]

    def draw(width: float) -> Figure:
        across = min(3, len(panels)) if width >= FULL else 1
        figure, axes = grid(len(panels), width, across=across, height=2.0, sharey=False)
        used: dict[str, None] = {}
        for ax, panel in zip(axes, panels, strict=True):
            if not panel.levels:
                mark_zero(ax, 1.0)
            for model in models:
                look = view.looks[model]
                for control, curves in panel.levels.items():
                    curve = curves.get(model, [])
                    ax.plot(
                        [mean.key["horizon"] for mean in curve],
                        [mean.value for mean in curve],
                        color=look.color,
                        linewidth=0.8,
                        linestyle=_LEVELS[control][1],
                    )
                    if curve:
                        used.setdefault(control)
                means_band(ax, look, panel.curves.get(model, []), "horizon")
            ax.set_title(panel.title, loc="left", pad=3)
            ax.set_ylabel(panel.label)
            ax.set_ylim(bottom=0)
            ax.grid(axis="y")
        for ax in axes[-across:]:
            ax.set_xlabel("horizon k (blocks)")
        marks = [handle(view.looks[m]) for m in models]
        marks += [
            Line2D([], [], color=MUTED, linewidth=0.8, linestyle=_LEVELS[c][1], label=_LEVELS[c][0])
            for c in used
        ]
        legend(figure, marks, width=width)
        return figure

    return Plot(
        f"{view.world}-rollout",
        "Rollout error against horizon",
        f"Latents imagined k action blocks ahead{comma(sample(seen))}. Left: mean squared latent "
        "error over that of copying the last latent (below 1: better). Others: quantities read "
        "from imagined latents by linear probes that were trained on encoded ones; thin: read from "
        "the copied latent (no dynamics) and from the encoded future (perfect dynamics). Bands: "
        "95 % intervals over trajectories (envelope over seeds).",
        draw,
    )


def _curves(rows: list[Metric]) -> dict[str, list[Mean]]:
    curves: dict[str, list[Mean]] = {}
    kept = [row for row in rows if row.horizon is not None]
    for mean in sorted(means(kept, "model", "horizon"), key=lambda m: m.key["horizon"]):
        curves.setdefault(mean.key["model"], []).append(mean)
    return curves


def _relative(view: WorldView) -> dict[str, list[Mean]]:
    """Latent error over copy-last: as stored, else the ratio with the interval of its numerator."""
    at: dict[str, Any] = {"subject": None}
    stored = _curves(view.pick("rollout", "mse_over_copy_last", **at))
    if stored:
        return stored
    copied = {
        (row.model, row.train_seed, row.horizon): row.value
        for row in view.pick("rollout", "mse", control="copy_last", **at)
    }
    scaled = []
    for row in view.pick("rollout", "mse", **at):
        below = copied.get((row.model, row.train_seed, row.horizon))
        if below:
            ends = {
                key: None if (end := getattr(row, key)) is None else end / below
                for key in ("value", "ci_low", "ci_high")
            }
            scaled.append(row.model_copy(update=ends))
    return _curves(scaled)
