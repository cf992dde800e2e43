"""Tables as CSV (numbers unrounded, intervals in columns of their own) and as Markdown."""

from __future__ import annotations

import csv
import io
from itertools import groupby

from lewm_probe.core.escaping import markdown as escaped
from lewm_probe.core.escaping import spreadsheet
from lewm_probe.reports.tables.table import Table, Value


def csv_text(table: Table) -> str:
    """Comma-separated values with a header; intervals as ``<key>_low`` and ``<key>_high``.

    Spans of several checkpoints' intervals stand as ``<key>_span_low`` and ``<key>_span_high``.
    """
    grouped = any(row.group for row in table.rows)
    header: list[str] = ["group"] if grouped else []
    spread: dict[str, list[bool]] = {}  # key → whether spans, of each pair of columns it has
    for column in table.columns:
        header.append(column.key)
        cells = [table.cell(row, column) for row in table.rows]
        spread[column.key] = sorted({cell.span for cell in cells if cell.low is not None})
        for span in spread[column.key]:
            header += [f"{column.key}{'_span' if span else ''}_{end}" for end in ("low", "high")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(spreadsheet, header))
    for row in table.rows:
        line: list[Value] = [spreadsheet(row.group)] if grouped else []
        for column in table.columns:
            cell = table.cell(row, column)
            line.append(_exact(cell.value))
            for span in spread[column.key]:
                ends = (cell.low, cell.high) if cell.span == span else (None, None)
                line += [_exact(end) for end in ends]
        writer.writerow(line)
    return out.getvalue()


def markdown(table: Table) -> str:
    """A GitHub-flavoured table; groups are bold rows."""
    titles = [escaped(column.full_title) for column in table.columns]
    lines = [
        _line(titles),
        _line(["---:" if column.numeric else "---" for column in table.columns]),
    ]
    for group, rows in groupby(table.rows, key=lambda row: row.group):
        if group:
            lines.append(_line([f"**{escaped(group)}**", *([""] * (len(titles) - 1))]))
        for row in rows:
            lines.append(_line([escaped(table.cell(row, c).text) for c in table.columns]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _exact(value: Value) -> Value:
    return f"{value:.8g}" if isinstance(value, float) else spreadsheet(value)
