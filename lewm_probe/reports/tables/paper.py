"""Tables laid out as the LeWM paper's (arXiv 2603.19312), its numbers beside ours."""

from __future__ import annotations

from collections.abc import Sequence

from lewm_probe.reports import words
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.tables.probes import METHODS, WHOLE, main_features, quantities
from lewm_probe.reports.tables.table import (
    Cell,
    Column,
    Row,
    Table,
    cell,
    comma,
    count_cell,
    largest_p,
    mean_cell,
    spread_cell,
    table,
    text,
)
from lewm_probe.reports.tables.voe import ONSET, factor, main_pair
from lewm_probe.reports.view import WorldView, preferred, sample

_METRICS = {"mse": "MSE", "pearson_r": "r", "angle_error_deg": "error (°)"}


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
    raw = False
    for quantity in published:
        bare = quantity.removesuffix(words.RAW)
        waves = bare != quantity
        raw = raw or waves
        group = words.sentence(words.quantity(bare)).replace("position", "location")
        ours = "ours, raw scalar" if waves else "ours"
        rows += [
            Row({"whose": text(ours), **_ours(view, quantity)}, group=group),
            Row({"whose": text("paper"), **_theirs(view, quantity)}, group=group, quiet=True),
        ]
        if waves and bare in measured:
            named = {"whose": text("ours, sine and cosine"), **_ours(view, bare)}
            rows.append(Row(named, group=group))
    seen = view.pick("probe", "mse", subject=tuple(published), method=METHODS, **WHOLE)
    angle = (
        " Angles: the paper’s convention is the z-scored raw scalar, so that its value stands "
        "beside ours of the raw scalar; sine and cosine, and the error in degrees, are ours only."
        if raw
        else ""
    )
    return table(
        f"{view.world}-paper-probes",
        f"Probes of {words.world(view.world)}, laid out as in the paper",
        f"Test error on z-scored targets and Pearson r{comma(sample(seen))} test trajectories; "
        "mean over training seeds (smallest – largest). Quiet rows: "
        f"{paper_values().sources['lewm_paper']}.{angle}",
        [
            Column("whose", "Quantity", numeric=False),
            *(
                Column(
                    f"{model}_{method}_{metric}",
                    f"{words.method(method)} {title}",
                    over=view.label(model),
                )
                for model in view.models
                for method in METHODS
                for metric, title in _METRICS.items()
            ),
        ],
        rows,
    )


def _ours(view: WorldView, quantity: str) -> dict[str, Cell]:
    features = main_features(view, quantity)
    cells = {}
    for model in view.models:
        for method in METHODS:
            at = {"subject": quantity, "method": method, "features": features, **WHOLE}
            for metric in _METRICS:
                mean = view.mean("probe", metric, model=model, **at)
                if mean:
                    cells[f"{model}_{method}_{metric}"] = spread_cell(mean)
    return cells


def _theirs(view: WorldView, quantity: str) -> dict[str, Cell]:
    cells = {}
    for model in view.models:
        for method in METHODS:
            paper = paper_values().probe(view.world, view.family(model), quantity, method)
            if paper:
                cells[f"{model}_{method}_mse"] = cell(paper.mse, decimals=3)
                cells[f"{model}_{method}_pearson_r"] = cell(paper.pearson_r, decimals=3)
    return cells


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
                    ends = (factor(end) for end in (ratio.value, ratio.low, ratio.high))
                    cells["factor"] = cell(*ends)
                group = f"{words.world(view.world)}: {words.condition(condition).lower()}"
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
