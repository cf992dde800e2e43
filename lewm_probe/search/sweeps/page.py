"""What a sweep leaves for readers: ``cells.csv``, ``sweep.json``, ``sweep.md`` and the figure."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lewm_probe.core.escaping import terminal
from lewm_probe.core.files import write_text
from lewm_probe.reports.formatting import MISSING, duration, estimate
from lewm_probe.search.seeds import seeds_text
from lewm_probe.search.sweeps.columns import Column
from lewm_probe.search.sweeps.file import Axis
from lewm_probe.search.sweeps.request import Sweep
from lewm_probe.search.sweeps.run import Row

FACTS = ("axis", "cell", "model", "base", "seed", "status", "steps", "seconds")
"""Columns of ``cells.csv`` before the measures; ``why`` stands last."""


def write(
    made: Sweep,
    rows: Sequence[Row],
    columns: Sequence[Column],
    command: str,
    seconds: float,
) -> Path:
    """Write all of it; return the page."""
    from lewm_probe.reports.figures.style import render
    from lewm_probe.results.provenance import provenance
    from lewm_probe.search.sweeps.figure import figure

    entry = provenance(
        command,
        seeds={f"training {k + 1}": seed for k, seed in enumerate(made.asked.seeds)},
        settings={"asked": made.asked.model_dump(mode="json")},
        wall_seconds=seconds,
        notes=[made.shortened] if made.shortened else [],
    )
    write_text(made.folder / "cells.csv", as_csv(rows, columns))
    data = {
        "provenance": entry.model_dump(mode="json"),
        "columns": [
            {"name": c.name, "label": c.label, "higher_is_better": c.higher_is_better}
            for c in columns
        ],
        "rows": plain(rows),
    }
    write_text(made.folder / "sweep.json", json.dumps(data, indent=1, allow_nan=False) + "\n")
    render(figure(made, rows, columns), made.folder)
    page = made.folder / "sweep.md"
    write_text(page, markdown(made, rows, columns, command, entry.hardware, seconds))
    return page


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as plain values."""
    return [
        {
            "axis": row.axis,
            "cell": row.label,
            "model": row.model,
            "base": row.is_base,
            "seed": row.seed,
            "status": row.status,
            "steps": row.steps,
            "seconds": row.seconds,
            **row.values,
            "why": row.why,
        }
        for row in rows
    ]


def as_csv(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """One tidy table: a row a run and place, empty where there is no number."""
    text = io.StringIO()
    names = [*FACTS, *(column.name for column in columns), "why"]
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in plain(rows):
        writer.writerow({name: "" if row.get(name) is None else row[name] for name in names})
    return text.getvalue()


def of_cell(rows: Sequence[Row], axis: str, label: str, column: str) -> list[float]:
    """A column's values of a cell, a seed each, where there are any."""
    found = (r.values.get(column) for r in rows if (r.axis, r.label) == (axis, label))
    return [value for value in found if value is not None]


def shown(values: Sequence[float]) -> str:
    """Mean ± SD over seeds."""
    if not values:
        return MISSING
    spread = f" ± {estimate(statistics.stdev(values))}" if len(values) > 1 else ""
    return f"{estimate(statistics.fmean(values))}{spread}"


def axis_rows(
    made: Sweep, axis: Axis, rows: Sequence[Row], columns: Sequence[Column]
) -> list[tuple[str, ...]]:
    """A row a cell of one axis: label, mean ± SD of every column, what went wrong."""
    found = []
    for cell in axis.cells:
        own = [row for row in rows if (row.axis, row.label) == (axis.name, cell.label)]
        wrong = [f"seed {row.seed} {row.status}" for row in own if row.status != "measured"]
        label = f"{cell.label} (base)" if not cell.set else cell.label
        values = (shown(of_cell(rows, axis.name, cell.label, column.name)) for column in columns)
        found.append((label, *values, ", ".join(wrong)))
    return found


def markdown(
    made: Sweep,
    rows: Sequence[Row],
    columns: Sequence[Column],
    command: str,
    hardware: str,
    seconds: float,
) -> str:
    """The page."""
    file = made.asked.sweep
    lines = [f"# Sweep: {file.name}", ""]
    if made.shortened:
        lines += [made.shortened, ""]
    lines += [
        f"{len(made.models)} cells with training seeds {seeds_text(made.asked.seeds)}, "
        f"{'?' if made.base.steps is None else made.base.steps} steps each, one thing changed at a "
        f"time from {made.base.name}. Means ± SD over seeds; two seeds show large effects only.",
        "",
        "![Every axis by every measure](sweep.png)",
        "",
    ]
    for axis in file.axes:
        said = f": {axis.says}" if axis.says else ""
        lines += [f"## {axis.label}", "", f"Paper, {axis.paper}{said}", ""]
        heads = ("cell", *(column.label for column in columns), "")
        lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        lines += [f"| {' | '.join(r)} |" for r in axis_rows(made, axis, rows, columns)]
        lines.append("")
    lost = {(row.model, row.seed): row for row in rows if row.status != "measured"}
    if lost:
        lines += ["## What has no numbers", ""]
        lines += [f"- {m}, seed {s}: {row.status}. {row.why}" for (m, s), row in lost.items()]
        lines.append("")
    spent = {(row.model, row.seed): row.seconds or 0.0 for row in rows}
    lines += [
        "## How",
        "",
        f"`{command}`",
        "",
        f"Trainings: {duration(sum(spent.values()))} of one core. Measured with "
        f"{made.asked.trajectories} trajectories a condition that no training saw (`suite.yaml`). "
        f"{hardware}; this call took {duration(seconds)}.",
        "",
    ]
    return terminal("\n".join(lines), lines=True)
