"""The table at the end of an analysis: the few numbers that answer its question.

Everything else is in ``results.json`` and in the report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lewm_probe.cli.terminal.tables import table

if TYPE_CHECKING:
    from rich.console import Group

    from lewm_probe.results.result import Result
    from lewm_probe.results.schema import Metric


def summarize(result: Result) -> Group:
    """Tables of the headline numbers of each analysis in ``result``, and its warnings."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from lewm_probe.reports.page import generic
    from lewm_probe.results.analyses import in_order

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
    for analysis in in_order():
        if analysis.name in by_analysis:
            own = analysis.load("report").summary if analysis.report else None
            columns, rows = (own or generic.summary)(by_analysis[analysis.name])
            shown.append(table(analysis.name, columns, rows))
    notes = dict.fromkeys(note for entry in result.provenance for note in entry.notes)
    shown += [Text(f"Note: {note}") for note in notes]
    return Group(*shown)
