"""``audit``: every analysis of some checkpoints, then the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lewm_probe.auditing import ANALYSES, Failure, Question, ask, prepare, report_failures
from lewm_probe.cli import options
from lewm_probe.cli.console import Console, interruptible

if TYPE_CHECKING:
    from lewm_probe.results import Result


def audit(
    checkpoints: options.Checkpoints,
    world: options.World = None,
    suite: options.Suite = None,
    trajectories: options.Trajectories = None,
    out: options.Out = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    cache: options.Cache = options.DEFAULT_CACHE,
    curve: options.Curve = True,
    title: options.Title = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Ask everything of the checkpoints, then write the report."""
    from lewm_probe.cli.summary import summarize
    from lewm_probe.provenance import command_line

    console = Console(json=json, quiet=quiet)
    question = Question(checkpoints, cache, world, suite, trajectories, seed, device, curve)
    page, result, failures = run_audit(question, out, title, console, command_line())
    console.finish(summarize(result), result.plain(), [page.parent, page])
    report_failures(failures, page.parent)


def run_audit(
    question: Question,
    out: Path | None,
    title: str | None,
    console: Console,
    command: str,
    *,
    redraw: bool = True,
) -> tuple[Path, Result, list[Failure]]:
    """All analyses into ``out/parts``, merged into a report in ``out``: page, result, failures.

    Unless ``redraw``, a report of these very results is left alone.
    """
    from lewm_probe.cli.report import PAGE, publish
    from lewm_probe.results import Result

    with interruptible(
        "Analyses that were finished are kept and are not repeated when the same command is run "
        "again."
    ):
        prepared = prepare(question, console.note)
        folder = out or Path("runs") / prepared.suite.world / "audit"
        with console.progress() as bars:
            results = ask(
                list(ANALYSES),
                prepared,
                command,
                lambda name: folder / "parts" / name,
                bars,
                console.note,
            )
        page = folder / PAGE
        if not redraw and page.is_file() and (folder / "results.json").is_file():
            reported = Result.load(folder)
            if reported.provenance == tuple(p for r in results for p in r.provenance):
                return page, reported, prepared.failures
        return *publish(results, folder, title, console), prepared.failures
