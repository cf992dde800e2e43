"""The few numbers by which a checkpoint is known: what a model card states first."""

from __future__ import annotations

from lewm_probe.reports import labels
from lewm_probe.reports.page.brought import Headline
from lewm_probe.reports.page.parts import parts
from lewm_probe.reports.results_view import WorldView
from lewm_probe.results.analyses import in_order


def headlines(view: WorldView) -> list[Headline]:
    """The headline numbers of a view of one checkpoint, in order of the analyses."""
    return [one for part in parts() if part.headlines for one in part.headlines(view)]


def task(analysis: str) -> str:
    """An analysis as a card names it."""
    known = {one.name: one.card.label for one in in_order()}
    return known.get(analysis, labels.plain(analysis))
