"""Results in, report folder out.

A report says nothing that is not in its results: no model is loaded, nothing is measured here. Its
folder is a results folder too, so that any reports can be merged into a new one later.

>>> from pathlib import Path
>>> from lewm_probe.results.result import Result
>>> write_report(Result.load(Path("runs/audit")), Path("reports/mine"))  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import write_error, write_text
from lewm_probe.core.processes.leftovers import remove_stale
from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.reports.figures.names import drawable
from lewm_probe.reports.figures.style import Drawn, render
from lewm_probe.reports.page.html import html
from lewm_probe.reports.page.markdown import markdown
from lewm_probe.reports.page.sections import Content, content
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.tables.latex import latex
from lewm_probe.reports.tables.plain import csv_text
from lewm_probe.results.place import check_place
from lewm_probe.results.result import Result, merge

_SUFFIXES = {"figures": (".pdf", ".svg", ".png"), "tables": (".tex", ".csv")}


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        folder: the report's folder, which is a results folder as well.
        html: the page, complete in itself.
        markdown: the same as Markdown.
        figures: figure files.
        tables: table files.
    """

    folder: Path
    html: Path
    markdown: Path
    figures: tuple[Path, ...]
    tables: tuple[Path, ...]


def write_report(
    results: Sequence[Result] | Result,
    folder: Path,
    *,
    title: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write a report of one or several results into ``folder``.

    Results of several worlds get a part each. Whatever an analysis did not measure is left out.
    ``report.html`` is written last: where it stands, the rest is whole. Figures and tables of an
    earlier report in the same folder that this one does not have are removed.

    Raises:
        UserError: no results, results without a single number, or the folder cannot be written.
    """
    folder = Path(folder)
    check_place(folder)
    given = [results] if isinstance(results, Result) else list(results)
    if not given:
        raise UserError(
            "There is nothing to report: no results were given. Name at least one results folder, "
            "for example one that `lewm-probe audit` wrote with --out."
        )
    result = merge(given)
    shown = views(result)
    if not any(metric.value is not None for metric in result.metrics):
        raise UserError(
            "There is nothing to report: the results hold no numbers. Run an analysis such as "
            "`lewm-probe audit` again and give its results folder."
        )
    whole = content(result, shown, title)
    plots = whole.plots
    page = folder / "report.html"
    again = page.is_file()
    with (progress or NoProgress()).task("Report", len(plots) + 2) as task:
        try:
            page.unlink(missing_ok=True)  # it would speak of other results until this one is whole
        except OSError as error:
            raise write_error(folder, error) from error
        for name in ("", *_SUFFIXES):
            remove_stale(folder / name)  # of figures, too, that this report does not have
        result.save(folder)
        tables = _write_tables(whole, folder)
        task.advance()
        figures: dict[str, Drawn] = {}
        names = drawable(_names(shown))
        for plot in plots:
            figures[plot.name] = render(plot, folder / "figures", names)
            task.advance()
        files = tuple(file for drawn in figures.values() for file in drawn.files)
        if again:
            _remove_others(folder, {*files, *tables}, [view.world for view in shown])
        looks = {name: look for view in shown for name, look in view.looks.items()}
        write_text(folder / "report.md", markdown(whole))
        write_text(page, html(whole, figures, looks))
        task.advance()
    return Report(folder, page, folder / "report.md", files, tables)


def _names(views: Sequence[WorldView]) -> Iterator[str]:
    """Names that figures hold, and whoever made the results chose."""
    for view in views:
        yield view.title
        yield from map(view.label, view.models)
        yield from map(view.condition, view.conditions())


def _write_tables(whole: Content, folder: Path) -> tuple[Path, ...]:
    paths = []
    for table in whole.tables:
        for suffix, text in ((".csv", csv_text(table)), (".tex", latex(table))):
            path = folder / "tables" / f"{table.name}{suffix}"
            write_text(path, text)
            paths.append(path)
    return tuple(paths)


def _remove_others(folder: Path, written: set[Path], worlds: Sequence[str]) -> None:
    """Remove figures and tables of these worlds that an earlier report left in the folder.

    What is laid out as in the paper is of all worlds.
    """
    prefixes = tuple(f"{name}-" for name in (*worlds, "paper"))
    for name, suffixes in _SUFFIXES.items():
        for path in (folder / name).glob("*"):
            if path.suffix in suffixes and path.name.startswith(prefixes) and path not in written:
                path.unlink()
