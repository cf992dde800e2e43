"""What probes predicted against what was true, a figure a quantity, a panel a model and axis."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lewm_probe.analyses.probe.report.tables import WHOLE
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.figures.style import FULL, Plot, grid
from lewm_probe.reports.palette import INK, MUTED
from lewm_probe.reports.results_view import WorldView

MOST_POINTS = 2000
"""Points drawn in a panel; evenly thinned beyond."""


def scatter_plots(view: WorldView) -> list[Plot]:
    """A figure for each quantity with stored predictions."""
    rows = view.rows
    kept = (rows["analysis"] == "probe") & rows["metric"].isin(["true", "predicted"])
    rows = rows[kept & rows["model"].isin(view.models)]
    found = []
    for quantity in dict.fromkeys(rows["subject"].dropna()):
        plot = _scatter(view, str(quantity), rows[rows["subject"] == quantity])
        if plot:
            found.append(plot)
    return found


def paired(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    """True and predicted side by side, of the last checkpoint of a model's first training seed."""
    mine = rows[rows["model"] == model]
    seeds = mine["train_seed"].dropna()
    if len(seeds):
        mine = mine[mine["train_seed"] == seeds.min()]
    steps = mine["step"].dropna()
    if len(steps):
        mine = mine[mine["step"] == steps.max()]
    keys = ["axis", "trajectory_id", "frame"]
    sides = [
        mine[mine["metric"] == metric].drop_duplicates(keys).set_index(keys)["value"].rename(metric)
        for metric in ("true", "predicted")
    ]
    return pd.concat(sides, axis=1, join="inner").dropna().reset_index()


def _scatter(view: WorldView, quantity: str, rows: pd.DataFrame) -> Plot | None:
    points = {model: paired(rows, model) for model in view.models}
    models = [model for model in view.models if len(points[model])]
    if not models:
        return None
    axes_names = [None if pd.isna(a) else str(a) for a in dict.fromkeys(rows["axis"])]
    at = {"subject": quantity, "method": "linear", "features": ("z", None), **WHOLE}
    unit = labels.unit(next((r.unit for r in view.pick("probe", "rmse", **at) if r.unit), None))
    unit = f" ({unit})" if unit else ""
    name = labels.quantity(quantity)
    most = max(len(points[model]) for model in models) // max(1, len(axes_names))

    def draw(width: float) -> Figure:
        by_model = width >= FULL and len(models) > 1
        across = len(models) if by_model else len(axes_names)
        count = len(models) * len(axes_names)
        side = width / max(across, 2)
        figure, panels = grid(count, width, across=across, height=min(side, 2.6) * 0.95)
        order = (
            [(m, a) for a in axes_names for m in models]
            if by_model
            else [(m, a) for m in models for a in axes_names]
        )
        for k, (ax, (model, axis)) in enumerate(zip(panels, order, strict=True)):
            table = points[model]
            mine = table[table["axis"].isna() if axis is None else table["axis"] == axis]
            mine = mine.iloc[:: max(1, len(mine) // MOST_POINTS)]
            low, high = _limits(points, models)
            ax.plot([low, high], [low, high], color=MUTED, linewidth=0.7, zorder=0.5)
            look = view.looks[model]
            ax.scatter(
                mine["true"],
                mine["predicted"],
                s=4,
                color=look.color,
                marker=look.marker,
                alpha=0.35,
                linewidths=0,
                rasterized=True,
            )
            title = look.label if axis is None else f"{look.label}, {axis}"
            ax.set_title(title, loc="left", pad=3)
            if len(mine) > 2 and mine["true"].std() > 0 and mine["predicted"].std() > 0:
                r = float(np.corrcoef(mine["true"], mine["predicted"])[0, 1])
                ax.text(
                    0.04,
                    0.96,
                    f"r = {formatting.number(r, 3)}",
                    transform=ax.transAxes,
                    va="top",
                    fontsize=7,
                    color=INK,
                )
            ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
            if k >= count - across:
                ax.set_xlabel(f"true{unit}")
            if k % across == 0:
                ax.set_ylabel(f"predicted{unit}")
        return figure

    return Plot(
        f"{view.world}-scatter-{quantity.replace('_', '-')}",
        f"{labels.sentence(name)}: predicted against true",
        f"Linear probe of z on test frames never trained on ({formatting.count(most)} frames an "
        "axis); each model’s first training seed; r is of the points drawn. Line: identity.",
        draw,
        themed=False,  # its points are an image inside the SVG
    )


def _limits(points: dict[str, pd.DataFrame], models: list[str]) -> tuple[float, float]:
    values = np.concatenate([points[m][["true", "predicted"]].to_numpy(float) for m in models])
    low, high = np.quantile(values, [0.001, 0.999])
    margin = 0.06 * (high - low) or 1.0
    return float(low - margin), float(high + margin)
