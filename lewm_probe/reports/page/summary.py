"""Picking the few numbers of the table at the end of a command."""

from __future__ import annotations

from collections.abc import Iterable

from lewm_probe.reports.formatting import Number
from lewm_probe.reports.page.parts import ByModel
from lewm_probe.results.schema import Metric


def value(metrics: Iterable[Metric], **wanted: object) -> Number | None:
    """The first metric that fits; of the model itself and of no comparison unless asked."""
    wanted = {"control": None, "versus": None, **wanted}
    for metric in metrics:
        if all(getattr(metric, key) == value for key, value in wanted.items()):
            return number(metric)
    return None


def number(metric: Metric) -> Number:
    """A metric as a cell, with what says how many of its digits are known."""
    return Number(metric.value, metric.ci_low, metric.ci_high, p=metric.metric.startswith("p_"))


def subjects(models: ByModel, **wanted: object) -> list[str]:
    """Subjects of metrics with these keys, in order of appearance."""
    fitting = (
        metric.subject
        for metrics in models.values()
        for metric in metrics
        if all(getattr(metric, key) == value for key, value in wanted.items())
    )
    return list(dict.fromkeys(subject for subject in fitting if subject is not None))
