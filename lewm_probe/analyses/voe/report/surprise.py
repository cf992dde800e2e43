"""Surprise over time around the intervention, a panel a condition, all models in each."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

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
from lewm_probe.reports.means import Mean, means, samples
from lewm_probe.reports.palette import INK, MUTED
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import comma
from lewm_probe.results.schema import Metric

REFERENCE = "reference"
"""The unperturbed twins, as a condition."""

_ONSET: dict[str, Any] = {"color": INK, "linewidth": 0.9, "linestyle": (0, (1, 1))}


@dataclass(frozen=True)
class Courses:
    """Surprise over time of one world.

    Attributes:
        normalised: whether in units of its SD on unperturbed trajectories, else raw.
        curves: (condition, model) → means over training seeds, by frame.
        rows: what they were made of.
    """

    normalised: bool
    curves: dict[tuple[str, str], list[Mean]]
    rows: tuple[Metric, ...]

    @property
    def unit(self) -> str:
        """What the vertical axis shows."""
        return "surprise (SD of clean log s)" if self.normalised else "surprise s"

    def sentence(self, conditions: Sequence[str], say: Callable[[str], str]) -> str:
        """What is drawn, and of how many trajectories in these conditions."""
        says = (
            "Log surprise of every model in units of its SD on disjoint unperturbed trajectories, "
            "so that models can be compared"
            if self.normalised
            else "Surprise, not normalised"
        )
        rows = [row for row in self.rows if row.subject in conditions and row.n is not None]
        first = [row for row in rows if row.horizon == 0] or rows
        n = samples(first, " trajectories a condition", say)
        of = {(row.subject, row.model, row.train_seed): row.n or 0 for row in first}
        fewer = any((row.n or 0) < of.get(_whose(row), 0) for row in rows)
        return f"{says}{comma(n)}.{_FEWER if fewer else ''}"


_FEWER = " Away from t₀ there are fewer where trajectories begin or end."


def _whose(row: Metric) -> tuple[str | None, str, int | None]:
    return row.subject, row.model, row.train_seed


def courses(view: WorldView) -> Courses:
    """Normalised surprise where it was stored; raw surprise where a single model makes do."""
    metric = "surprise_z" if view.pick("voe", "surprise_z") else "surprise"
    found = [row for row in view.pick("voe", metric) if row.horizon is not None]
    curves: dict[tuple[str, str], list[Mean]] = {}
    for mean in means(found, "subject", "model", "horizon"):
        curves.setdefault((mean.key["subject"], mean.key["model"]), []).append(mean)
    for curve in curves.values():
        curve.sort(key=lambda mean: mean.key["horizon"])
    return Courses(metric == "surprise_z", curves, tuple(found))


def dress(ax: Axes, found: Courses) -> None:
    """The intervention marked, whole frames as ticks, a logarithmic axis for raw surprise."""
    mark_zero(ax)
    ax.axvline(0, zorder=0.6, **_ONSET)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.grid(axis="y")
    if not found.normalised:
        ax.set_yscale("log")


OWN_AXIS = 4.0
"""Conditions whose largest surprise is beyond this multiple of that of every other one get a
vertical axis of their own: on a common one the others would be flat lines."""


def highest(found: Courses, condition: str) -> float:
    """The largest surprise of a condition, over models and frames, with its interval."""
    curves = (curve for key, curve in found.curves.items() if key[0] == condition)
    return max(
        (
            abs(end)
            for c in curves
            for m in c
            for end in (m.value, m.low, m.high)
            if end is not None
        ),
        default=0.0,
    )


def own_axes(found: Courses, conditions: Sequence[str]) -> list[str]:
    """Conditions that dwarf the rest, at most half of them; none where the axis is logarithmic."""
    if not found.normalised:
        return []
    reached = {condition: highest(found, condition) for condition in conditions}
    order = sorted(conditions, key=lambda c: -reached[c])
    for many in range(len(order) // 2, 0, -1):
        if reached[order[many - 1]] > OWN_AXIS * reached[order[many]]:
            return order[:many]
    return []


def _scales(axes: Sequence[Axes], own: Sequence[bool], across: int) -> None:
    """One scale for all panels but those of their own, which say so."""
    shared = [ax for ax, alone in zip(axes, own, strict=True) if not alone]
    ends = [end for ax in shared for end in ax.get_ylim()]
    for k, (ax, alone) in enumerate(zip(axes, own, strict=True)):
        if alone:
            ax.set_ylabel("own axis", color=MUTED, labelpad=1)
            continue
        ax.set_ylim(min(ends), max(ends))
        beside = k % across and not own[k - 1]
        ax.tick_params(labelleft=not beside)


def onset_handle() -> Line2D:
    """The intervention in a legend."""
    return Line2D([], [], label="intervention, t₀", **_ONSET)


def surprise_plot(view: WorldView) -> Plot | None:
    """A panel a condition, the unperturbed twins in each."""
    found = courses(view)
    # A matched change of images is measured at onset alone: a point is no course.
    followed = {condition for (condition, _), curve in found.curves.items() if len(curve) > 1}
    conditions = [c for c in view.conditions() if c in followed]
    if not conditions:
        return None
    models = [m for m in view.models if any(key[1] == m for key in found.curves)]
    own = [condition in own_axes(found, conditions) for condition in conditions]

    def draw(width: float) -> Figure:
        across = 3 if width >= FULL else 2
        figure, axes = grid(len(conditions), width, across=across, height=1.35, sharey=False)
        for k, (ax, condition) in enumerate(zip(axes, conditions, strict=True)):
            dress(ax, found)
            for model in models:
                look = view.looks[model]
                clean = found.curves.get((REFERENCE, model), [])
                ax.plot(
                    [m.key["horizon"] for m in clean],
                    [m.value for m in clean],
                    color=look.color,
                    linewidth=0.6,
                    alpha=0.7,
                )
                means_band(ax, look, found.curves.get((condition, model), []), "horizon")
            title = textwrap.fill(view.condition(condition), 27 if width >= FULL else 23)
            ax.set_title(title, loc="left", pad=3)
            if k // across == (len(conditions) - 1) // across:
                ax.set_xlabel("frames after t₀")
        _scales(axes, own, across)
        figure.supylabel(found.unit, fontsize=7.5, color=INK)
        twins = Line2D([], [], color=INK, linewidth=0.6, alpha=0.7, label="unperturbed twins")
        marks = [*(handle(view.looks[m]) for m in models), onset_handle(), twins]
        legend(figure, marks, width=width)
        return figure

    return Plot(
        f"{view.world}-surprise",
        "Surprise over time",
        f"{found.sentence(conditions, view.condition)} The intervention comes before frame "
        "t₀ is drawn. Lines: mean over training seeds; bands: span of "
        "the checkpoints’ 95 % intervals over "
        "trajectories; thin lines: the same trajectories unperturbed."
        f"{_alone(view, conditions, own)} A violation should decay "
        "once it lies in the model’s history; a persistent rise after a change of appearance means "
        "“never saw such an image”.",
        draw,
    )


def _alone(view: WorldView, conditions: Sequence[str], own: Sequence[bool]) -> str:
    """Which panels have a scale of their own, and why."""
    names = [view.condition(c).lower() for c, alone in zip(conditions, own, strict=True) if alone]
    if not names:
        return ""
    return (
        f" All panels share a vertical scale but {labels.listing(names)}: “own axis” where "
        f"surprise goes beyond {OWN_AXIS:g} times that of every condition on the common scale."
    )
