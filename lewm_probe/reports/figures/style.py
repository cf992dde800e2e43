"""One style for all figures, and files of them whose bytes depend on the results alone.

A plot knows how to draw itself at a width in inches: ``FULL`` spans a page, ``COLUMN`` a column of
a two-column paper (and a phone). No pyplot state is touched.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from lewm_probe.core.files import atomic_path, safe_name
from lewm_probe.reports.figures.literal import literal
from lewm_probe.reports.figures.names import FONT, LETTER, LONGEST, mend
from lewm_probe.reports.means import Mean
from lewm_probe.reports.palette import FAINT, INK, MUTED, PAPER, Look

FULL, COLUMN = 6.9, 3.3
"""Widths in inches: two columns and one column of the usual paper."""

PNG_DPI = 220

_STYLE: Any = {
    **sns.axes_style("ticks"),
    "font.family": FONT,  # ships with matplotlib: the same bytes on every machine
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "lewm-probe",
    "axes.unicode_minus": True,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Plot:
    """A figure to be drawn.

    Attributes:
        name: file name without ending.
        title: heading, a few words.
        caption: what is drawn, with n and what the intervals are.
        draw: width in inches → figure, drawn inside ``render``.
        column: whether it is also drawn a column wide.
        themed: whether its colours may follow a page's dark scheme (images may not).
    """

    name: str
    title: str
    caption: str
    draw: Callable[[float], Figure]
    column: bool = True
    themed: bool = True

    def __post_init__(self) -> None:
        # Names hold those of worlds and quantities, which an untrusted results may have made up.
        object.__setattr__(self, "name", safe_name(self.name))


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn: SVG text for the page by width name, files written."""

    plot: Plot
    svg: dict[str, str]
    files: tuple[Path, ...]


def render(plot: Plot, folder: Path, names: Mapping[str, str] | None = None) -> Drawn:
    """Write ``<name>.{pdf,svg,png}`` (and ``<name>-column.{pdf,svg}``) into ``folder``.

    ``names``: names that cannot be drawn → how they are (``figures.names.drawable``).
    """
    widths = {"full": FULL, "column": COLUMN} if plot.column else {"full": FULL}
    svgs, files = {}, []
    with mpl.rc_context(_STYLE):
        for name, width in widths.items():
            figure = plot.draw(width)
            mend(figure, names or {}, width)
            literal(figure)
            FigureCanvasAgg(figure)
            figure.draw_without_rendering()  # lay out once, not once a format
            figure.set_layout_engine(None)
            stem = plot.name if name == "full" else f"{plot.name}-column"
            svgs[name] = svg_text(figure)
            for suffix in ("svg", "pdf", "png") if name == "full" else ("svg", "pdf"):
                path = folder / f"{stem}.{suffix}"
                with atomic_path(path) as temporary:
                    if suffix == "svg":
                        temporary.write_text(svgs[name], encoding="utf-8")
                    else:
                        _save(figure, temporary, suffix)
                files.append(path)
    return Drawn(plot, svgs, tuple(files))


def svg_text(figure: Figure) -> str:
    """The figure as SVG, without a date and with stable ids."""
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()


def _save(figure: Figure, path: Path, suffix: str) -> None:
    if suffix == "pdf":
        metadata: dict[str, Any] = {"CreationDate": None, "Creator": None, "Producer": None}
        figure.savefig(path, format="pdf", metadata=metadata)
    else:
        figure.savefig(path, format="png", dpi=PNG_DPI, metadata={"Software": None})


def grid(
    count: int,
    width: float,
    *,
    across: int,
    height: float,
    sharex: bool = True,
    sharey: bool = True,
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, ``across`` of them in a row, each row ``height`` inches."""
    columns = max(1, min(across, count))
    rows = -(-count // columns)
    layout = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04)
    figure = Figure(figsize=(width, rows * height + 0.35), layout=layout)
    axes = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    flat = [ax for row in axes for ax in row]
    for ax in flat[count:]:
        ax.remove()
    if sharex:  # panels above a gap need tick labels of their own
        for k in range(count):
            if k + columns >= count:
                flat[k].tick_params(labelbottom=True)
    return figure, flat[:count]


def band(
    ax: Axes,
    look: Look,
    x: Any,
    value: Any,
    low: Any,
    high: Any,
    *,
    markers: bool = True,
) -> None:
    """A model's line with its interval."""
    x, value = np.asarray(x, float), np.asarray(value, float)
    low = np.array([np.nan if v is None else v for v in low], float)
    high = np.array([np.nan if v is None else v for v in high], float)
    if np.isfinite(low).any():
        ax.fill_between(x, low, high, color=look.color, alpha=0.2, linewidth=0)
    style: dict[str, Any] = {"color": look.color, "linestyle": look.dash}
    if markers:
        style |= {"marker": look.marker, "markersize": 3, "markeredgecolor": PAPER}
        style |= {"markeredgewidth": 0.4}
    ax.plot(x, value, **style)


def means_band(
    ax: Axes, look: Look, means: Sequence[Mean], key: str, *, markers: bool = True
) -> None:
    """``band`` of means over training seeds against one of their keys."""
    band(
        ax,
        look,
        [mean.key[key] for mean in means],
        [mean.value for mean in means],
        [mean.low for mean in means],
        [mean.high for mean in means],
        markers=markers,
    )


def handle(look: Look, *, line: bool = True) -> Line2D:
    """A model in a legend."""
    return Line2D(
        [],
        [],
        color=look.color,
        linestyle=look.dash if line else "none",
        marker=look.marker,
        markersize=4,
        markeredgecolor=PAPER,
        markeredgewidth=0.4,
        label=look.label,
    )


def legend(figure: Figure, handles: list[Any], *, width: float) -> None:
    """A legend above all panels, in as few rows as fit the width."""
    if not handles:
        return
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=_columns([min(LONGEST, len(str(h.get_label()))) for h in handles], width),
        borderaxespad=0.2,
        columnspacing=1.4,
        handletextpad=0.6,
    )


def _columns(letters: list[int], width: float) -> int:
    """Most columns whose longest entries fit side by side."""
    for columns in range(len(letters), 1, -1):
        rows, longer = divmod(len(letters), columns)  # as matplotlib fills them: long ones first
        ends = [0]
        for k in range(columns):
            ends.append(ends[-1] + rows + (k < longer))
        longest = [max(letters[a:b]) for a, b in pairwise(ends)]
        if sum(LETTER * n + 0.52 for n in longest) <= width:
            return columns
    return 1


def mark_zero(ax: Axes, level: float = 0.0) -> None:
    """A thin horizontal line."""
    ax.axhline(level, color=MUTED, linewidth=0.6, zorder=0.5)


def thousands(value: float, _: float) -> str:
    """Tick labels of training steps: 1500 → 1.5k."""
    if abs(value) < 1000:
        return f"{value:g}"
    return f"{value / 1000:g}k"
