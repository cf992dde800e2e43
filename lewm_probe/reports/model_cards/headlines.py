"""The few numbers by which a checkpoint is known: what a model card states first."""

from __future__ import annotations

from dataclasses import dataclass

from lewm_probe.reports import labels
from lewm_probe.reports.results_view import WorldView
from lewm_probe.results.analyses import in_order
from lewm_probe.results.schema import Metric

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
    from lewm_probe.reports.page.parts import parts  # which names this module

    return [one for part in parts() if part.headlines for one in part.headlines(view)]


def task(analysis: str) -> str:
    """An analysis as a card names it."""
    known = {one.name: one.card.label for one in in_order()}
    return known.get(analysis, labels.plain(analysis))
