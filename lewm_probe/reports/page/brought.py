"""What an analysis brings along for a report: headlines, measures, panels over training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lewm_probe.reports.means import Mean, means
from lewm_probe.reports.results_view import WorldView
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
        verdict: the grade of what it is of, in words; empty where there is none.
    """

    title: str
    row: Metric
    verdict: str = ""

    @property
    def type(self) -> str:
        """The metric's identifier."""
        return _TYPES.get(self.row.metric, self.row.metric)


@dataclass(frozen=True)
class Measure:
    """Something two models can be compared by.

    Attributes:
        key: how a suite names it in ``statistics.confirmatory``: a condition, a quantity, or
            ``straightness``.
        ahead: how being better is said, e.g. "reads the agent position better".
        higher: whether more is better.
        rows: metrics of a model, one a checkpoint.
        difference: metrics of the stored difference (first, second), if the analysis wrote it.
        works: whether a model is better than the trivial predictor in every checkpoint: two that
            fail are not ranked.
        trivial: what that is.
    """

    key: str
    name: str
    ahead: str
    higher: bool
    rows: Callable[[str], list[Metric]]
    difference: Callable[[str, str], list[Metric]]
    works: Callable[[str], bool] = lambda model: True
    trivial: str = ""


@dataclass(frozen=True)
class Compared:
    """A pair by one measure.

    Attributes:
        difference: first minus second; none: no difference was stored.
        low, high: its interval, at the level at which Holm judges it.
        p, p_holm: of no difference; null for exploratory measures.
        permutation: p of the exact test over seeds, as a check.
        level: of the interval; 0.05 is 95 %.
        works: whether both are better than the trivial predictor.
        needed: seeds a side that would do, were the difference as seen; null: unknown or too many.
    """

    measure: Measure
    first: Mean
    second: Mean
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    permutation: float | None
    level: float
    works: bool
    needed: int | None
    confirmatory: bool

    @property
    def percent(self) -> str:
        """The interval's confidence, in percent."""
        return f"{100 * (1 - self.level):.3g}"

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Comparison:
    """Two models compared.

    Attributes:
        shown: measures on which a difference is shown.
        sentence: all of it in prose.
        table: measure by measure.
    """

    first: str
    second: str
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
