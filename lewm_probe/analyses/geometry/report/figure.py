"""Latents on their two main axes, coloured by where the agent was."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lewm_probe.reports import formatting, labels
from lewm_probe.reports.figures.style import FULL, Plot, grid
from lewm_probe.reports.results_view import WorldView

MOST_POINTS = 1500
_MAPS = ("viridis", "cividis")


def latents_plot(view: WorldView) -> Plot | None:
    """A column a model, a row an axis of the position that colours the points."""
    rows = view.rows
    rows = rows[(rows["analysis"] == "geometry") & rows["model"].isin(view.models)]
    points = {model: _points(rows, model) for model in view.models}
    models = [model for model in view.models if len(points[model])]
    if not models:
        return None
    colored = [c for c in points[models[0]].columns if c not in ("pc1", "pc2")]
    colored = [c for c in colored if all(c in points[m].columns for m in models)][:2]
    if not colored:
        return None
    many = max(len(points[m]) for m in models)

    def draw(width: float) -> Figure:
        by_model = width >= FULL and len(models) > 1
        shape = (len(colored), len(models)) if by_model else (len(models), len(colored))
        side = min(width / shape[1], 2.6)
        figure, panels = grid(
            len(models) * len(colored),
            width,
            across=shape[1],
            height=side * 0.9,
            sharex=False,
            sharey=False,
        )
        order = (
            [(m, c) for c in colored for m in models]
            if by_model
            else [(m, c) for m in models for c in colored]
        )
        last = {}
        for k, (ax, (model, column)) in enumerate(zip(panels, order, strict=True)):
            table = points[model].iloc[:: max(1, len(points[model]) // MOST_POINTS)]
            last[column] = ax.scatter(
                table["pc1"],
                table["pc2"],
                c=table[column],
                s=5,
                cmap=_MAPS[colored.index(column)],
                linewidths=0,
                rasterized=True,
            )
            ax.set_title(f"{view.label(model)}", loc="left", pad=3)
            ax.set(xticks=[], yticks=[], xlabel="PC 1", ylabel="" if k % shape[1] else "PC 2")
            ax.set_box_aspect(1)
        for column in colored:
            beside = [ax for ax, (_, c) in zip(panels, order, strict=True) if c == column]
            bar = figure.colorbar(
                last[column],
                ax=beside,
                location="right" if by_model else "bottom",
                shrink=0.9,
                aspect=22,
            )
            bar.outline.set_visible(False)
            bar.set_label(column)
        return figure

    return Plot(
        f"{view.world}-latents",
        "Latents coloured by position",
        f"First two principal components of z, {formatting.count(many)} frames; each model’s first "
        f"training seed. Colour: {labels.listing(colored)}. A map that unrolls smoothly is what a "
        "linear probe reads; principal axes have no sign or rotation of their own.",
        draw,
        themed=False,
    )


def _points(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    mine = rows[rows["model"] == model]
    seeds, steps = mine["train_seed"].dropna(), mine["step"].dropna()
    if len(seeds):
        mine = mine[mine["train_seed"] == seeds.min()]
    if len(steps):
        mine = mine[mine["step"] == steps.max()]
    keys = ["trajectory_id", "frame"]
    columns = {}
    for (metric, axis), part in mine.groupby(["metric", "axis"], dropna=False, sort=False):
        if metric in ("pc1", "pc2"):
            name = str(metric)
        else:
            name = labels.plain(str(metric)) + ("" if str(axis) in ("nan", "<NA>") else f", {axis}")
        values = part.drop_duplicates(keys).set_index(keys)["value"]
        if not part[keys].isna().all().any():
            columns[name] = values.astype(float)
    if not {"pc1", "pc2"} <= set(columns):
        return pd.DataFrame()
    return pd.DataFrame(columns).dropna().reset_index(drop=True)
