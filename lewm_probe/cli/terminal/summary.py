"""The table at the end of an analysis: the few numbers that answer its question.

A model with several training seeds is a row: the mean over them, and the largest p. With ``--wide``
every checkpoint is one. Everything else is in ``results.json`` and in the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from lewm_probe.cli.terminal.tables import UNBOUNDED, FittedTable, Heading, table
from lewm_probe.core.escaping import terminal

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from lewm_probe.reports.page.parts import Summary
    from lewm_probe.reports.results_view import WorldView
    from lewm_probe.results.result import Result
    from lewm_probe.results.schema import Metric

LONGEST_NAME = 28
"""Of a model's name in a table, in characters; longer ones are shortened."""


def summarize(result: Result) -> SummaryTables:
    """Tables of the headline numbers of each analysis in ``result``, and its warnings."""
    return SummaryTables(result)


class SummaryTables:
    """What a command shows of its result, in the width of the terminal."""

    def __init__(self, result: Result) -> None:
        self.result = result

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        every = options.max_width >= UNBOUNDED
        tables = list(_tables(self.result, every_checkpoint=every))
        for place, drawn in enumerate(tables):
            yield from ([Text("")] if place else [])
            yield drawn
        if not every and _seeds(self.result):
            yield Text("Means over training seeds, and the largest p; each seed: --wide")
        for note in _notes(self.result):
            yield Text(f"Note: {terminal(note)}")


def _tables(result: Result, *, every_checkpoint: bool) -> Iterator[FittedTable]:
    from lewm_probe.reports.page import generic
    from lewm_probe.reports.page.parts import Summary
    from lewm_probe.reports.results_view import views
    from lewm_probe.results.analyses import in_order

    known = {analysis.name: analysis for analysis in in_order()}
    worlds = views(result)
    for name, analysis in known.items():
        for view in worlds:
            models = _models(result, view, name, every_checkpoint)
            if not models:
                continue
            own = analysis.load("report").summary if analysis.report else None
            title = name if len(worlds) == 1 else f"{name}, {view.title}"
            yield _drawn(title, Summary(*(own or generic.summary)(models, view)))


def _drawn(title: str, summary: Summary) -> FittedTable:
    rows: list[list[object]] = []
    if not summary.groups:
        rows = summary.rows
    else:
        both = zip(summary.groups, summary.rows, strict=True)
        for group, mine in groupby(both, key=lambda pair: pair[0]):
            rows += [[Heading(group)], *(row for _, row in mine)]
    return table(title, summary.columns, rows, wide=summary.wide)


def _models(
    result: Result, view: WorldView, analysis: str, every_checkpoint: bool
) -> dict[str, list[Metric]]:
    """The metrics of an analysis by what the model, or checkpoint, is called in the table."""
    from lewm_probe.reports import labels
    from lewm_probe.reports.means import averaged, final

    found = [m for m in final(result.metrics) if m.analysis == analysis and m.world == view.world]
    short = labels.distinct(view.models, LONGEST_NAME)
    models: dict[str, list[Metric]] = {}
    for name in view.models:
        seeds = view.checkpoints(name)
        # Those of all seeds together are differences between methods, which the report shows.
        mine = [m for m in found if m.model == name and m.train_seed in seeds]
        if len(seeds) == 1:
            models[short[name]] = mine
        elif every_checkpoint:
            for seed in seeds:
                label = f"{short[name]}, seed {seed}"
                models[label] = [m for m in mine if m.train_seed == seed]
        else:
            models[f"{short[name]}, {len(seeds)} seeds"] = averaged(mine)
    return {label: metrics for label, metrics in models.items() if metrics}


def _seeds(result: Result) -> bool:
    from lewm_probe.reports.results_view import views

    return any(len(view.checkpoints(name)) > 1 for view in views(result) for name in view.models)


def _notes(result: Result) -> list[str]:
    """Each once, its conditions as readers see them."""
    from lewm_probe.reports.notes import worded
    from lewm_probe.reports.results_view import views, world_of

    shown = {view.world: view for view in views(result)}
    found: dict[str, None] = {}
    for record in result.provenance:
        view = shown.get(world_of(record) or "") or next(iter(shown.values()), None)
        for note in record.notes:
            found.setdefault(note if view is None else worded(note, view))
    return list(found)
