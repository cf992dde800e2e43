"""An analysis without a report of its own, or whose package is not installed here: its numbers."""

from __future__ import annotations

from lewm_probe.reports import labels
from lewm_probe.reports.page.parts import ByModel, Section, Summary, shown
from lewm_probe.reports.page.summary import number
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import Column, Row, Table, cell, count_cell, table, text
from lewm_probe.results.schema import Metric

KEYS = ("subject", "features", "method", "control", "window", "horizon", "stride", "versus")
"""Keys of a metric that say what it is of."""

MOST_ROWS = 200
"""Beyond this a reader turns to results.json."""


def section(view: WorldView, analysis: str) -> Section:
    """All of an analysis' metrics, row by row."""
    card = view.cards["analysis"].get(analysis)
    title = labels.plain(card.label if card else analysis)
    lead = "Every number that was written down, as no figures or tables of its own are known here."
    if card is not None and card.package:
        lead += f" The package {card.package} draws more of it."
    return Section(
        f"analysis-{analysis}",
        labels.sentence(title),
        lead,
        tables=shown(view, _table(view, analysis, labels.sentence(title))),
    )


def _table(view: WorldView, analysis: str, title: str) -> Table | None:
    rows = view.pick(analysis, ANY, control=ANY, versus=ANY, dose=ANY)
    return table(
        f"{view.world}-{analysis}",
        title,
        "With 95 % intervals where there are some"
        + (f"; the first {MOST_ROWS} of {len(rows)} rows." if len(rows) > MOST_ROWS else "."),
        [
            Column("model", "Model", numeric=False),
            Column("metric", "Metric", numeric=False),
            Column("of", "Of", numeric=False),
            Column("value", "Value [95\N{NO-BREAK SPACE}%]"),
            Column("n", "n"),
        ],
        [
            Row(
                {
                    "model": text(_model(view, row)),
                    "metric": text(labels.metric(row.metric)),
                    "of": text(_of(row)),
                    "value": cell(row.value, row.ci_low, row.ci_high),
                    "n": count_cell(row.n),
                },
                quiet=row.control is not None,
            )
            for row in rows[:MOST_ROWS]
        ],
    )


def summary(models: ByModel, view: WorldView) -> Summary:
    """The model's own numbers, where an analysis has no summary of its own."""
    rows: list[list[object]] = [
        [label, labels.metric(m.metric), _of(m), number(m)]
        for label, metrics in models.items()
        for m in metrics
        if m.control is None and m.versus is None
    ]
    return Summary(["model", "metric", "of", "value"], rows[:MOST_ROWS])


def _model(view: WorldView, row: Metric) -> str:
    several = len(view.checkpoints(row.model)) > 1 and row.train_seed is not None
    return f"{view.label(row.model)}, seed {row.train_seed}" if several else view.label(row.model)


def _of(row: Metric) -> str:
    said = {key: getattr(row, key) for key in KEYS}
    words = [
        f"{key} {value}" if isinstance(value, int) else labels.plain(str(value))
        for key, value in said.items()
        if value is not None
    ]
    return ", ".join(words)
