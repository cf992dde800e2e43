"""``correlate``: whether what checkpoints understood predicts how well they plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.cli.terminal.tables import Heading, table

DEFAULT = Path("runs/correlate")


def correlate(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...",
            help="Folders that audits and `plan` wrote; a checkpoint's measures and its planning "
            "may lie in different ones.",
        ),
    ],
    solver: Annotated[
        str, typer.Option("--solver", help="Whose planning is meant, as results name it.")
    ] = "cem",
    rule: Annotated[
        str, typer.Option("--rule", help="Of success: released, or strict.")
    ] = "released",
    window: Annotated[
        str,
        typer.Option(
            "--window", help="Success at any step (any), or where the episode ends (end)."
        ),
    ] = "any",
    out: options.Out = None,
    seed: options.Seed = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    wide: options.Wide = False,
    debug: options.Debug = False,
) -> None:
    """Ask whether physical understanding predicts planning, over checkpoints of stored results.

    Spearman's correlation of every measure with success on the same pairs of start and goal.

    Intervals are over runs and pairs; it is also given the length of training, and beside the loss.
    """
    from rich.console import Group
    from rich.text import Text

    from lewm_probe.core.escaping import terminal
    from lewm_probe.core.processes.locks import alone
    from lewm_probe.reports.understanding import page, tables
    from lewm_probe.reports.understanding.study import Asked, needed, studies
    from lewm_probe.results.provenance import command_line
    from lewm_probe.results.result import Result, merge

    console = Console(json=json, quiet=quiet, wide=wide)
    asked, folder = Asked(solver, rule, window), out or DEFAULT
    page.check_folder(folder)
    with interruptible("The study is not complete. Run the same command again to write it."):
        merged = merge(needed(Result.load(each)) for each in results)
        with alone(folder), console.progress() as bars:
            made, notes = studies(merged, asked, seed or 0, bars)
            written = page.write(
                merged,
                made,
                folder,
                asked=asked,
                seed=seed or 0,
                command=command_line(),
                seconds=console.seconds,
                notes=notes,
            )
    lines: list[tuple[object, ...]] = []
    for title, rows in tables.summary(made):
        lines.append((Heading(title),))
        lines += map(tuple, rows)
    columns = ("measure", "ρ with success", "Holm p", "given length", "more than loss", "n")
    shown = table("Does understanding predict planning?", columns, lines)
    told = [*notes, *(note for one in made for note in one.notes)]
    console.finish(
        Group(shown, *(Text(f"Note: {terminal(note)}") for note in told)),
        {"worlds": [tables.plain(one) for one in made], "notes": notes},
        [written.folder, written.page],
    )
