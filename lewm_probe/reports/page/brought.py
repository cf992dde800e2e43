"""What an analysis brings along for a report: headlines, measures, panels over training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lewm_probe.reports.results_view import Mean, WorldView, means
from lewm_probe.reports.tables.table import Table
from lewm_probe.results.schema import PAIRED, UNPAIRED, Metric

_TYPES = {"pearson_r": "pearsonr", "auroc": "roc_auc"}
"""Metrics that Hugging Face knows by another identifier."""

LEVELS: dict[str, tuple[str, Any]] = {
    "random_weights": ("random weights", (0, (1, 1.2))),
    "pixel_pca": ("pixel PCA", (0, (3, 1.2, 1, 1.2, 1, 1.2))),
    "pixel_space": ("pixels", (0, (5, 2))),
    "state_space": ("true state", (0, (8, 1.5, 1.5, 1.5))),
}
"""Controls drawn as grey levels."""


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


@dataclass(frozen=True)
class Measure:
    """Something two models can be compared by.

    Attributes:
        ahead: how being ahead is said, e.g. "reads the agent position better".
        higher: whether more is ahead.
        rows: metrics of a model, one a checkpoint.
        difference: metrics of the stored difference (first, second), if the analysis wrote it.
    """

    name: str
    ahead: str
    higher: bool
    rows: Callable[[str], list[Metric]]
    difference: Callable[[str, str], list[Metric]]


@dataclass(frozen=True)
class Compared:
    """A pair by one measure; ``lead`` is the name of the model ahead in these checkpoints."""

    measure: Measure
    first: Mean
    second: Mean
    lead: str
    separated: bool
    p: float | None
    p_holm: float | None
    difference: Mean | None


@dataclass(frozen=True)
class Comparison:
    """Two models compared.

    Attributes:
        smallest: the smallest p these seeds can give; null below two seeds on a side.
        shown: measures on which a difference between the methods is shown.
        sentence: all of it in prose.
        table: measure by measure.
    """

    first: str
    second: str
    smallest: float | None
    shown: tuple[Compared, ...]
    sentence: str
    table: Table


@dataclass
class Panel:
    """A number over training, and its controls as levels."""

    title: str
    label: str
    curves: dict[tuple[str, int | None], list[tuple[int, Metric]]]
    levels: dict[str, float] = field(default_factory=dict)


def stored(metric: str) -> tuple[str, ...]:
    """What a difference is called: within one result, and against a published one."""
    return metric, f"{metric}{PAIRED}", f"{metric}{UNPAIRED}"


def levels(view: WorldView, analysis: str, metric: str, **keys: Any) -> dict[str, float]:
    """What controls reach, at the end of training."""
    found = {}
    for control in LEVELS:
        rows = view.pick(analysis, metric, control=control, **keys)
        for mean in means(rows):
            found[control] = mean.value
    return found
