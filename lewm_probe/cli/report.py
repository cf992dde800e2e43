"""``report``: a comparative report of any stored results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.core.errors import UserError, short

if TYPE_CHECKING:
    from lewm_probe.results.result import Result

PAGE = "report.html"
"""The page of a report in its folder."""


def report(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS...", help="Folders that analyses or audits wrote."),
    ],
    out: options.Out = None,
    title: options.Title = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    wide: options.Wide = False,
    debug: options.Debug = False,
) -> None:
    """Merge stored results into one report: HTML, Markdown, LaTeX, CSV and figures."""
    from lewm_probe.cli.terminal.summary import summarize
    from lewm_probe.results.result import Result

    console = Console(json=json, quiet=quiet, wide=wide)
    with interruptible("The report is not complete. Run the same command again to write it."):
        stored = [Result.load(folder) for folder in results]
        for folder, result in zip(results, stored, strict=True):
            _check_models(folder, result)
        page, merged = publish(stored, out or Path("runs/report"), title, console)
    console.finish(summarize(merged), merged.plain(), [page.parent, page])


def _check_models(folder: Path, result: Result) -> None:
    """Refuse numbers of models that nothing is known of."""
    known = {model.name for model in result.models}
    if strangers := {metric.model for metric in result.metrics} - known:
        raise UserError(
            f"{folder} holds numbers of '{short(min(strangers))}', which is not among its models. "
            "It was cut, or put together by hand; run the analysis that wrote it again."
        )


def publish(
    results: Sequence[Result], folder: Path, title: str | None, console: Console
) -> tuple[Path, Result]:
    """Write the report of several results into ``folder``; return its page and their union."""
    from lewm_probe.core.processes.locks import alone
    from lewm_probe.reports.page.write import write_report
    from lewm_probe.results.result import merge

    merged = merge(results)
    with alone(folder), console.progress() as bars:
        return write_report(merged, folder, title=title, progress=bars).html, merged
