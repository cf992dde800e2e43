"""``study``: what every report needs in one command: data, training, audit, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lewm_probe.cli import options
from lewm_probe.cli.searches.plans import drawn, plain
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.core.addresses.address import place

if TYPE_CHECKING:
    from lewm_probe.search.request import Study


def study(
    world: Annotated[str, typer.Argument(help="The world, e.g. two-room.")],
    families: Annotated[
        str | None,
        typer.Option(
            "--families", help="Comma-separated: their shipped recipes, small without a GPU."
        ),
    ] = None,
    recipes: Annotated[
        str | None,
        typer.Option("--recipes", help="Instead of families: recipe names or files, with commas."),
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Training seeds: 1-6, or 1,2,5.")] = "1-3",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            parser=place,
            metavar="PATH",
            help="Data set to train on, instead of collecting one.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of all recipes; repeatable."),
    ] = None,
    trajectories: options.Trajectories = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="A quick look: runs of a minute or two, few trajectories. Every result says so.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would take: runs, minutes, disk.")
    ] = False,
    out: options.Out = None,
    title: options.Title = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    wide: options.Wide = False,
    debug: options.Debug = False,
) -> None:
    """Collect data, train families with several seeds, audit all, write the report.

    Stop it whenever you like: called again, it goes on where it stopped and repeats nothing.
    """
    from lewm_probe.core.devices import resolve_device
    from lewm_probe.core.errors import UsageError
    from lewm_probe.search.request import Asked, family_recipes, make_study, named_recipes
    from lewm_probe.search.seeds import parse_seeds

    console = Console(json=json, quiet=quiet, wide=wide)
    if (families is None) == (recipes is None):
        raise UsageError(
            "Say what to train: either --families, e.g. --families lewm,pldm, or --recipes, e.g. "
            "--recipes two-room/lewm-vit-cpu,mine.yaml."
        )
    chosen = resolve_device(device)
    asked = Asked(
        world=world,
        recipes=family_recipes(world, words(families), gpu=chosen != "cpu")
        if families is not None
        else named_recipes(words(recipes or "")),
        seeds=parse_seeds(seeds),
        set=tuple(overrides or ()),
        data=None if data is None else str(data),
        trajectories=trajectories,
        fast=fast,
    )
    if data is not None and not data.exists():
        raise UsageError(f"There is no data set at {data}. Check the path given with --data.")
    made = make_study(asked, out or Path("runs/study"), title=title, own_data=data is None)
    run_study(made, chosen, console, planned=True, dry_run=dry_run)


def run_study(
    made: Study, device: str, console: Console, *, planned: bool = False, dry_run: bool = False
) -> None:
    """Say the plan, then do it, and say at the end what failed.

    Raises:
        UsageError: the folder holds a study of other settings.
        UserError: the disk cannot hold it, another process is at work there, or a run failed.
    """
    from lewm_probe.auditing.request import report_failures
    from lewm_probe.cli.terminal.runs_table import RunsTable
    from lewm_probe.cli.terminal.summary import summarize
    from lewm_probe.core.errors import UserError
    from lewm_probe.core.processes.locks import alone
    from lewm_probe.reports.formatting import counted
    from lewm_probe.results.provenance import command_line
    from lewm_probe.search import study
    from lewm_probe.search.plan import check_space, plan
    from lewm_probe.search.request import check_same
    from lewm_probe.search.training import runs_failed

    check_same(made)
    if planned:
        stages = plan(made, device)
        if dry_run:
            console.finish(drawn(stages), plain(stages))
        elif not console.silent:
            console.errors.print(drawn(stages))
        check_space(made.folder, stages)
        if dry_run:
            return
    kept = f"What was finished is kept in {made.folder}. Run the same command again to go on."
    with interruptible(kept), alone(made.folder):
        made.remember()
        console.note(f"1/3 data        {made.data}")
        with console.progress() as bars:
            study.collect_data(made, bars)
        console.note(f"2/3 training    {made.folder / 'training'}")
        with RunsTable(console, counted(len(made.runs), "run")) as shown:
            failures = study.train_models(made, device, shown)
        console.note(f"3/3 audit       {made.audit}")
        with console.progress() as bars:
            done = study.audit_models(made, device, command_line(), failures, bars, console.note)
    failed = [{"run": one.name, "why": one.why} for one in failures]
    shown_data = {**done.result.plain(), **({"failed_runs": failed} if failed else {})}
    console.finish(summarize(done.result), shown_data, done.page)
    if failures:
        raise UserError(runs_failed(failures, len(made.runs)))
    report_failures(done.failures, done.page.parent)


def words(text: str) -> list[str]:
    """What stands between commas.

    Raises:
        UsageError: nothing does.
    """
    from lewm_probe.core.errors import UsageError

    words = [word.strip() for word in text.split(",")]
    if "" in words:
        raise UsageError(f"'{text}' has an empty name. Write names with commas between: lewm,pldm.")
    return words
