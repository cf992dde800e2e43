"""The table of maps."""

from __future__ import annotations

from typing import Any

from lewm_probe.analyses.map.report.stored import bodies
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import means, sample
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import (
    Cell,
    Column,
    Row,
    Table,
    comma,
    spread_cell,
    table,
    text,
)

METHODS: dict[str | None, str] = {None: "whole", "pca": "PCA", "tsne": "t-SNE"}
NUMBERS = {"neighbourhood_overlap": "neighbours kept", "trustworthiness": "trustworthiness"}
CONTROLS = ("random_weights", "pixel_space", "chance")


def map_table(view: WorldView) -> Table | None:
    """Neighbours kept and trustworthiness of the whole space and of both views."""
    rows = []
    for body in bodies(view):
        group = f"Places of {labels.plain(body)}"
        for model in view.models:
            rows += _row(view, body, group, view.label(model), model=model)
        for control in CONTROLS:
            if control == "random_weights":
                for model in view.models:
                    name = f"{view.label(model)}, {labels.control(control)}"
                    rows += _row(view, body, group, name, model=model, control=control)
            else:  # the same beside every model
                name = labels.sentence(labels.control(control))
                rows += _row(view, body, group, name, control=control)
    k = view.setting("map", "neighbours", default=8)
    found = view.pick("map", tuple(NUMBERS), control=ANY)
    refused = view.pick("map", "refused_places")
    left = {f"{labels.plain(r.subject or '')} {r.value:g}": None for r in refused if r.value}
    return table(
        f"{view.world}-map",
        "Neighbours on a grid of places",
        f"Places{comma(sample(found))}, k = {k}. Neighbours kept: the share of a place’s k nearest "
        "in the space (whole, or its two-dimensional view) that are among its k nearest places, "
        "equally near ones included. Trustworthiness: the same by how many ranks others intrude, 1 "
        "at best (Venna & Kaski). Ties are broken at random, in the mean over all ways: a "
        "collapsed space has what chance has. No intervals: these are all places of the grid, no "
        "sample of some; in parentheses the range over training seeds."
        + (f" Places that the world refused: {labels.listing(list(left))}." if left else ""),
        [
            Column("model", "Model or control", numeric=False),
            *(
                Column(f"{metric}_{method or 'whole'}", said, over=labels.sentence(title))
                for metric, title in NUMBERS.items()
                for method, said in METHODS.items()
            ),
            Column("share", "variance in PCA"),
        ],
        rows,
    )


def _row(view: WorldView, body: str, group: str, name: str, **keys: Any) -> list[Row]:
    cells = {}
    for metric in NUMBERS:
        for method in METHODS:
            cells[f"{metric}_{method or 'whole'}"] = _cell(
                view, metric, subject=body, method=method, **keys
            )
    cells["share"] = _cell(view, "pca_variance_share", subject=body, **keys)
    if all(cell.value is None for cell in cells.values()):
        return []
    return [Row({"model": text(name), **cells}, group=group, quiet="control" in keys)]


def _cell(view: WorldView, metric: str, **keys: Any) -> Cell:
    """A mean over training seeds with its range."""
    found = means(view.pick("map", metric, **keys))
    return spread_cell(found[0]) if found else Cell(formatting.MISSING)
