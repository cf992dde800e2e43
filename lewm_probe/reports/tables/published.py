"""Tables against a published result: headline differences, then every one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import sample
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import (
    Cell,
    Column,
    Row,
    Table,
    cell,
    comma,
    count_cell,
    mean_cell,
    table,
    text,
)
from lewm_probe.results.schema import PAIRED, STORED, UNPAIRED, Metric

HOW = {PAIRED: "paired", UNPAIRED: "unpaired", STORED: "no rows"}

_GROUPS = {  # in order of display
    ("voe", "auroc"): "AUROC at onset",
    ("voe", "delta_log_surprise"): "Δ log surprise at onset",
    ("probe", "mse"): "Probes: MSE on z-scored targets",
    ("probe", "pearson_r"): "Probes: r",
    ("probe", "angle_error_deg"): "Probes: angle error (°)",
    ("straightness", "cosine"): "Straightness S",
    ("rollout", "mse_over_copy_last"): "Rollouts: error over copy-last",
    ("geometry", "effective_rank"): "Effective rank",
}
_LONG = 160
"""A name of a published model that is longer is cut in headings: untrusted sources choose them."""


@dataclass(frozen=True)
class StoredDifference:
    """One stored difference: the metric it is of, and how it was made."""

    row: Metric
    metric: str
    how: str

    @property
    def group(self) -> str:
        """The heading it stands under."""
        at = (self.row.analysis, self.metric)
        named = f"{labels.sentence(self.row.analysis)}: {labels.metric(self.metric)}"
        return _GROUPS.get(at, named)

    @property
    def order(self) -> int:
        """Place of its heading."""
        at = (self.row.analysis, self.metric)
        return list(_GROUPS).index(at) if at in _GROUPS else len(_GROUPS)

    @property
    def name(self) -> str:
        """What it is of, below its heading."""
        row = self.row
        by_condition = labels.condition if row.analysis == "voe" else labels.quantity
        said = [by_condition(row.subject)] if row.subject else []
        said += [labels.method(row.method)] if row.method else []
        said += [labels.features(row.features)] if row.features not in ("z", None) else []
        said += [f"k = {row.horizon}"] if row.horizon is not None else []
        said += [f"stride {row.stride}"] if row.stride is not None else []
        said += [formatting.percent(row.dose)] if row.dose is not None else []
        whole = ", ".join(said) or "latents"
        return whole if whole.startswith("k = ") else labels.sentence(whole)


def against_tables(view: WorldView) -> list[Table]:
    """For each of our models: headline differences, then all of them; empty without any."""
    found: list[Table | None] = []
    everything = list(_differences(view))
    for model in view.models:
        mine = [one for one in everything if one.row.model == model]
        mine.sort(key=lambda one: one.order)  # stable: conditions stay in order of appearance
        found += [_headlines(view, model, mine), _all(view, model, mine)]
    return [one for one in found if one is not None]


def _differences(view: WorldView) -> Iterator[StoredDifference]:
    for analysis in ("voe", "probe", "straightness", "rollout", "geometry", "plan"):
        for row in view.pick(analysis, ANY, versus=ANY, dose=ANY):
            for ending, how in HOW.items():
                if row.metric.endswith(ending):
                    yield StoredDifference(row, row.metric.removesuffix(ending), how)


def _headline(one: StoredDifference, longest: int | None) -> bool:
    row = one.row
    if row.dose is not None or row.features not in ("z", None):
        return row.analysis == "probe" and row.features == "z_triplet" and one.metric == "mse"
    if row.analysis == "rollout":
        return one.metric == "mse_over_copy_last" and row.horizon == longest
    if row.analysis == "straightness":
        return one.metric == "cosine" and row.stride in (1, None)
    if row.horizon is not None:
        return False
    wanted = {
        "voe": ("auroc",),
        "probe": ("mse",),
        "geometry": ("effective_rank",),
        "plan": ("success_rate",),
    }
    return one.metric in wanted.get(row.analysis, ())


def _headlines(view: WorldView, model: str, mine: list[StoredDifference]) -> Table | None:
    horizons = [d.row.horizon for d in mine if d.row.analysis == "rollout" and d.row.horizon]
    longest = max(horizons, default=None)
    shown = [one for one in mine if _headline(one, longest)]
    baselines = list(dict.fromkeys(one.row.versus or "" for one in shown))
    rows: dict[tuple[str, str], dict[str, Cell]] = {}
    for one in shown:
        cells = rows.setdefault((one.group, one.name), {"measure": text(one.name)})
        k = baselines.index(one.row.versus or "")
        cells.setdefault("ours", _value_cell(view, one, model))
        cells[f"theirs_{k}"] = _value_cell(view, one, one.row.versus or "")
        cells[f"difference_{k}"] = _difference_cell(one)
    columns = [Column("measure", "Measure", numeric=False), Column("ours", view.label(model))]
    for k, baseline in enumerate(baselines):
        over = _label(view, baseline)
        columns.append(Column(f"theirs_{k}", "value", over=over))
        columns.append(Column(f"difference_{k}", "difference [95\N{NO-BREAK SPACE}%]", over=over))
    return table(
        f"{view.world}-against-{model}",
        f"{view.label(model)} against published results",
        f"Difference: {view.label(model)} minus the published model, with 95 % interval"
        f"{comma(sample([one.row for one in shown]))}. Paired over the same trajectories, unless "
        "marked unpaired: then each side was resampled on its own, and n is the fewer "
        "trajectories. No interval: one side holds no rows of its trajectories. Values are those "
        "of each whole result; differences are of shared trajectories, which can be fewer. Several "
        "training seeds: means, with seeds as the top level of the interval.",
        columns,
        [Row(cells, group=group) for (group, _), cells in rows.items()],
    )


def _all(view: WorldView, model: str, mine: list[StoredDifference]) -> Table | None:
    rows = []
    for baseline in dict.fromkeys(one.row.versus or "" for one in mine):
        for one in (d for d in mine if d.row.versus == baseline):
            cells = {
                "measure": text(f"{one.group}: {one.name}"),
                "ours": _value_cell(view, one, model),
                "theirs": _value_cell(view, one, baseline),
                "difference": cell(one.row.value, one.row.ci_low, one.row.ci_high),
                "how": text(one.how),
                "n": count_cell(one.row.n),
                "better": text(_better(view, one, model, baseline)),
            }
            rows.append(Row(cells, group=f"{view.label(model)} − {_label(view, baseline)}"))
    return table(
        f"{view.world}-against-all-{model}",
        f"{view.label(model)} against published results, every difference",
        "As the table of headlines. Better here: whose number is the better one, where the metric "
        "has a better end and the interval of the difference does not hold 0; not shown: it does. "
        "It speaks of these checkpoints.",
        [
            Column("measure", "Measure", numeric=False),
            Column("ours", view.label(model)),
            Column("theirs", "published"),
            Column("difference", "difference [95\N{NO-BREAK SPACE}%]"),
            Column("how", "How", numeric=False),
            Column("n", "n"),
            Column("better", "Better here", numeric=False),
        ],
        rows,
    )


def _value_cell(view: WorldView, one: StoredDifference, model: str) -> Cell:
    row = one.row
    keys = ("subject", "features", "method", "window", "horizon", "dose", "stride")
    at = {key: getattr(row, key) for key in keys}
    found = view.mean(row.analysis, one.metric, model=model, **at)
    size = abs(found.value) if found else 0
    return mean_cell(found, decimals=1 if size >= 10 else 3 if size >= 0.01 else 4, bare=True)


def _difference_cell(one: StoredDifference) -> Cell:
    whole = cell(one.row.value, one.row.ci_low, one.row.ci_high)
    if one.how != HOW[UNPAIRED]:
        return whole
    return Cell(f"{whole.text} unpaired", whole.value, whole.low, whole.high)


def _better(view: WorldView, one: StoredDifference, model: str, baseline: str) -> str:
    row = one.row
    if row.higher_is_better is None or row.ci_low is None or row.ci_high is None:
        return ""
    if row.ci_low <= 0 <= row.ci_high:
        return "not shown"
    return view.label(model) if (row.ci_low > 0) == row.higher_is_better else _label(view, baseline)


def _label(view: WorldView, baseline: str) -> str:
    label = view.label(baseline) if baseline in view.looks else baseline
    return label if len(label) <= _LONG else f"{label[:_LONG]}…"
