"""The table of geometry."""

from __future__ import annotations

from typing import Any

from lewm_probe.reports.means import sample
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import (
    SPAN,
    Column,
    Row,
    Table,
    cell,
    comma,
    mean_cell,
    table,
    text,
)

_GEOMETRY: dict[str, tuple[str, dict[str, Any]]] = {
    "effective_rank": ("effective rank", {}),
    "participation_ratio": ("participation ratio", {}),
    "trace_cov": ("tr Cov z", {}),
    "variance_min": ("variance of an axis, min", {"window": "min"}),
    "variance_median": ("median", {"window": "median"}),
    "variance_max": ("max", {"window": "max"}),
    "sigreg": ("SIGReg", {}),
    "sigreg_gaussian": ("SIGReg, Gaussian", {"control": "gaussian"}),
    "r2_time": ("R² from time", {"subject": "time_index"}),
}
_METRIC_OF = {
    "variance_min": "dimension_variance",
    "variance_median": "dimension_variance",
    "variance_max": "dimension_variance",
    "sigreg_gaussian": "sigreg",
    "r2_time": "r2",
}


def geometry_table(view: WorldView) -> Table | None:
    """Spread and shape of the latents, with the Gaussian level of SIGReg."""
    rows = []
    for model in view.models:
        cells = {}
        for key, (_, keys) in _GEOMETRY.items():
            metric = _METRIC_OF.get(key, key)
            mean = view.mean("geometry", metric, model=model, features=("z", None), **keys)
            cells[key] = mean_cell(mean)
        if any(c.value is not None for c in cells.values()):
            at = (view.world, view.family(model), "geometry", "effective_rank")
            paper = paper_values().level(*at)
            cells["paper"] = cell(paper.value if paper else None, decimals=0)
            rows.append(Row({"model": text(view.label(model)), **cells}))
    found = view.pick("geometry", ANY, subject=ANY)
    return table(
        f"{view.world}-geometry",
        "Geometry of the latents",
        f"On unperturbed trajectories{comma(sample(found))}. Effective rank: exponential of the "
        "entropy of singular values (RankMe). SIGReg: distance from an isotropic Gaussian, beside "
        "its value for a true Gaussian sample of the same size. R² from time: how much of z the "
        f"mere position in the trajectory tells. Intervals 95 %. {SPAN}",
        [
            Column("model", "Model", numeric=False),
            *(Column(key, title) for key, (title, _) in _GEOMETRY.items()),
            Column("paper", "published effective rank"),
        ],
        rows,
    )
