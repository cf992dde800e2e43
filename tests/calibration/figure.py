"""One figure: every rate with its Monte-Carlo error, against its goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.calibration.study import Row

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
"""Okabe and Ito's, told apart by all; what is missed is also a cross."""

WIDTH, HEIGHT = 3.4, 4.6
"""Inches: one column of a page."""

FALSE = {
    "family": "null report",
    "verdict": "null answer",
    "sentence": "sentence",
    "test": "",
}
"""Kinds of false positives, and how their rows are called; tests by what is tested."""


def draw(folder: Path, rows: Sequence[Row]) -> None:
    """``calibration`` as PNG, PDF and SVG."""
    wrong = [row for row in rows if row.kind in FALSE]
    held = [row for row in rows if row.kind == "interval"]
    style = {
        "font.size": 7, "axes.spines.top": False, "axes.spines.right": False,
        "svg.hashsalt": "calibration", "svg.fonttype": "none", "pdf.fonttype": 42,
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        named = [(row, FALSE[row.kind] or row.study) for row in wrong]
        counts = [len({name for _, name in named}), len({row.study for row in held})]
        top, bottom = figure.subplots(2, 1, height_ratios=[max(1, c) for c in counts])
        _strip(top, named)
        top.set_xlabel("False positives, %")
        _strip(bottom, [(row, row.study) for row in held])
        bottom.set_xlabel("Coverage of 95 % intervals, %")
        top.axvspan(5, 7, color=GREY, alpha=0.25, lw=0)
        top.axvline(5, color=GREY, lw=0.8)
        top.set_xlim(-0.4, max(10.0, 100 * max((r.value for r in wrong), default=0.1) + 1))
        bottom.axvspan(93, 95, color=GREY, alpha=0.25, lw=0)
        bottom.axvline(95, color=GREY, lw=0.8)
        bottom.axvline(90, color=GREY, lw=0.8, ls=":")
        figure.savefig(folder / "calibration.png", dpi=300, metadata={"Software": None})
        figure.savefig(folder / "calibration.pdf", metadata={"CreationDate": None})
        figure.savefig(folder / "calibration.svg", metadata={"Date": None})


def _strip(axes: Axes, rows: Sequence[tuple[Row, str]]) -> None:
    names = list(dict.fromkeys(name for _, name in rows))
    count = {name: sum(1 for _, one in rows if one == name) for name in names}
    seen = dict.fromkeys(names, 0)
    for row, name in rows:
        seen[name] += 1
        y = names.index(name) + 0.7 * (seen[name] / (count[name] + 1) - 0.5)
        color = GREY if row.met is None else BLUE if row.met else ORANGE
        axes.errorbar(
            100 * row.value, y, xerr=100 * row.error, color=color, elinewidth=0.4,
            fmt="x" if row.met is False else ".", ms=3 if row.met is not False else 4,
            mew=0.8 if row.met is False else 0.2, zorder=3 if row.met is False else 2,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
