"""The figures of planning: success beside the floors, distance over time, success by distance."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lewm_probe.analyses.plan.report.names import (
    CAME,
    CEILING,
    FLOORS,
    IMAGINED,
    SHARED,
    film_name,
    rule,
)
from lewm_probe.reports import labels
from lewm_probe.reports.figures.sheet import Strip, first_entries, sheet
from lewm_probe.reports.figures.style import FULL, Plot, band, grid, handle, legend
from lewm_probe.reports.means import Mean, means, sample
from lewm_probe.reports.palette import MUTED, PAPER, Look
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.stats.ranks import wilson

BINS = 3
"""Thirds of the pairs, by the distance from start to goal."""


class _Bar(NamedTuple):
    name: str
    mean: Mean
    look: Look | None


def success_plot(view: WorldView) -> Plot | None:
    """Success with Wilson's intervals, models above the floors, a panel a rule."""
    found = view.pick("plan", "success_rate", window="any", control=(None, *FLOORS, CEILING))
    rules = list(dict.fromkeys(row.subject for row in found if row.subject))
    bars = {r: _bars(view, r) for r in rules}
    if not any(bars.values()):
        return None

    def draw(width: float) -> Figure:
        across = len(rules) if width >= FULL else 1
        most = max(map(len, bars.values()))
        figure, axes = grid(
            len(rules), width, across=across, height=0.35 + 0.19 * most, sharey=across > 1
        )
        for ax, r in zip(axes, rules, strict=True):
            rows = bars[r]
            for k, bar in enumerate(rows):
                color = MUTED if bar.look is None else bar.look.color
                low = bar.mean.value if bar.mean.low is None else bar.mean.low
                high = bar.mean.value if bar.mean.high is None else bar.mean.high
                ax.plot([low, high], [k, k], color=color, linewidth=1.1)
                ax.plot(
                    bar.mean.value,
                    k,
                    marker="o" if bar.look is None else bar.look.marker,
                    color=PAPER if bar.look is None else color,
                    markeredgecolor=color,
                    markeredgewidth=0.8,
                    markersize=4,
                )
                if bar.mean.checkpoints > 1:
                    ax.plot(
                        bar.mean.values,
                        [k + 0.22] * bar.mean.checkpoints,
                        linestyle="none",
                        marker="|",
                        markersize=3,
                        markeredgewidth=0.8,
                        color=color,
                    )
            ax.set_yticks(range(len(rows)), [bar.name for bar in rows])
            ax.set_ylim(len(rows) - 0.5, -0.6)
            ax.set_xlim(-0.02, 1.02)
            ax.grid(axis="x")
            ax.set_title(labels.sentence(rule(r)), loc="left", pad=3)
            ax.set_xlabel("pairs solved at any step")
        return figure

    return Plot(
        f"{view.world}-plan-success",
        "Success of planning and of its floors",
        f"Share of start-goal pairs solved, {sample(found)} a checkpoint. Lines: 95 % intervals "
        "(Wilson), of several training seeds the span of all; ticks: each training seed. Hollow: "
        "who acts without the model’s learning.",
        draw,
    )


def _bars(view: WorldView, r: str) -> list[_Bar]:
    at: dict[str, Any] = {"subject": r, "window": "any"}
    bars = []
    for model in view.models:
        for mean in means(view.pick("plan", "success_rate", model=model, **at))[:1]:
            bars.append(_Bar(view.label(model), mean, view.looks[model]))
    for control in (*FLOORS, CEILING):
        if control in SHARED:
            for mean in means(view.pick("plan", "success_rate", control=control, **at))[:1]:
                bars.append(_Bar(labels.control(control), mean, None))
            continue
        for model in view.models:
            rows = view.pick("plan", "success_rate", model=model, control=control, **at)
            for mean in means(rows)[:1]:
                name = f"{view.label(model)}, {labels.control(control)}"
                bars.append(_Bar(name, mean, None))
    return bars


def distance_plot(view: WorldView) -> Plot | None:
    """Distance to the goal over the blocks that were done."""
    rows = _rows(view, "distance")
    models = [m for m in view.models if len(rows[(rows["model"] == m) & rows["control"].isna()])]
    if not models:
        return None
    world_unit = _unit(view)

    def draw(width: float) -> Figure:
        figure, (ax,) = grid(1, width, across=1, height=2.4)
        handles = []
        for model in models:
            look = view.looks[model]
            own = rows[(rows["model"] == model) & rows["control"].isna()]
            _curve(ax, look, own)
            handles.append(handle(look))
        shades = np.linspace(0.35, 0.75, 3)
        for control, shade in zip(
            ("do_nothing", "random_policy", "copy_action"), shades, strict=True
        ):
            part = rows[rows["control"] == control]
            if len(part):
                middle = part.groupby("frame")["value"].mean()
                (line,) = ax.plot(
                    middle.index,
                    middle.to_numpy(),
                    color=str(shade),
                    linewidth=1,
                    linestyle=(0, (2, 1.2)),
                    label=labels.control(control),
                )
                handles.append(line)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("blocks done")
        ax.set_ylabel(f"distance to the goal{world_unit}")
        ax.grid(axis="y")
        legend(figure, handles, width=width)
        return figure

    return Plot(
        f"{view.world}-plan-distance",
        "Distance to the goal while acting",
        "Mean over pairs (and training seeds), bands: 95 % intervals of the mean over pairs.",
        draw,
    )


def _curve(ax: Any, look: Look, rows: pd.DataFrame) -> None:
    by_pair = rows.groupby(["frame", "trajectory_id"])["value"].mean().unstack("frame")
    middle, n = by_pair.mean(), by_pair.count()
    half: pd.Series = 1.96 * by_pair.std(ddof=1) / np.sqrt(n)
    x = middle.index.to_numpy(float)
    band(ax, look, x, middle, list(middle - half), list(middle + half))


def by_distance_plot(view: WorldView) -> Plot | None:
    """Success against how far the goal is."""
    won, far = _rows(view, "success"), _rows(view, "start_distance")
    won = won[(won["subject"] == "released") & (won["window"] == "any")]
    models = [m for m in view.models if len(won[(won["model"] == m) & won["control"].isna()])]
    start = far.drop_duplicates("trajectory_id").set_index("trajectory_id")["value"].astype(float)
    if not models or start.nunique() < BINS:
        return None
    edges = np.quantile(start, np.linspace(0, 1, BINS + 1))

    def draw(width: float) -> Figure:
        figure, (ax,) = grid(1, width, across=1, height=2.2)
        handles = []
        for model in models:
            look = view.looks[model]
            _binned(ax, look, won[(won["model"] == model) & won["control"].isna()], start, edges)
            handles.append(handle(look))
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel(f"distance from start to goal{_unit(view)}")
        ax.set_ylabel("pairs solved")
        ax.grid(axis="y")
        legend(figure, handles, width=width)
        return figure

    return Plot(
        f"{view.world}-plan-by-distance",
        "Success against the distance of the goal",
        f"Pairs in {BINS} equal parts by their distance, {len(start)} in all; released rule, at "
        "any step; bands: Wilson’s 95 % intervals over pairs, training seeds averaged.",
        draw,
    )


def _binned(ax: Any, look: Look, rows: pd.DataFrame, start: pd.Series, edges: np.ndarray) -> None:
    by_pair = rows.groupby("trajectory_id")["value"].mean().astype(float)
    place = np.clip(np.searchsorted(edges, start.loc[by_pair.index], side="left") - 1, 0, BINS - 1)
    x, estimates = [], []
    for k in range(BINS):
        part = by_pair.to_numpy()[place == k]
        if not len(part):
            continue
        x.append(float(start.loc[by_pair.index].to_numpy()[place == k].mean()))
        low, high = wilson(round(float(part.sum())), len(part))[1:3]
        estimates.append((float(part.mean()), low, high))
    values, lows, highs = zip(*estimates, strict=True)
    band(ax, look, x, values, lows, highs)


def by_budget_plot(view: WorldView) -> Plot | None:
    """Success against how much was imagined for a plan."""
    at: dict[str, Any] = {"subject": "released", "window": "any", "dose": ANY}
    found = view.pick("plan", "success_rate", **at)
    if not any(row.dose is not None for row in found):
        return None
    settings = {key: view.setting("plan", key, default=None) for key in ("samples", "iterations")}
    own = _own_budget(view, settings)

    def draw(width: float) -> Figure:
        figure, (ax,) = grid(1, width, across=1, height=2.2)
        handles = []
        for model in view.models:
            look = view.looks[model]
            mine = means([row for row in found if row.model == model], "dose")
            points = sorted((own if m.key["dose"] is None else m.key["dose"], m) for m in mine)
            known = [(x, m) for x, m in points if x is not None]
            if not known:
                continue
            x = [x for x, _ in known]
            values = [m.value for _, m in known]
            ends = [m.low for _, m in known], [m.high for _, m in known]
            band(ax, look, x, values, *ends)
            handles.append(handle(look))
        ax.set_xscale("log")
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel("blocks imagined a plan (samples × iterations × horizon)")
        ax.set_ylabel("pairs solved")
        ax.grid(axis="y")
        legend(figure, handles, width=width)
        return figure

    return Plot(
        f"{view.world}-plan-by-budget",
        "Success against the planning budget",
        f"Released rule, at any step, {sample(found)} a checkpoint; bands: Wilson’s 95 % "
        "intervals, of several training seeds the span of all.",
        draw,
    )


def _own_budget(view: WorldView, settings: dict[str, Any]) -> float | None:
    """Of the main setting, where the suite says its samples and iterations."""
    horizon = view.setting("plan", "horizon", default=5)
    counts = (*settings.values(), horizon)
    if not all(isinstance(one, int) for one in counts):
        return None
    return float(np.prod([float(one) for one in counts]))


def films_plot(view: WorldView) -> Plot | None:
    """A success and a failure of each model: what came, and what it had imagined."""
    groups, columns = [], 0
    for model, entry in first_entries(view).items():
        who = (view.world, entry.name, entry.train_seed, entry.step)
        for kind in ("success", "failure"):
            strips = [view.images.get(film_name(kind, row, *who)) for row in (CAME, IMAGINED)]
            if strips[0] is None or strips[1] is None:
                continue
            columns = max(columns, len(strips[0]))
            title = f"{view.label(model)}, {kind}"
            groups.append([Strip(title, strips[0], true=True), Strip("imagined", strips[1])])
    if not groups:
        return None
    heads = ["start", *(f"{k}" for k in range(1, columns - 1)), "goal"]

    def draw(width: float) -> Figure:
        if width >= FULL:
            return sheet(groups, width, heads)
        kept = [k for k in range(columns) if k in (0, columns - 1) or k % 3 == 2][-6:]
        kept = sorted({0, *kept})
        few = [
            [Strip(row.title, row.pictures[kept], row.true) for row in rows]
            for rows in groups
            if all(len(row.pictures) == columns for row in rows)
        ]
        return sheet(few, width, [heads[k] for k in kept])

    return Plot(
        f"{view.world}-plan-films",
        "A success and a failure",
        "The first pair of each that a model’s first training seed solved, and did not: the state "
        "after each block, beside what the plan was imagined to lead to, shown as the frame of a "
        "clean trajectory whose latent is nearest.",
        draw,
        themed=False,
    )


def _rows(view: WorldView, metric: str) -> pd.DataFrame:
    rows = view.rows
    return rows[
        (rows["analysis"] == "plan") & (rows["metric"] == metric) & rows["dose"].isna()
    ]  # of the main budget


def _unit(view: WorldView) -> str:
    unit = next((row.unit for row in view.pick("plan", "start_distance") if row.unit), None)
    said = labels.unit(unit)
    return f" ({said})" if said else ""
