"""What of a map its stored rows hold: places, and where each space has them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from lewm_probe.reports import labels
from lewm_probe.reports.results_view import ANY, WorldView

VIEWS = {"pca": "PCA", "tsne": "t-SNE"}


class Layout(NamedTuple):
    """A row of the figure.

    Attributes:
        title: whose space it is.
        points: by view, (N, 2), NaN where a place is missing.
    """

    title: str
    points: dict[str, np.ndarray]


class Map(NamedTuple):
    """The grid of one body in the spaces of all models.

    Attributes:
        places: x and y, (N, 2).
        layouts: models, the first that has one untrained, and pixels last.
    """

    body: str
    places: np.ndarray
    layouts: list[Layout]


def bodies(view: WorldView) -> list[str]:
    """Bodies that there are maps of."""
    return view.subjects("map", ("trustworthiness", "neighbourhood_overlap"), control=ANY)


def stored_map(view: WorldView, body: str) -> Map | None:
    """The map of a body, of each model's first training seed and last step; None without rows."""
    rows = view.rows
    rows = rows[(rows["analysis"] == "map") & (rows["subject"] == body)]
    by_model = {model: _first(rows[rows["model"] == model]) for model in view.models}
    by_model = {model: own for model, own in by_model.items() if len(own)}
    if not by_model:
        return None
    places = _pairs(next(iter(by_model.values())), "place", ("x", "y"))
    if places is None:
        return None
    layouts = []
    for model, own in by_model.items():
        layouts += _layout(own[own["control"].isna()], view.label(model), len(places))
    for control in ("random_weights", "pixel_space"):
        for own in by_model.values():
            found = _layout(
                own[own["control"] == control],
                labels.sentence(labels.control(control)),
                len(places),
            )
            if found:
                layouts += found
                break
    return Map(body, places, layouts) if layouts else None


def _first(rows: pd.DataFrame) -> pd.DataFrame:
    seeds, steps = rows["train_seed"].dropna(), rows["step"].dropna()
    if len(seeds):
        rows = rows[rows["train_seed"] == seeds.min()]
    if len(steps):
        rows = rows[rows["step"] == steps.max()]
    return rows


def _layout(rows: pd.DataFrame, title: str, count: int) -> list[Layout]:
    points = {}
    for name in VIEWS:
        found = _pairs(rows, name, ("1", "2"))
        if found is not None and len(found) == count:
            points[name] = found
    return [Layout(title, points)] if points else []


def _pairs(rows: pd.DataFrame, metric: str, axes: tuple[str, str]) -> np.ndarray | None:
    """Values on two axes by the number of the place, (N, 2)."""
    mine = rows[(rows["metric"] == metric) & rows["frame"].notna()]
    columns = []
    for axis in axes:
        part = mine[mine["axis"] == axis].drop_duplicates("frame")
        columns.append(part.set_index("frame")["value"].astype(float).sort_index())
    if columns[0].empty or not columns[0].index.equals(columns[1].index):
        return None
    return np.column_stack(columns)
