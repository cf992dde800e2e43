"""``tune RECIPE``: λ by bisection and golden section, and what rivals would have paid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lewm_probe.cli import options
from lewm_probe.cli.searches.plans import data_of, drawn, plain
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.cli.terminal.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lewm_probe.search.tuning.request import Asked, Tuning
    from lewm_probe.search.tuning.run import Outcome

RIVAL, GRID = "pldm", "grid"
"""What costs can be set against."""


def tune(
    recipe: options.Recipe,
    search: Annotated[
        Literal["bisection", "optuna"],
        typer.Option(
            "--search",
            help="Bisection and golden section of one number, or all weights by Optuna.",
        ),
    ] = "bisection",
    key: Annotated[
        str | None, typer.Option("--key", help="The number searched for, a dotted recipe key.")
    ] = None,
    low: Annotated[float | None, typer.Option("--low", help="The smallest value tried.")] = None,
    high: Annotated[float | None, typer.Option("--high", help="The largest value tried.")] = None,
    rank: Annotated[
        float | None,
        typer.Option("--rank", help="Rank of validation latents that counts as not collapsed."),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option("--tolerance", help="Factor between neighbouring values.")
    ] = None,
    score: Annotated[
        str | None, typer.Option("--score", help="What is made best: rollout or probe.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Most values tried.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", help="What costs are set against, with commas: grid (counted), pldm (run)."
        ),
    ] = None,
    grid: Annotated[
        int | None,
        typer.Option("--grid", min=2, help="Also train a grid of so many values, to compare."),
    ] = None,
    data: options.Data = None,
    overrides: options.Overrides = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="Shorter trainings, of so many steps; results say so."),
    ] = None,
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
        str | None,
        typer.Option("--seeds", help="Trainings of each value, side by side: 1-3, or 1,2,5."),
    ] = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    wide: options.Wide = False,
    debug: options.Debug = False,
) -> None:
    """Find the weight of a recipe's loss: the smallest that prevents collapse, then the best.

    Both from validation episodes alone.

    Stop it whenever you like: called again, it goes on where it stopped and repeats nothing.
    """
    from lewm_probe.core.devices import resolve_device
    from lewm_probe.core.errors import UsageError
    from lewm_probe.search.seeds import parse_seeds
    from lewm_probe.search.tuning.request import Asked, make_tuning, section, weights_of
    from lewm_probe.training.recipe import load_recipe

    console = Console(json=json, quiet=quiet, wide=wide)
    if seeds is not None and seed is not None:
        raise UsageError("Give only one of --seed and --seeds: --seeds names every seed itself.")
    if fast and steps is not None:
        raise UsageError("Give only one of --fast and --steps: both say how long to train.")
    if grid is not None and search == "optuna":
        raise UsageError(
            "--grid is for the bisection of one number; a grid of all weights is only counted. "
            "Leave it out, or give --search bisection."
        )
    asked_against = _against(against)
    said = section(
        recipe,
        key=key,
        low=low,
        high=high,
        rank=rank,
        tolerance=tolerance,
        score=score,
        trials=trials,
    )
    loaded = load_recipe(recipe, overrides or [])
    first = loaded.seed if seed is None else seed
    keys = (said.key,) if search == "bisection" or key is not None else weights_of(loaded)
    asked = Asked(
        recipe=recipe,
        search=search,
        tune=said,
        keys=tuple(keys),
        seeds=tuple(range(first, first + said.seeds)) if seeds is None else parse_seeds(seeds),
        set=tuple(overrides or ()),
        data=None if data is None else str(data),
        steps=steps,
        fast=fast,
        grid=grid,
    )
    folder = out or Path("runs/tune") / Path(recipe).name.removesuffix(".yaml")
    made = make_tuning(asked, folder, data or Path())
    rival = _rival(asked, made) if RIVAL in asked_against else None
    _run(made, rival, asked_against, resolve_device(device), console, dry_run=dry_run)


def _run(
    made: Tuning,
    rival: Tuning | None,
    against: Sequence[str],
    device: str,
    console: Console,
    *,
    dry_run: bool,
) -> None:
    """Say the plan, then search, and write what was found."""
    from dataclasses import replace

    from lewm_probe.core.processes.locks import alone
    from lewm_probe.results.provenance import command_line
    from lewm_probe.search.tuning import optuna_search, page
    from lewm_probe.search.tuning.costs import costs
    from lewm_probe.search.tuning.plan import check_space, plan
    from lewm_probe.search.tuning.request import check_same

    stages = [stage for one in (made, rival) if one is not None for stage in plan(one, device)]
    check_same(made)
    if rival is not None or made.asked.search == "optuna":
        optuna_search.check_installed()
    if dry_run:
        note = made.shortened
        told = {**plain(stages), "shortened": note}
        from rich.console import Group

        console.finish(Group(drawn(stages), note) if note else drawn(stages), told)
        return
    if not console.silent:
        console.errors.print(drawn(stages))
    check_space(made, stages)
    made = replace(made, data=data_of(made.recipe, None if made.asked.data is None else made.data))
    kept = f"What was finished is kept in {made.folder}. Run the same command again to go on."
    with interruptible(kept), alone(made.folder):
        found = _searched(made, device, console)
        if rival is not None:
            rival = replace(_with_trials(rival, len(found.own)), data=made.data)
            found.rival = _searched(rival, device, console)
            page.write(found.rival, rival.folder, command_line(), console.seconds, ())
        written = page.write(found, made.folder, command_line(), console.seconds, against)
    told_costs = costs(found, against)
    from rich.console import Group

    parts: list[Any] = [
        table(
            f"Search of {made.recipe.name}",
            page.trial_columns(found),
            page.trial_rows(found),
            numbers=False,
        ),
        table("What it cost", page.COST_COLUMNS, page.cost_rows(told_costs), numbers=False),
        "\n".join([*page.answer(found), *found.said]),
    ]
    console.finish(Group(*parts), page.plain(found, told_costs), written)


def _searched(made: Tuning, device: str, console: Console) -> Outcome:
    """One search in its folder."""
    from lewm_probe.cli.terminal.runs_table import RunsTable
    from lewm_probe.search.tuning.record import Record
    from lewm_probe.search.tuning.request import described
    from lewm_probe.search.tuning.run import search
    from lewm_probe.search.tuning.trials import Trials, scored, train_runs

    made.remember()
    if made.shortened is not None:
        console.note(made.shortened)
    console.note(f"{made.recipe.name}: {described(made)}")
    with RunsTable(console, f"Search of {made.recipe.name}") as shown:
        trials = Trials(
            made.recipe,
            made.data,
            made.folder,
            made.asked.seeds,
            made.tune.score,
            train_runs(device, shown),
            scored(made.tune.score, device),
            Record(made.folder),
            shown.say,
        )
        return search(made, trials, shown.say)


def _with_trials(rival: Tuning, trials: int) -> Tuning:
    """The same number of settings as the other search took."""
    from dataclasses import replace

    said = rival.tune.model_copy(update={"trials": trials})
    return replace(rival, asked=rival.asked.model_copy(update={"tune": said}))


def _against(text: str | None) -> tuple[str, ...]:
    from lewm_probe.cli.searches.study import words
    from lewm_probe.core.errors import unknown_name

    chosen = () if text is None else tuple(words(text))
    for name in chosen:
        if name not in (RIVAL, GRID):
            raise unknown_name("rival of a search", name, (RIVAL, GRID))
    return chosen


def _rival(asked: Asked, made: Tuning) -> Tuning:
    """PLDM's recipe of the same pair, all its weights, with as many trials.

    Raises:
        UsageError: the recipe has no such pair.
    """
    from lewm_probe.core.errors import UsageError
    from lewm_probe.core.resources import recipe_names
    from lewm_probe.search.tuning.request import make_tuning, section, weights_of
    from lewm_probe.training.recipe import load_recipe

    world, _, name = asked.recipe.removesuffix(".yaml").rpartition("/")
    pair = f"{world}/{name.replace('lewm', RIVAL, 1)}"
    if pair == f"{world}/{name}" or pair not in recipe_names():
        raise UsageError(
            f"--against {RIVAL} needs the recipe that forms a pair with {asked.recipe}, and none "
            f"is shipped. Search one yourself: lewm-probe tune RECIPE --search optuna --trials "
            f"{asked.tune.trials}."
        )
    said = section(
        pair,
        rank=made.bound,
        score=asked.tune.score,
        trials=asked.tune.trials,
    )
    changed = {
        "recipe": pair,
        "search": "optuna",
        "tune": said,
        "keys": tuple(weights_of(load_recipe(pair))),
        "grid": None,
    }
    return make_tuning(asked.model_copy(update=changed), made.folder / RIVAL, made.data)
