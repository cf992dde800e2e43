"""Probe tables: the paper's layout for all quantities, then one whole table a quantity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import means, sample
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import (
    SPAN,
    Cell,
    Column,
    Row,
    Table,
    bare_cell,
    cell,
    comma,
    count_cell,
    mean_cell,
    table,
    text,
)
from lewm_probe.results.schema import Metric

METHODS = ("linear", "mlp")
MODEL_FREE = ("mean", "time_index", "pixel_pca")
"""Controls that never look at the model: one row, not one a model."""

WHOLE: dict[str, Any] = {"horizon": None, "window": None}
"""Probes trained and tested on everything, not on imagined latents or a part of the data."""

_METRICS = (
    "mse",
    "mse_sample_sd",
    "mse_seed_sd",
    "pearson_r",
    "r2",
    "rmse",
    "angle_error_deg",
    "selectivity",
)


def quantities(view: WorldView) -> list[str]:
    """Probed quantities, in order of appearance."""
    return view.subjects("probe", ("mse", "pearson_r"), control=ANY, **WHOLE)


def main_features(view: WorldView, quantity: str) -> str | None:
    """What a quantity is read from in the summary: z when it was measured, else the first."""
    rows = view.pick("probe", ("mse", "pearson_r"), subject=quantity, **WHOLE)
    found = list(dict.fromkeys(row.features for row in rows))
    return "z" if "z" in found or not found else found[0]


def probe_tables(view: WorldView) -> list[Table]:
    """The summary, a table for each quantity, and paired differences between models."""
    found = [_summary(view), *(_quantity(view, q) for q in quantities(view)), _differences(view)]
    return [one for one in found if one is not None]


def _summary(view: WorldView) -> Table | None:
    columns = [Column("model", "Model", numeric=False)]
    for method in METHODS:
        title = labels.method(method)
        columns += [
            Column(f"{method}_mse", f"{title} MSE [95\N{NO-BREAK SPACE}%]"),
            Column(f"{method}_mse_sample_sd", "± SD"),
            Column(f"{method}_r", f"{title} r"),
            Column(f"{method}_random_r", "r, random weights"),
            Column(f"{method}_paper", "paper MSE / r"),
        ]
    rows = []
    seen: list[Metric] = []
    for quantity in quantities(view):
        features = main_features(view, quantity)
        group = labels.sentence(labels.quantity(quantity))
        group += "" if features in ("z", None) else f" (from {labels.features(features)})"
        for model in view.models:
            cells = {"model": text(view.label(model))}
            for method in METHODS:
                at = {"subject": quantity, "method": method, "model": model, **WHOLE}
                found = view.pick("probe", _METRICS, features=features, **at)
                if found:
                    seen += found
                    random = view.mean(
                        "probe",
                        "pearson_r",
                        features=(features, None),
                        control="random_weights",
                        **at,
                    )
                    by = _by_metric(found)
                    cells |= {
                        f"{method}_mse": by.get("mse", cell(None)),
                        f"{method}_mse_sample_sd": by.get("mse_sample_sd", cell(None)),
                        f"{method}_r": _bare(by.get("pearson_r", cell(None))),
                        f"{method}_random_r": mean_cell(random, decimals=3, bare=True),
                        f"{method}_paper": _paper(view, model, quantity, method),
                    }
            if len(cells) > 1:
                rows.append(Row(cells, group=group))
    raw = (
        " Angles are read as sine and cosine; raw scalar: as the paper reads them."
        if any(quantity.endswith(labels.RAW) for quantity in quantities(view))
        else ""
    )
    return table(
        f"{view.world}-probes",
        "Probes",
        f"Test error on z-scored targets{comma(sample(seen))} test trajectories; MSE with 95 % "
        "interval over trajectories, ± SD over samples. Random weights: the same architecture "
        f"untrained. {SPAN} "
        f"Paper: {paper_values().sources['lewm_paper']}.{raw}",
        columns,
        rows,
    )


def _paper(view: WorldView, model: str, quantity: str, method: str) -> Cell:
    paper = paper_values().probe(view.world, view.family(model), quantity, method)
    if paper is None:
        return Cell(formatting.MISSING)
    return Cell(f"{paper.mse:.3f} / {paper.pearson_r:.3f}", f"{paper.mse}/{paper.pearson_r}")


def _quantity(view: WorldView, quantity: str) -> Table | None:
    found = view.pick("probe", _METRICS, subject=quantity, control=ANY, **WHOLE)
    unit = labels.unit(next((r.unit for r in found if r.metric == "rmse" and r.unit), None))
    main = main_features(view, quantity)
    names = dict.fromkeys(row.features for row in found if row.control is None)
    rows = []
    for features in sorted(names or {main: None}, key=lambda name: (name != main, name or "")):
        known = {row.method for row in found if row.method}
        methods: list[str | None] = [*sorted(known, key=labels.method_order)]
        for method in methods or [None]:
            # Controls without features stand once, beside the main ones; those without a method
            # (the mean) beside the first.
            bare = {None} if features == main else set()
            free = {None} if method in methods[:1] else set()
            part = [
                row
                for row in found
                if (row.features == features or (row.control and row.features in bare))
                and (row.method == method or (row.control and row.method in free))
            ]
            group = labels.sentence(f"{labels.method(method)} probe".strip())
            group += f" of {labels.features(features)}" if features else ""
            for model, control, mine in _subjects(view, part):
                cells = _cells(view, quantity, model, control, mine, main == features)
                rows.append(Row(cells, group=group, quiet=control is not None))
    return table(
        f"{view.world}-probes-{quantity.replace('_', '-')}",
        labels.sentence(labels.quantity(quantity)),
        "MSE on z-scored targets with 95 % interval over test trajectories; SD over samples, over "
        "the probe’s seeds and over training seeds; Pearson r; R²; RMSE in the quantity’s unit. "
        "Selectivity: R² minus R² on a random function of discretised state. Controls: mean of "
        "the training targets, time index only, pixel PCA of the same width, same architecture "
        "with random weights; random cells: the quantity replaced by a random function of its "
        f"discretised value. Paper: {paper_values().sources['lewm_paper']}.",
        [
            Column("model", "Model or control", numeric=False),
            Column("mse", "MSE [95\N{NO-BREAK SPACE}%]"),
            Column("mse_sample_sd", "± sample SD"),
            Column("mse_seed_sd", "probe-seed SD"),
            Column("train_seed_sd", "training-seed SD"),
            Column("pearson_r", "r"),
            Column("r2", "R²"),
            Column("rmse", f"RMSE ({unit})" if unit else "RMSE"),
            Column("angle_error_deg", "angle error (°)"),
            Column("selectivity", "selectivity"),
            Column("paper_mse", "paper MSE"),
            Column("paper_r", "paper r"),
            Column("checkpoints", "checkpoints"),
            Column("n", "n"),
        ],
        rows,
    )


def _subjects(
    view: WorldView, part: list[Metric]
) -> Iterator[tuple[str, str | None, list[Metric]]]:
    """(model, control, rows), models first; model-free controls have an empty model."""
    for control in sorted(dict.fromkeys(row.control for row in part), key=labels.control_order):
        rows = [row for row in part if row.control == control]
        if control in MODEL_FREE:
            yield "", control, rows
            continue
        for model in view.models:
            mine = [row for row in rows if row.model == model]
            if mine:
                yield model, control, mine


def _cells(
    view: WorldView,
    quantity: str,
    model: str,
    control: str | None,
    rows: list[Metric],
    main: bool,
) -> dict[str, Cell]:
    by = _by_metric(rows)
    names = [view.label(model)] if model else []
    names += [labels.control(control)] if control else []
    cells = {"model": text(", ".join(names)), **by}
    for bare in ("r2", "mse_sample_sd", "mse_seed_sd"):
        if bare in by:
            cells[bare] = _bare(by[bare])
    method = rows[0].method
    if main and control is None and method:
        paper = paper_values().probe(view.world, view.family(model), quantity, method)
        cells["paper_mse"] = cell(paper.mse if paper else None, decimals=3)
        cells["paper_r"] = cell(paper.pearson_r if paper else None, decimals=3)
    for mse in means(row for row in rows if row.metric == "mse"):
        cells["n"] = count_cell(mse.n, mse.n_high)
        if control is None:
            cells["train_seed_sd"] = cell(mse.seed_sd, decimals=4)
            cells["checkpoints"] = count_cell(mse.checkpoints)
    return cells


def _differences(view: WorldView) -> Table | None:
    found = [
        row for row in view.pick("probe", "mse", versus=ANY, **WHOLE) if row.versus is not None
    ]
    rows = []
    for mean in means(found, "model", "versus", "subject", "features", "method"):
        model, versus, subject, features, method = mean.key.values()
        other = view.label(versus) if versus in view.looks else labels.control(versus)
        read = [labels.features(features), labels.method(method)]
        cells = {
            "pair": text(f"{view.label(model)} − {other}"),
            "read": text(", ".join(word for word in read if word)),
            "difference": mean_cell(mean),
            "n": count_cell(mean.n, mean.n_high),
        }
        rows.append(Row(cells, group=labels.sentence(labels.quantity(subject or ""))))
    rows.sort(key=lambda row: row.group)
    return table(
        f"{view.world}-probe-differences",
        "Paired differences between models",
        "Difference of MSE on the same test trajectories, with 95 % interval (negative: the first "
        "is better). Several training seeds: a t interval over seeds with the variance over "
        "trajectories added; with one seed each it speaks of these checkpoints.",
        [
            Column("pair", "Models", numeric=False),
            Column("read", "Probe", numeric=False),
            Column("difference", "Δ MSE [95\N{NO-BREAK SPACE}%]"),
            Column("n", "n"),
        ],
        rows,
    )


def _by_metric(rows: list[Metric]) -> dict[str, Cell]:
    """A cell for each metric; errors with three decimals, or four where three would say nothing."""
    out = {}
    for mean in means(rows, "metric"):
        metric = mean.key["metric"]
        decimals = 3 if metric in ("pearson_r", "r2", "selectivity") else None
        if metric.startswith("mse"):
            decimals = 3 if mean.value >= 0.0095 else 4
        out[metric] = mean_cell(mean, decimals=decimals, bare=metric.endswith("_sd"))
    return out


def _bare(found: Cell) -> Cell:
    return bare_cell(found)
