"""Loss curves: each logged term in a panel of its own, every training seed a line."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lewm_probe.reports import labels
from lewm_probe.reports.figures.style import FULL, Plot, grid, handle, legend, thousands
from lewm_probe.reports.palette import MUTED
from lewm_probe.reports.results_view import WorldView
from lewm_probe.results.schema import ModelEntry
from lewm_probe.results.speed import SPEED

_NOT_DRAWN = SPEED | {
    "step",
    "epoch",
    "split",
    "learning_rate",
    "seconds",
    "wall_seconds",
    "total_steps",
    "seconds_left",
}
_FIRST = ("loss", "prediction")
_LAST = ("latent_std", "centered_effective_rank", "effective_rank")
"""The third is of validation alone; in results of schema 1 it is the second, so called then."""
_VALIDATION = ("validation_", "validation/", "val_", "val/")
_TITLES = {
    "loss": "Total loss",
    "prediction": "Prediction",
    "sigreg": "SIGReg",
    "latent_std": "SD of latents",
    "centered_effective_rank": "Centred rank",
    "effective_rank": "Effective rank",
    "inverse_dynamics": "Inverse dynamics",
}


def loss_plot(view: WorldView) -> Plot | None:
    """Training terms as lines, validation as points of the same model."""
    entries = [entry for entry in view.entries if len(entry.curves.get("step", ())) > 1]
    names = dict.fromkeys(_base(key) for entry in entries for key in entry.curves)
    terms = [name for name in names if name not in _NOT_DRAWN and _drawn(entries, name)]
    logged = list(names)
    terms.sort(
        key=lambda term: (
            _FIRST.index(term) if term in _FIRST else len(_FIRST),
            term in _LAST,
            _own(entries, term),
            logged.index(term),
        )
    )
    if not terms:
        return None
    models = [m for m in view.models if any(entry.name == m for entry in entries)]
    validated = any(key.startswith(_VALIDATION) for entry in entries for key in entry.curves)

    def draw(width: float) -> Figure:
        most = 4 if width >= FULL else 2
        across = -(-len(terms) // -(-len(terms) // most))  # rows of even length
        figure, axes = grid(len(terms), width, across=across, height=1.35, sharey=False)
        for k, (ax, term) in enumerate(zip(axes, terms, strict=True)):
            drawn = []
            for entry in entries:
                look = view.looks[entry.name]
                for key in (term, *(prefix + term for prefix in _VALIDATION)):
                    x, y = _curve(entry, key)
                    if not len(x):
                        continue
                    drawn.append(y)
                    if key == term and any(p + term in entry.curves for p in _VALIDATION):
                        ax.plot(x, y, color=look.color, linewidth=0.6, alpha=0.55)
                    elif key == term:
                        ax.plot(x, y, color=look.color, linewidth=0.8, linestyle=look.dash)
                    else:
                        ax.plot(
                            x,
                            y,
                            color=look.color,
                            linewidth=0.9,
                            linestyle=look.dash,
                            marker=look.marker,
                            markersize=2,
                        )
            values = np.concatenate(drawn)
            if (values > 0).all() and values.max() > 30 * np.median(values[-len(values) // 2 :]):
                ax.set_yscale("log")
            ax.set_title(_TITLES.get(term, labels.sentence(labels.plain(term))), loc="left", pad=3)
            ax.grid(axis="y")
            ax.xaxis.set_major_formatter(thousands)
            if k + across >= len(terms):
                ax.set_xlabel("training step")
        marks = [handle(view.looks[m]) for m in models]
        if validated:
            marks.append(
                Line2D([], [], color=MUTED, linewidth=0.6, alpha=0.8, label="training batches")
            )
        legend(figure, marks, width=width)
        return figure

    seeds = max(sum(entry.name == model for entry in entries) for model in models)
    return Plot(
        f"{view.world}-losses",
        "Loss curves",
        "Every logged term, unweighted (total: weighted sum), one line a training seed"
        f" (up to {seeds} a model). "
        + ("Marked lines: validation by episode; thin: training batches. " if validated else "")
        + "Terms are logged even where their weight is zero. SD and effective rank of the latents "
        "show collapse while it happens.",
        draw,
    )


def _base(key: str) -> str:
    for prefix in (*_VALIDATION, "train_", "train/"):
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return key


def _drawn(entries: list[ModelEntry], term: str) -> bool:
    return any(len(_curve(entry, term)[0]) > 1 for entry in entries) or any(
        len(_curve(entry, prefix + term)[0]) > 1 for entry in entries for prefix in _VALIDATION
    )


def _own(entries: list[ModelEntry], term: str) -> int:
    """Terms that all families log come first."""
    families = {e.family for e in entries}
    having = {e.family for e in entries if any(_base(key) == term for key in e.curves)}
    return len(families) - len(having)


def _curve(entry: ModelEntry, key: str) -> tuple[np.ndarray, np.ndarray]:
    values = (
        entry.curves.get(key)
        or entry.curves.get(f"train_{key}")
        or entry.curves.get(f"train/{key}")
    )
    if not values:
        return np.zeros(0), np.zeros(0)
    pairs = [
        (s, v) for s, v in zip(entry.curves["step"], values, strict=False) if None not in (s, v)
    ]
    table = np.array(pairs, float).reshape(-1, 2)
    table = table[np.isfinite(table).all(axis=1)]
    return table[:, 0], table[:, 1]
