"""The table of straightness."""

from __future__ import annotations

from lewm_probe.analyses.geometry.report.collapse import diagnostic
from lewm_probe.reports import labels
from lewm_probe.reports.means import means, sample
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import ANY, WorldView
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
