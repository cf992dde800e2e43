"""Tables as CSV (numbers unrounded, intervals in columns of their own) and as Markdown."""

from __future__ import annotations

import csv
import io
from itertools import groupby

from lewm_probe.reports.tables.table import Table, Value


def csv_text(table: Table) -> str:
    """Comma-separated values with a header; intervals as ``<key>_low`` and ``<key>_high``."""
    grouped = any(row.group for row in table.rows)
    header = ["group"] if grouped else []
    spread = set()
    for column in table.columns:
        header.append(column.key)
        if any(table.cell(row, column).low is not None for row in table.rows):
            spread.add(column.key)
            header += [f"{column.key}_low", f"{column.key}_high"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in table.rows:
        line: list[Value] = [row.group] if grouped else []
        for column in table.columns:
            cell = table.cell(row, column)
            line.append(_exact(cell.value))
            if column.key in spread:
                line += [_exact(cell.low), _exact(cell.high)]
        writer.writerow(line)
    return out.getvalue()


def markdown(table: Table) -> str:
    """A GitHub-flavoured table; groups are bold rows."""
    titles = [_pipe(column.full_title) for column in table.columns]
    lines = [
        _line(titles),
        _line(["---:" if column.numeric else "---" for column in table.columns]),
    ]
    for group, rows in groupby(table.rows, key=lambda row: row.group):
        if group:
            lines.append(_line([f"**{_pipe(group)}**", *([""] * (len(titles) - 1))]))
        for row in rows:
            lines.append(_line([_pipe(table.cell(row, c).text) for c in table.columns]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _pipe(words: str) -> str:
    return words.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _exact(value: Value) -> Value:
    return f"{value:.8g}" if isinstance(value, float) else value
