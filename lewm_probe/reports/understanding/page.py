"""The study as a folder: page, figure, tables, ``study.json``, and the numbers it was made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import write_error, write_text
from lewm_probe.core.processes.leftovers import remove_stale
from lewm_probe.reports import labels
from lewm_probe.reports.figures.names import drawable
from lewm_probe.reports.figures.style import render
from lewm_probe.reports.notes import quick
from lewm_probe.reports.page.html import html
from lewm_probe.reports.page.markdown import markdown
from lewm_probe.reports.page.parts import Section, ShownTable
from lewm_probe.reports.page.sections import Content, Part
from lewm_probe.reports.tables.latex import latex
from lewm_probe.reports.tables.plain import csv_text
from lewm_probe.reports.tables.sources import provenance_table
from lewm_probe.reports.tables.table import Table
from lewm_probe.reports.understanding import tables, words
from lewm_probe.reports.understanding.figure import figure
from lewm_probe.reports.understanding.study import Asked, Study
from lewm_probe.results.place import check_place
from lewm_probe.results.provenance import provenance
from lewm_probe.results.result import Result

NUMBERS = "study.json"
"""All numbers as JSON; also the sign that a folder is a study's."""

PREFIX = "understanding-"
"""What names of figures and tables begin with."""

LEAD = (
    "Checkpoints that were asked what physics they understood, and that planned with the same "
    "solver on the same pairs of start and goal: does the one predict the other? The unit is a "
    "checkpoint. Three measures were named before any planning was measured; all others are "
    "exploratory. Each is applied as it stands, and what is not shown is not denied."
)


@dataclass(frozen=True)
class Written:
    """What was written: the folder, its page, and the numbers as JSON."""

    folder: Path
    page: Path
    numbers: Path


def check_folder(folder: Path) -> None:
    """Refuse a folder in which the study would replace what is not its own.

    Raises:
        UserError: it holds another page or result.
    """
    check_place(folder)
    if (folder / "results.json").exists() and not (folder / NUMBERS).exists():
        raise UserError(
            f"{folder} holds the results of something else, which the study would replace by those "
            "few that it reads. Choose another folder with --out."
        )


def write(
    result: Result,
    studies: Sequence[Study],
    folder: Path,
    *,
    asked: Asked,
    seed: int,
    command: str,
    seconds: float,
    notes: Sequence[str] = (),
) -> Written:
    """Write all of it; ``report.html`` comes last: where it stands, the rest is whole.

    The folder is a results folder of what the study read (``study.needed``), from which the same
    command makes it again.

    Raises:
        UserError: the folder holds another result, or cannot be written.
    """
    check_folder(folder)
    page, numbers = folder / "report.html", folder / NUMBERS
    entry = provenance(
        command,
        seeds={"correlation": seed},
        settings={"analysis": "correlate", "asked": vars(asked)},
        wall_seconds=seconds,
        notes=notes,
    )
    plots = [plot for study in studies if (plot := figure(study)) is not None]
    whole = _content(result, studies, provenance_table([*result.provenance, entry]), notes)
    try:
        page.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    data = {
        "provenance": entry.model_dump(mode="json"),
        "worlds": [{**tables.plain(one), "answer": words.paragraph(one)} for one in studies],
    }
    write_text(numbers, json.dumps(data, indent=1, allow_nan=False) + "\n")
    for place in (folder, folder / "figures", folder / "tables"):
        remove_stale(place)
    result.save(folder)
    written = set()
    for table in whole.tables:
        for suffix, said in ((".csv", csv_text(table)), (".tex", latex(table))):
            path = folder / "tables" / f"{table.name}{suffix}"
            write_text(path, said)
            written.add(path)
    shown = [look.label for study in studies for look in study.looks.values()]
    names = drawable(shown)
    figures = {plot.name: render(plot, folder / "figures", names) for plot in plots}
    written |= {path for drawn in figures.values() for path in drawn.files}
    for place in (folder / "figures", folder / "tables"):
        for path in place.glob(f"{PREFIX}*"):  # of a world that this study does not have
            if path not in written:
                path.unlink()
    write_text(folder / "report.md", markdown(whole))
    write_text(page, html(whole, figures, {}))
    return Written(folder, page, numbers)


def _content(
    result: Result, studies: Sequence[Study], commands: Table | None, notes: Sequence[str]
) -> Content:
    worlds = labels.listing([study.title for study in studies])
    lead = LEAD
    if quick(result):
        lead = f"Of quick looks with --fast, not numbers to publish. {lead}"
    title = f"Does understanding predict planning in {worlds}?"
    return Content(title, lead, tuple(notes), tuple(map(_part, studies)), commands)


def _part(study: Study) -> Part:
    plot = figure(study)
    first = Section(
        "answer",
        "Does understanding predict planning?",
        words.paragraph(study),
        (plot,) if plot is not None else (),
        _shown(tables.correlations_table(study)),
    )
    families = Section(
        "families",
        "Each family by itself",
        "What differs between families may explain a correlation over all of them; within one it "
        "cannot.",
        tables=_shown(tables.families_table(study)),
    )
    checkpoints = Section(
        "checkpoints",
        "Checkpoints",
        "What every number above was made from.",
        tables=_shown(tables.checkpoints_table(study), folded=True),
    )
    sections = tuple(one for one in (first, families, checkpoints) if not one.empty)
    return Part(study.world, study.title, words.facts(study), study.notes, sections)


def _shown(table: Table | None, *, folded: bool = False) -> tuple[ShownTable, ...]:
    return () if table is None else (ShownTable(table, folded),)
