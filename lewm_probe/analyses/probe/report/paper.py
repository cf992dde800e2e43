"""Probes laid out as the LeWM paper's table (arXiv 2603.19312), its numbers beside ours."""

from __future__ import annotations

from lewm_probe.analyses.probe.report.tables import METHODS, WHOLE, main_features, quantities
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import sample
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import Cell, Column, Row, Table, cell, comma, table, text

_SEEDS = "training seeds"
_METRICS = {"mse": "MSE", "pearson_r": "r"}


def paper_probe_table(view: WorldView) -> Table | None:
    """A block of rows a quantity, columns a model: linear and MLP, error and r, ours and theirs."""
    measured = quantities(view)
    families = {view.family(model) for model in view.models}
    published = dict.fromkeys(
        one.subject
        for one in paper_values().probes
        if one.world == view.world and one.family in families and one.subject in measured
    )
    rows = []
    for quantity in published:
        bare = quantity.removesuffix(labels.RAW)
        raw = ", raw scalar" if bare != quantity else ""
        group = labels.sentence(labels.quantity(bare)).replace("position", "location")
        paper = {"whose": text(f"paper{raw}"), **_theirs(view, quantity)}
        rows += _ours(view, quantity, f"ours{raw}", group)
        rows.append(Row(paper, group=group, quiet=True))
        if raw and bare in measured:
            rows += _ours(view, bare, "ours, sine and cosine", group)
    seen = view.pick("probe", "mse", subject=tuple(published), method=METHODS, **WHOLE)
    several = (
        "Ours: mean over training seeds, beneath it the smallest and the largest of them. "
        if any(row.cells["whose"].text == _SEEDS for row in rows)
        else ""
    )
    angle = (
        " Angles: the paper’s convention is the z-scored raw scalar, and its value stands beside "
        "ours of the raw scalar; sine and cosine, with the mean error in degrees, are ours only."
        if any(quantity.endswith(labels.RAW) for quantity in published)
        else ""
    )
    return table(
        f"{view.world}-paper-probes",
        f"Probes of {view.title}, laid out as in the paper",
        f"Test error on z-scored targets and Pearson r{comma(sample(seen))} test trajectories. "
        f"{several}Paper: {paper_values().sources['lewm_paper']}.{angle}",
        [
            Column("whose", "Quantity", numeric=False),
            *(
                Column(
                    f"{model}_{method}_{metric}",
                    f"{labels.method(method)} {title}",
                    over=view.label(model),
                )
                for model in view.models
                for method in METHODS
                for metric, title in _METRICS.items()
            ),
        ],
        rows,
    )


def _ours(view: WorldView, quantity: str, name: str, group: str) -> list[Row]:
    """Means over training seeds; where there are several, their ends beneath."""
    features = main_features(view, quantity)
    own, ends = {"whose": text(name)}, {"whose": text(_SEEDS)}
    for model in view.models:
        for method in METHODS:
            at = {"model": model, "subject": quantity, "method": method, "features": features}
            degrees = view.mean("probe", "angle_error_deg", **at, **WHOLE)
            for metric in _METRICS:
                mean = view.mean("probe", metric, **at, **WHOLE)
                if mean is None:
                    continue
                key = f"{model}_{method}_{metric}"
                places = 4 if metric == "mse" and mean.value < 0.0095 else 3
                shown = formatting.number(mean.value, places)
                if degrees and metric == "mse":
                    shown += f" · {formatting.number(degrees.value, 1)}°"
                low, high = min(mean.values), max(mean.values)
                own[key] = Cell(shown, mean.value, low, high)
                if mean.checkpoints > 1:
                    reported = dict.fromkeys(formatting.number(end, places) for end in (low, high))
                    ends[key] = text((" – " if low < 0 else "–").join(reported))
    rows = [Row(own, group=group)]
    return [*rows, Row(ends, group=group, quiet=True)] if len(ends) > 1 else rows


def _theirs(view: WorldView, quantity: str) -> dict[str, Cell]:
    cells = {}
    for model in view.models:
        for method in METHODS:
            paper = paper_values().probe(view.world, view.family(model), quantity, method)
            if paper:
                cells[f"{model}_{method}_mse"] = cell(paper.mse, decimals=3)
                cells[f"{model}_{method}_pearson_r"] = cell(paper.pearson_r, decimals=3)
    return cells
