"""Tables of straightness, rollouts and geometry."""

from __future__ import annotations

from typing import Any

from lewm_probe.analyses.voe.report.tables import diagnostic
from lewm_probe.reports import labels
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import ANY, WorldView, means, sample
from lewm_probe.reports.tables.table import (
    Cell,
    Column,
    Row,
    Table,
    cell,
    comma,
    mean_cell,
    table,
    text,
)
from lewm_probe.results.schema import Metric

PATHS = {"encoded": "encoded latents", "imagined": "imagined latents"}
MODEL_FREE = ("pixel_space", "state_space")


def straightness_table(view: WorldView) -> Table | None:
    """Straightness, curvature and masked share, with every control."""
    metrics = ("cosine", "curvature_deg", "masked_share")
    found = view.pick("straightness", metrics, control=ANY, window=None)
    rows = []
    for stride in sorted({row.stride for row in found}, key=lambda s: s or 0):
        group = "" if stride is None else f"Stride {stride}"
        of_stride = [row for row in found if row.stride == stride]
        for control in sorted({row.control for row in of_stride}, key=labels.control_order):
            of_control = [row for row in of_stride if row.control == control]
            names: list[str | None] = [None] if control in MODEL_FREE else list(view.models)
            for method in dict.fromkeys(row.method for row in of_control):
                for model in names:
                    mine = [
                        r for r in of_control if r.method == method and model in (None, r.model)
                    ]
                    if mine:
                        rows.append(_straight_row(view, model, method, control, mine, group))
    return table(
        f"{view.world}-straightness",
        "Straightness of paths",
        "S: mean cosine between successive latent steps, over whole trajectories; 95 % interval "
        f"over trajectories{comma(sample(found))}. Local curvature in degrees; share of steps "
        "masked as too short. Beside it, as cosine ignores scale: effective rank, and R² of a "
        "linear probe of position. Levels: 1 a line, 0 a random walk, −0.5 independent noise in "
        f"high dimension. Published: {paper_values().sources['audit']}.",
        [
            Column("what", "Path", numeric=False),
            Column("cosine", "S [95\N{NO-BREAK SPACE}%]"),
            Column("curvature_deg", "curvature (°)"),
            Column("masked_share", "masked share"),
            Column("effective_rank", "effective rank"),
            Column("r2", "R², position"),
            Column("paper", "published S"),
        ],
        rows,
    )


def _straight_row(
    view: WorldView,
    model: str | None,
    method: str | None,
    control: str | None,
    rows: list[Metric],
    group: str,
) -> Row:
    decimals = {"cosine": 3, "masked_share": 4}
    cells: dict[str, Cell] = {}
    for mean in means(rows, "metric"):
        metric = mean.key["metric"]
        bare = metric == "masked_share"
        cells[metric] = mean_cell(mean, decimals=decimals.get(metric), bare=bare)
    if model and control is None and rows[0].stride in (1, None) and method == "encoded":
        cells["effective_rank"] = mean_cell(diagnostic(view, "effective_rank", model), bare=True)
        for read in means(
            view.pick("straightness", "r2", model=model, method="linear", subject=ANY)
        ):
            cells["r2"] = mean_cell(read, decimals=3, bare=True)
    if model and control is None:
        at = (view.world, view.family(model), "straightness", "cosine", method)
        paper = paper_values().level(*at)
        cells["paper"] = cell(paper.value if paper else None, decimals=3)
    path = PATHS.get(method or "", labels.plain(method or ""))
    what = [view.label(model)] if model else []
    what += [labels.control(control)] if control else []
    what += [path] if path and (control is None or method != "encoded") else []
    return Row({"what": text(", ".join(what)), **cells}, group=group, quiet=control is not None)


def rollout_table(view: WorldView) -> Table | None:
    """Latent error and error of read quantities against horizon."""
    found = view.pick("rollout", ("mse", "rmse", "angle_error_deg"), control=ANY)
    found = [row for row in found if row.horizon is not None]
    horizons = sorted({row.horizon for row in found if row.horizon is not None})
    rows = []
    seen: dict[tuple[Any, ...], list[Metric]] = {}
    for row in found:
        key = (row.subject, row.metric, row.method, row.control)
        seen.setdefault(key, []).append(row)
    for (subject, metric, method, control), part in seen.items():
        unit = labels.unit(next((row.unit for row in part if row.unit), None))
        title = labels.sentence(labels.quantity(subject)) if subject else "Latent error"
        group = f"{title}: {labels.metric(metric)}{f' ({unit})' if unit else ''}"
        group += f", {labels.method(method)} probe" if method and subject else ""
        for model in view.models:
            name = view.label(model) + (f", {labels.control(control)}" if control else "")
            cells = {"what": text(name)}
            for mean in means([row for row in part if row.model == model], "horizon"):
                cells[f"k{mean.key['horizon']}"] = mean_cell(mean, bare=True)
            if len(cells) > 1:
                rows.append(Row(cells, group=group, quiet=control is not None))
    rows.sort(key=lambda row: (not row.group.startswith("Latent"), row.group, row.quiet))
    return table(
        f"{view.world}-rollout",
        "Rollouts",
        f"Error of imagined latents k blocks ahead{comma(sample(found))}: mean squared error in "
        "the latent space, and quantities read from imagined latents by probes trained on encoded "
        "ones. Copy last: the latent before the first imagined one. 95 % intervals are in the CSV.",
        [
            Column("what", "Model or baseline", numeric=False),
            *(Column(f"k{h}", f"k = {h}") for h in horizons),
        ],
        rows,
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
        "mere position in the trajectory tells. Several training seeds: mean, and the envelope "
        "of the checkpoints’ intervals or values.",
        [
            Column("model", "Model", numeric=False),
            *(Column(key, title) for key, (title, _) in _GEOMETRY.items()),
            Column("paper", "published effective rank"),
        ],
        rows,
    )
