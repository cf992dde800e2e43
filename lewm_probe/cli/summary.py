"""The table at the end of an analysis: the few numbers that answer its question.

Everything else is in ``results.json`` and in the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lewm_probe.cli.console import table

if TYPE_CHECKING:
    from rich.console import Group

    from lewm_probe.results.result import Result
    from lewm_probe.results.schema import Metric

Rows = list[list[object]]
ByModel = Mapping[str, list["Metric"]]
"""The metrics of one analysis at each model's final step."""


def summarize(result: Result) -> Group:
    """Tables of the headline numbers of each analysis in ``result``, and its warnings."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    final = {(model.name, model.train_seed): model.step for model in result.models}
    names = [name for name, _ in final]
    by_analysis: dict[str, dict[str, list[Metric]]] = {}
    for metric in result.metrics:
        if metric.step is not None and metric.step != final.get((metric.model, metric.train_seed)):
            continue  # a point of a curve over training
        several = names.count(metric.model) > 1
        label = f"{metric.model}, seed {metric.train_seed}" if several else metric.model
        by_analysis.setdefault(metric.analysis, {}).setdefault(label, []).append(metric)
    shown: list[Table | Text] = []
    for analysis, build in _BUILDERS.items():
        if analysis in by_analysis:
            columns, rows = build(by_analysis[analysis])
            shown.append(table(analysis, columns, rows))
    notes = dict.fromkeys(note for entry in result.provenance for note in entry.notes)
    shown += [Text(f"Note: {note}") for note in notes]
    return Group(*shown)


def _probe(models: ByModel) -> tuple[list[str], Rows]:
    rows: Rows = []
    for quantity in _subjects(models, features="z", metric="pearson_r"):
        for label, metrics in models.items():
            own = [m for m in metrics if m.subject == quantity and m.features == "z"]
            rows.append(
                [
                    f"{quantity} · {label}",
                    _value(own, metric="pearson_r", method="linear"),
                    _value(own, metric="pearson_r", method="mlp"),
                    _value(own, metric="rmse", method="linear"),
                    _value(own, metric="pearson_r", method="linear", control="random_weights"),
                ]
            )
    return ["quantity", "linear r", "mlp r", "rmse", "random weights r"], rows


def _voe(models: ByModel) -> tuple[list[str], Rows]:
    rows: Rows = []
    for condition in _subjects(models, metric="auroc"):
        for label, metrics in models.items():
            own = [m for m in metrics if m.subject == condition and m.window == "onset"]
            rows.append(
                [
                    f"{condition} · {label}",
                    _value(own, metric="auroc"),
                    _value(own, metric="auroc", control="copy_last"),
                    _value(own, metric="delta_auroc_over_copy_last", versus="copy_last"),
                    _value(own, metric="p_wilcoxon"),
                ]
            )
    return ["condition", "onset AUROC", "copy-last", "Δ over copy-last", "p (Wilcoxon)"], rows


def _straightness(models: ByModel) -> tuple[list[str], Rows]:
    rows: Rows = []
    for label, metrics in models.items():
        own = [m for m in metrics if m.metric == "cosine" and m.stride == 1]
        encoded = [m for m in own if m.method != "imagined"]
        controls = ("random_weights", "pixel_space", "state_space")
        rows.append(
            [
                label,
                _value(own, method="encoded"),
                _value(own, method="imagined"),
                *(_value(encoded, control=control) for control in controls),
            ]
        )
    return ["model", "encoded", "imagined", "random weights", "pixels", "state"], rows


def _rollout(models: ByModel) -> tuple[list[str], Rows]:
    own = {
        label: [m for m in metrics if m.metric == "mse" and m.subject is None]
        for label, metrics in models.items()
    }
    horizons = sorted({m.horizon for ms in own.values() for m in ms if m.horizon is not None})
    rows: Rows = []
    for label, metrics in own.items():
        for control, name in ((None, label), ("copy_last", f"{label}, copy-last")):
            rows.append([name, *(_value(metrics, horizon=k, control=control) for k in horizons)])
    return ["latent error at k blocks", *map(str, horizons)], rows


def _geometry(models: ByModel) -> tuple[list[str], Rows]:
    names = ("effective_rank", "participation_ratio", "trace_cov", "sigreg")
    rows: Rows = []
    for label, metrics in models.items():
        own = [m for m in metrics if m.subject is None]
        gaussian = _value(own, metric="sigreg", control="gaussian")
        rows.append([label, *(_value(own, metric=name) for name in names), gaussian])
    return ["model", *(n.replace("_", " ") for n in names), "sigreg of a Gaussian"], rows


_BUILDERS = {
    "probe": _probe,
    "voe": _voe,
    "straightness": _straightness,
    "rollout": _rollout,
    "geometry": _geometry,
}


def _value(metrics: Iterable[Metric], **wanted: object) -> float | None:
    """The first metric that fits; of the model itself and of no comparison unless asked."""
    wanted = {"control": None, "versus": None, **wanted}
    for metric in metrics:
        if all(getattr(metric, key) == value for key, value in wanted.items()):
            return metric.value
    return None


def _subjects(models: ByModel, **wanted: object) -> list[str]:
    fitting = (
        metric.subject
        for metrics in models.values()
        for metric in metrics
        if all(getattr(metric, key) == value for key, value in wanted.items())
    )
    return list(dict.fromkeys(subject for subject in fitting if subject is not None))
