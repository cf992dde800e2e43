"""Straightness of encoded and imagined paths beside its controls."""

from __future__ import annotations

from matplotlib.figure import Figure

from lewm_probe.analyses.straightness.report.tables import MODEL_FREE, PATHS
from lewm_probe.reports import labels
from lewm_probe.reports.figures.style import FULL, Plot, grid, handle, legend
from lewm_probe.reports.means import Mean, means, sample
from lewm_probe.reports.palette import FAINT, INK, MUTED, PAPER
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import comma

_ORDER = ("state_space", "", "random_weights", "pixel_space", "time_shuffled", "iid_noise")


_SLOT = 0.075
"""Height in inches that a model's marker takes, so that none covers another's."""


def straightness_plot(view: WorldView) -> Plot | None:
    """A row a kind of path, a marker a model; strides side by side."""
    found = view.pick("straightness", "cosine", control=ANY, window=None)
    if not any(row.control is None for row in found):
        return None
    strides = sorted({row.stride for row in found}, key=lambda s: s or 0)
    kinds: dict[tuple[str, str], None] = {}
    points: dict[tuple[int | None, tuple[str, str], str], Mean] = {}
    for row_of in means(found, "stride", "control", "method", "model"):
        stride, control, method, model = row_of.key.values()
        kind = (control or "", "" if control and method == "encoded" else method or "")
        kinds.setdefault(kind)
        points[stride, kind, "" if control in MODEL_FREE else model] = row_of
    order = sorted(kinds, key=lambda k: (_rank(k[0]), k))
    models = [m for m in view.models if any(row.model == m for row in found)]

    def draw(width: float) -> Figure:
        across = min(len(strides), 3) if width >= FULL else 1
        shown = strides if width >= FULL else strides[:1]
        row = max(0.26, len(models) * _SLOT + 0.06)
        figure, axes = grid(len(shown), width, across=across, height=row * len(order) + 0.45)
        for ax, stride in zip(axes, shown, strict=True):
            ax.axvline(0, color=MUTED, linewidth=0.6, zorder=0.5)
            for y, kind in enumerate(order):
                ax.axhline(y, color=FAINT, linewidth=0.5, zorder=0.4)
                for k, model in enumerate(["", *models]):
                    mean = points.get((stride, kind, model))
                    if mean is None:
                        continue
                    look = view.looks.get(model)
                    color = look.color if look else INK
                    at = y + (0.0 if not model else (k - 1 - (len(models) - 1) / 2) * _SLOT / row)
                    if mean.low is not None and mean.high is not None:
                        ax.plot([mean.low, mean.high], [at, at], color=color, linewidth=1.2)
                    ax.plot(
                        mean.value,
                        at,
                        marker=look.marker if look else "d",
                        color=color,
                        markerfacecolor=PAPER if kind[0] else color,
                        markeredgewidth=0.9,
                        markersize=4,
                        linestyle="none",
                    )
            ax.set_yticks(range(len(order)), [_name(kind) for kind in order])
            ax.set_ylim(len(order) - 0.5, -0.5)
            ax.tick_params(axis="y", length=0)
            ax.set_title("" if stride is None else f"stride {stride}", loc="left", pad=3)
        for ax in axes[-across:]:
            ax.set_xlabel("straightness S")
        legend(figure, [handle(view.looks[m], line=False) for m in models], width=width)
        return figure

    return Plot(
        f"{view.world}-straightness",
        "Straightness beside its controls",
        "Mean cosine between successive steps of a path, over whole trajectories"
        f"{comma(sample(found))}; bars: 95 % intervals (envelope over training seeds). Hollow: "
        "controls. 1: a line; 0: a random walk; −0.5: independent noise in high dimension. A "
        "collapsed latent looks straight too: read the effective rank beside it. "
        "At column width, the shortest stride alone.",
        draw,
    )


def _name(kind: tuple[str, str]) -> str:
    control, method = kind
    if not control:
        return PATHS.get(method, labels.plain(method) or "encoded latents")
    name = labels.control(control)
    return f"{name}, {labels.plain(method)}" if method else name


def _rank(control: str) -> int:
    return _ORDER.index(control) if control in _ORDER else len(_ORDER)
