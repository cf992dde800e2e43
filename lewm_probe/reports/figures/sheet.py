"""Contact sheets: rows of pictures with whose they are beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lewm_probe.reports import labels
from lewm_probe.reports.figures.style import FULL
from lewm_probe.reports.palette import FAINT, INK
from lewm_probe.reports.results_view import WorldView
from lewm_probe.results.schema import ModelEntry

FRAME = "#d4006a"
"""The frame around what came at t₀: a colour that no model has, as in filmstrips."""

NARROW = 7
"""Letters over a picture of a column's width."""


class Strip(NamedTuple):
    """A row of a figure.

    Attributes:
        title: whose pictures.
        pictures: uint8 (T, H, W, 3).
        true: photographs, drawn by nobody.
    """

    title: str
    pictures: np.ndarray
    true: bool = False


def first_entries(view: WorldView) -> dict[str, ModelEntry]:
    """The checkpoint of each model that is shown: of its first training seed, the last step."""
    found: dict[str, ModelEntry] = {}
    for entry in view.entries:
        held = found.get(entry.name)
        if held is None or entry.train_seed == held.train_seed:
            found[entry.name] = entry
    return found


def sheet(
    groups: Sequence[Sequence[Strip]],
    width: float,
    heads: Sequence[str] = (),
    framed: int | None = None,
) -> Figure:
    """Rows of pictures with whose they are beside them; groups with a gap between."""
    full = width >= FULL
    most = max(len(row.pictures) for rows in groups for row in rows)
    columns = most if full or heads else min(most, 4)  # a column is too narrow for eight
    label, gap = (1.15 if full else 0.98), 0.1
    head = (0.2 if full else 0.32) if heads else 0.02
    side = min((width - label - 0.03) / columns, 0.95)
    count = sum(map(len, groups))
    height = head + side * count + gap * (len(groups) - 1) + 0.03
    figure = Figure(figsize=(width, height))
    top = height - head
    for number, rows in enumerate(groups):
        for row in rows:
            top -= side
            for column, picture in enumerate(row.pictures[:columns]):
                box = (label + column * side + 0.015, top + 0.015, side - 0.03, side - 0.03)
                x, y, w, h = box
                ax = figure.add_axes((x / width, y / height, w / width, h / height))
                ax.imshow(_ready(picture), interpolation="none")
                ax.set(xticks=[], yticks=[])
                for spine in ax.spines.values():
                    spine.set(visible=True, color=INK if row.true else FAINT, linewidth=0.5)
                if column == framed:
                    ax.add_patch(
                        Rectangle(
                            (0, 0),
                            1,
                            1,
                            transform=ax.transAxes,
                            fill=False,
                            edgecolor=FRAME,
                            linewidth=1.4,
                            clip_on=False,
                            zorder=5,
                        )
                    )
                if number == 0 and row is rows[0] and column < len(heads):
                    title = labels.plain(heads[column])
                    if not full and len(title) > NARROW:
                        title = title.replace(" ", "\n", 1)
                    ax.set_title(title, fontsize=7 if full else 6, pad=2)
            figure.text(
                (label - 0.05) / width,
                (top + side / 2) / height,
                row.title,
                ha="right",
                va="center",
                fontsize=7,
                color=INK,
            )
        top -= gap
    return figure


def _ready(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture)
