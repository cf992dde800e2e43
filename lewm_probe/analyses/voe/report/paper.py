"""Surprise laid out as in the LeWM paper (arXiv 2603.19312): a row a world, a column a model.

Three conditions in each panel: unperturbed, a body recoloured, bodies teleported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lewm_probe.analyses.voe.report.surprise import (
    REFERENCE,
    Courses,
    courses,
    dress,
    onset_handle,
)
from lewm_probe.analyses.voe.report.tables import main_pair
from lewm_probe.reports import labels
from lewm_probe.reports.figures.style import FULL, Plot, grid, handle, legend, means_band
from lewm_probe.reports.means import samples
from lewm_probe.reports.palette import INK, MUTED, Dash, Look, looks_of
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import comma

_SOLID: Dash = (0, ())
_DASHED: Dash = (0, (3.2, 1.4))


@dataclass(frozen=True)
class _Row:
    """One world: what was tried there, and who was measured."""

    view: WorldView
    found: Courses
    teleport: str
    color: str
    models: tuple[str, ...]


def paper_surprise_plot(views: Sequence[WorldView]) -> Plot | None:
    """Worlds of the paper in which a teleport or a recolouring was measured."""
    rows = [row for view in views if (row := _row(view)) is not None]
    if not rows:
        return None
    looks: dict[str, Look] = {}
    for row in rows:
        looks |= {model: row.view.looks[model] for model in row.models}
    order = list(looks_of((look.name, look.family) for look in looks.values()))

    def draw(width: float) -> Figure:
        across = min(len(order), 4 if width >= FULL else 2)
        lines = -(-len(order) // across)  # of panels, a world
        count = len(rows) * lines * across
        figure, panels = grid(count, width, across=across, height=1.6, sharex=False, sharey=False)
        drawn: dict[int, Axes] = {}
        for k, row in enumerate(rows):
            mine = []
            for column, model in enumerate(order):
                at = k * lines * across + column
                if model in row.models:
                    drawn[at] = panels[at]
                    _panel(panels[at], row, looks[model])
                    mine.append(at)
            ends = [end for at in mine for end in panels[at].get_ylim()]
            for at in mine:
                panels[at].set_ylim(min(ends), max(ends))
                if any(left in mine for left in range(at - at % across, at)):
                    panels[at].tick_params(labelleft=False)
                else:
                    unit = "surprise (SD)" if row.found.normalised else "surprise s"
                    panels[at].set_ylabel(f"{row.view.title}\n{unit}")
        for at, ax in enumerate(panels):
            if at not in drawn:
                ax.remove()
            elif not any(below in drawn for below in range(at + across, count, across)):
                ax.set_xlabel("frames after t₀")
        marks = [_teleport(looks[model]) for model in order]
        marks += [handle(_colored(looks[order[0]]))] if any(row.color for row in rows) else []
        marks += [Line2D([], [], color=MUTED, label="unperturbed"), onset_handle()]
        legend(figure, marks, width=width)
        return figure

    raw = "" if all(row.found.normalised for row in rows) else " (raw where that is not stored)"
    return Plot(
        "paper-surprise",
        "Surprise, laid out as in the paper",
        "Rows: worlds, with a vertical axis each; columns: models. Surprise is the log of the "
        f"squared prediction error, in units of its SD on disjoint unperturbed trajectories{raw}. "
        f"{_tried(rows)} The intervention comes before frame t₀ is drawn. Lines: mean over "
        "training seeds; bands: envelope of the checkpoints’ 95 % intervals over trajectories.",
        draw,
    )


def _row(view: WorldView) -> _Row | None:
    if not paper_values().speaks_of(view.world):
        return None
    found = courses(view)
    teleport, color = (
        name if any(key[0] == name for key in found.curves) else "" for name in main_pair(view)
    )
    tried = {key[1] for key in found.curves if key[0] and key[0] in (teleport, color)}
    models = tuple(model for model in view.models if model in tried)
    return _Row(view, found, teleport, color, models) if models else None


def _panel(ax: Axes, row: _Row, look: Look) -> None:
    dress(ax, row.found)
    curves = row.found.curves
    clean = replace(look, color=MUTED, dash=_SOLID)
    means_band(ax, clean, curves.get((REFERENCE, look.name), []), "horizon", markers=False)
    means_band(ax, _colored(look), curves.get((row.color, look.name), []), "horizon")
    solid = replace(look, dash=_SOLID)
    means_band(ax, solid, curves.get((row.teleport, look.name), []), "horizon")
    ax.set_title(look.label, loc="left", color=look.color, fontweight="bold", pad=3)


def _colored(look: Look) -> Look:
    return replace(look, color=INK, dash=_DASHED, marker="d", label="colour change")


def _teleport(look: Look) -> Line2D:
    return handle(replace(look, dash=_SOLID, label=f"teleport, {look.label}"))


def _tried(rows: Sequence[_Row]) -> str:
    """What was done in each world, and to how many trajectories."""
    parts = []
    for row in rows:
        pair = [name for name in (row.teleport, row.color) if name]
        what = labels.listing([row.view.condition(name).lower() for name in pair])
        tried = [r for r in row.found.rows if r.subject in pair and r.horizon == 0]
        n = samples(tried, say=row.view.condition)
        parts.append(f"{row.view.title}: {what}{comma(n)}")
    return f"{'; '.join(parts)}."
