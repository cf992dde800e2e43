"""Surprise beside what the LeWM paper (arXiv 2603.19312) says of it."""

from __future__ import annotations

from collections.abc import Sequence

from lewm_probe.analyses.voe.report.baselines import ONSET
from lewm_probe.analyses.voe.report.tables import factor_cell, main_pair
from lewm_probe.reports.means import preferred
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import (
    Cell,
    Column,
    Row,
    Table,
    count_cell,
    largest_p,
    mean_cell,
    table,
    text,
)


def paper_surprise_table(views: Sequence[WorldView]) -> Table | None:
    """The paper's two conditions in each of its worlds: what we measured, and what it says."""
    rows = []
    for view in views:
        if not paper_values().speaks_of(view.world):
            continue
        for condition in filter(None, main_pair(view)):
            for model in view.models:
                at = {"subject": condition, "model": model, "window": ONSET}
                auroc = view.mean("voe", "auroc", **at)
                ratio = view.mean("voe", "delta_log_surprise", **at)
                if auroc is None and ratio is None:
                    continue
                finding = paper_values().finding(view.world, view.family(model), condition)
                known = auroc or ratio
                cells = {
                    "model": text(view.label(model)),
                    "auroc": mean_cell(auroc, decimals=3),
                    "p_ttest_raw": largest_p(preferred(view.pick("voe", "p_ttest_raw", **at))),
                    "p_ttest": largest_p(preferred(view.pick("voe", "p_ttest", **at))),
                    "n": count_cell(known.n, known.n_high) if known else Cell(""),
                    "paper": text(finding),
                }
                if ratio:
                    cells["factor"] = factor_cell(ratio)
                group = f"{view.title}: {view.condition(condition).lower()}"
                rows.append(Row(cells, group=group))
    return table(
        "paper-surprise",
        "What we found, and what the paper says",
        "At the onset frame: AUROC, and surprise over that of the unperturbed twin (geometric "
        "mean of the ratio), with 95 % intervals; p of the paired t-test on surprise as it is, "
        "and on its logarithm (raw; the largest of several training seeds). Paper: "
        f"{paper_values().sources['lewm_paper']}, paired t-test.",
        [
            Column("model", "Model", numeric=False),
            Column("auroc", "AUROC onset [95\N{NO-BREAK SPACE}%]"),
            Column("factor", "× at onset [95\N{NO-BREAK SPACE}%]"),
            Column("p_ttest_raw", "p, paired t, surprise"),
            Column("p_ttest", "p, paired t, log surprise"),
            Column("n", "n"),
            Column("paper", "paper", numeric=False),
        ],
        rows,
    )
