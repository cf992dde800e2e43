"""``sweep FILE``: ablations, one axis at a time, trained, measured and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lewm_probe.cli import options
from lewm_probe.cli.searches.plans import data_of, drawn, plain
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.cli.terminal.tables import Heading, table
from lewm_probe.core import resources

if TYPE_CHECKING:
    from lewm_probe.search.sweeps.request import Sweep


def _sweeps(incomplete: str) -> list[str]:
    return [name for name in resources.sweep_names() if name.startswith(incomplete)]


def sweep(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A YAML file, or a shipped sweep: two-room-ablations.",
            autocompletion=_sweeps,
        ),
    ],
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="Trainings at a time (default: one a core)."),
    ] = None,
    data: options.Data = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of all cells; repeatable."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="Shorter trainings, of so many steps; results say so."),
    ] = None,
    trajectories: options.Trajectories = None,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="Trainings of a minute or two; every result says so."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would take: runs, minutes, disk.")
    ] = False,
    out: options.Out = None,
    seed: options.Seed = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Instead of the file's: 1-3, or 1,2,5.")
    ] = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    wide: options.Wide = False,
    debug: options.Debug = False,
) -> None:
    """Train every cell of a sweep, measure each, and set them side by side.

    A cell that fails or diverges is recorded and the others go on.

    Stop it whenever you like: called again, it goes on where it stopped and repeats nothing.
    """
    from lewm_probe.core.devices import resolve_device
    from lewm_probe.core.errors import UsageError
    from lewm_probe.search.seeds import parse_seeds
    from lewm_probe.search.sweeps.file import load_sweep
    from lewm_probe.search.sweeps.request import Asked, make_sweep

    console = Console(json=json, quiet=quiet, wide=wide)
    if seeds is not None and seed is not None:
        raise UsageError("Give only one of --seed and --seeds: --seeds names every seed itself.")
    if fast and steps is not None:
        raise UsageError("Give only one of --fast and --steps: both say how long to train.")
    loaded = load_sweep(file)
    chosen = loaded.seeds if seed is None else (seed,)
    asked = Asked(
        sweep=loaded,
        seeds=chosen if seeds is None else parse_seeds(seeds),
        set=tuple(overrides or ()),
        data=None if data is None else str(data),
        trajectories=trajectories or loaded.trajectories,
        steps=steps,
        fast=fast,
    )
    folder = out or Path("runs/sweep") / Path(file).name.removesuffix(".yaml")
    made = make_sweep(asked, folder, data or Path())
    _run(made, asked, resolve_device(device), jobs, console, dry_run=dry_run)


def _run(
    made: Sweep, asked: Any, device: str, jobs: int | None, console: Console, *, dry_run: bool
) -> None:
    """Say the plan, then train and measure, and write the table."""
    from rich.console import Group

    from lewm_probe.cli.terminal.runs_table import RunsTable
    from lewm_probe.core.processes.locks import alone
    from lewm_probe.reports.formatting import counted
    from lewm_probe.results.provenance import command_line
    from lewm_probe.search.sweeps import page
    from lewm_probe.search.sweeps.columns import COLUMNS
    from lewm_probe.search.sweeps.plan import check_space, plan
    from lewm_probe.search.sweeps.request import check_same, make_sweep
    from lewm_probe.search.sweeps.run import audited, measure_cells, train_cells

    check_same(made)
    stages = plan(made, device, jobs)
    note = made.shortened
    if dry_run:
        shown = Group(drawn(stages), note) if note else drawn(stages)
        console.finish(shown, {**plain(stages), "shortened": note})
        return
    if not console.silent:
        console.errors.print(drawn(stages))
    check_space(made, stages)
    made = make_sweep(
        asked, made.folder, data_of(made.base, None if made.asked.data is None else made.data)
    )
    kept = f"What was finished is kept in {made.folder}. Run the same command again to go on."
    with interruptible(kept), alone(made.folder):
        made.remember()
        console.note(f"1/2 training    {made.folder / 'runs'}")
        title = f"{counted(len(made.runs), 'run')} of {asked.sweep.name}"
        with RunsTable(console, title) as watched:
            failures = train_cells(made, device, watched, jobs)
        console.note(f"2/2 measuring   {made.folder / 'measured'}")
        with console.progress() as bars:
            measure = audited(made, device, command_line(), bars)
            rows = measure_cells(made, failures, measure, bars, console.note)
        written = page.write(made, rows, COLUMNS, command_line(), console.seconds)
    lines: list[tuple[str, ...]] = []
    for axis in asked.sweep.axes:
        lines.append((Heading(f"{axis.label} ({axis.paper})"),))
        lines += page.axis_rows(made, axis, rows, COLUMNS)
    columns = ("cell", *(column.label for column in COLUMNS), "")
    result = table(f"Sweep {asked.sweep.name}", columns, lines, numbers=False)
    console.finish(
        Group(result, note) if note else result,
        {"rows": page.plain(rows), "shortened": note},
        [written, made.folder / "cells.csv"],
    )
    _check_some(rows)


def _check_some(rows: Any) -> None:
    """Say it where not one run could be measured.

    Raises:
        UserError: with the first reason.
    """
    from lewm_probe.core.errors import UserError

    if not any(row.status == "measured" for row in rows):
        raise UserError(f"Not one run of the sweep was measured. {rows[0].model}: {rows[0].why}")
