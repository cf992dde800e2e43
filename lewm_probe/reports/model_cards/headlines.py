"""The few numbers by which a checkpoint is known: what a model card states first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lewm_probe.analyses.probe.report.tables import WHOLE, main_features, quantities
from lewm_probe.analyses.voe.report.tables import ONSET
from lewm_probe.reports import labels
from lewm_probe.reports.results_view import WorldView, preferred
from lewm_probe.results.schema import Metric

TASKS = {
    "probe": "Probing of physical quantities",
    "voe": "Violation of expectation",
    "straightness": "Straightness of latent paths",
    "rollout": "Open-loop rollouts",
    "geometry": "Geometry of the latents",
    "plan": "Planning",
}
"""Analyses as a card names them, in order."""

_TYPES = {"pearson_r": "pearsonr", "auroc": "roc_auc"}
"""Metrics that Hugging Face knows by another identifier."""


@dataclass(frozen=True)
class Headline:
    """One number of a card.

    Attributes:
        title: what it is, in words.
        row: the metric as stored.
    """

    title: str
    row: Metric

    @property
    def type(self) -> str:
        """The metric's identifier."""
        return _TYPES.get(self.row.metric, self.row.metric)


def headlines(view: WorldView) -> list[Headline]:
    """The headline numbers of a view of one checkpoint, in order of the analyses."""
    return [*_probes(view), *_surprise(view), *_rest(view)]


def _probes(view: WorldView) -> Iterator[Headline]:
    for quantity in quantities(view):
        features = main_features(view, quantity)
        for method in ("linear", "mlp"):
            for metric, name in (("pearson_r", "Pearson r"), ("mse", "MSE of z-scored target")):
                at = {"subject": quantity, "method": method, "features": features, **WHOLE}
                for row in view.pick("probe", metric, **at)[:1]:
                    read = f"{labels.method(method)} probe of {labels.features(features) or 'z'}"
                    yield Headline(f"{name}, {labels.quantity(quantity)}, {read}", row)


def _surprise(view: WorldView) -> Iterator[Headline]:
    for condition in view.conditions():
        name = labels.condition(condition)
        for metric, title in (
            ("auroc", "AUROC at onset"),
            ("delta_auroc_over_copy_last", "ΔAUROC over copy-last at onset"),
        ):
            over = ("copy_last", None) if metric.startswith("delta") else None
            at = {"subject": condition, "window": ONSET, "versus": over}
            for row in preferred(view.pick("voe", metric, **at))[:1]:
                yield Headline(f"{title}, {name[:1].lower()}{name[1:]}", row)
    for metric, title in (
        ("clean_over_copy_last", "Surprise on clean data over that of copying the last latent"),
        ("action_swap_auroc", "AUROC of swapped actions (preflight)"),
    ):
        for row in view.pick("voe", metric, subject="preflight")[:1]:
            yield Headline(title, row)


def _rest(view: WorldView) -> Iterator[Headline]:
    for method in ("encoded", "imagined"):
        at = {"method": method, "stride": (1, None), "window": None, "subject": None}
        for row in view.pick("straightness", "cosine", **at)[:1]:
            yield Headline(f"Straightness S, {method} latents, stride 1", row)
    rollouts = view.pick("rollout", "mse_over_copy_last", subject=None)
    rollouts = sorted((r for r in rollouts if r.horizon is not None), key=lambda r: r.horizon or 0)
    for row in dict.fromkeys([*rollouts[:1], *rollouts[-1:]]):
        ahead = f"{row.horizon} block{'s' if row.horizon != 1 else ''} ahead"
        yield Headline(f"Error over copy-last, {ahead}", row)
    for row in view.pick("geometry", "effective_rank", features=("z", None))[:1]:
        yield Headline("Effective rank of z", row)
    for row in view.pick("plan", "success_rate")[:1]:
        yield Headline("Success rate", row)
