"""A grid of places, and where each space lays them out, coloured alike."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lewm_probe.analyses.map.report.colours import colours
from lewm_probe.analyses.map.report.stored import VIEWS, Layout, Map, bodies, stored_map
from lewm_probe.reports import labels
from lewm_probe.reports.figures.style import FULL, Plot, grid
from lewm_probe.reports.palette import FAINT
from lewm_probe.reports.results_view import WorldView

SIDE = 1.9
"""Height of a panel in inches at full width."""


def map_plots(view: WorldView) -> tuple[Plot, ...]:
    """One figure a body."""
    found = (stored_map(view, body) for body in bodies(view))
    return tuple(_plot(view, one) for one in found if one is not None)


def _plot(view: WorldView, one: Map) -> Plot:
    shades = colours(one.places)
    body = labels.plain(one.body)

    def draw(width: float) -> Figure:
        across = 1 + len(VIEWS)
        side = SIDE if width >= FULL else width / across
        count = across * len(one.layouts)
        figure, axes = grid(count, width, across=across, height=side, sharex=False, sharey=False)
        for row, layout in enumerate(one.layouts):
            first, *others = axes[row * across : (row + 1) * across]
            _scatter(first, one.places, shades, width)
            first.invert_yaxis()  # as in the images
            first.set_aspect("equal")
            first.set_ylabel(layout.title)
            if row == 0:
                first.set_title(f"places of {body}", pad=3)
            for ax, (name, title) in zip(others, VIEWS.items(), strict=True):
                _view(ax, layout, name, one.places, shades, width)
                if row == 0:
                    ax.set_title(title, pad=3)
        return figure

    return Plot(
        f"{view.world}-map-{one.body}",
        f"Places of {body} in latent space",
        f"{len(one.places)} places of a regular grid, each encoded from one image. A place has the "
        f"same colour in every panel. PCA: the first two principal components; t-SNE: perplexity "
        f"{view.setting('map', 'perplexity', default=30.0):g}, begun from principal components, "
        f"seed {view.setting('suite', 'seed', default=7)}; each model’s first training seed. Axes "
        "have no unit, sign or rotation of their own. t-SNE tears and clumps smooth sheets too: "
        "what is torn there alone, in the table, is no property of the latents.",
        draw,
        themed=False,
    )


def _view(
    ax: Axes, layout: Layout, name: str, places: np.ndarray, shades: np.ndarray, width: float
) -> None:
    points = layout.points.get(name)
    if points is None:
        ax.set_axis_off()
        return
    points = points - points.mean(axis=0)
    # Views have no sign of their own: as far as mirrors go, they lie as the grid does.
    centred = places - places.mean(axis=0)
    if abs(centred[:, 0] @ points[:, 1]) > abs(centred[:, 0] @ points[:, 0]):
        points = points[:, ::-1]
    points = points * np.where((points * centred).sum(axis=0) < 0, -1, 1)
    _scatter(ax, points, shades, width)
    ax.invert_yaxis()
    ax.set_box_aspect(1)


def _scatter(ax: Axes, points: np.ndarray, shades: np.ndarray, width: float) -> None:
    size = (7 if width >= FULL else 2) * min(1.0, 576 / len(points))
    ax.scatter(points[:, 0], points[:, 1], c=shades, s=size, linewidths=0, rasterized=True)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color=FAINT)
