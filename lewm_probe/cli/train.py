"""``train RECIPE``: a world model from a data set, with a live table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.cli.terminal.tables import table

if TYPE_CHECKING:
    from lewm_probe.training.recipe import Recipe


def train(
    recipe: options.Recipe,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Data set (.h5); by default where the recipe's would lie."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, if there is one.")
    ] = False,
    out: options.Out = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train a world model from a recipe."""
    from lewm_probe.cli.terminal.training_table import TrainingTable
    from lewm_probe.training.recipe import load_recipe

    console = Console(json=json, quiet=quiet)
    chosen = [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]
    loaded = load_recipe(recipe, chosen)
    folder = out or default_run(loaded)
    data = data or existing_data(loaded)
    from lewm_probe.training.loop import train as run  # after what can go wrong: takes seconds

    with (
        interruptible(
            f"The run so far is kept in {folder}; go on with the same command and --resume."
        ),
        TrainingTable(console, f"{loaded.name}, seed {loaded.seed}") as shown,
    ):
        final = run(loaded, data, folder, device=device, resume=resume, on_log=shown.log)
    last = last_record(folder)
    drawn = table(f"Trained {loaded.name}", ("", "at the end"), last.items())
    console.finish(drawn, {"run": str(folder), "last": last}, final)


def default_run(recipe: Recipe) -> Path:
    """Where a run goes when nothing else is said: ``runs/<recipe>-seed<seed>``."""
    return Path("runs") / f"{recipe.name}-seed{recipe.seed}"


def default_data(recipe: Recipe) -> Path:
    """Where the recipe's data set lies when nothing else is said."""
    asked = recipe.data.collect
    parts = [recipe.world, f"{asked.size}px", str(asked.episodes), asked.mode]
    parts += [asked.policy] if asked.policy != "expert" else []
    name = "-".join([*parts, f"seed{asked.seed}.h5"])
    return Path("runs/data") / name


def existing_data(recipe: Recipe) -> Path:
    """``default_data``, if it has been collected.

    Raises:
        UsageError: not there; says how to collect it.
    """
    from lewm_probe.core.errors import UsageError

    path, asked = default_data(recipe), recipe.data.collect
    if path.is_file():
        return path
    length = f" --length {asked.length}"
    policy = f" --policy {asked.policy}" if asked.policy != "expert" else ""
    raise UsageError(
        f"The recipe {recipe.name} needs a data set and none is at {path}. Give one with --data, "
        f"or collect the one it was made for: lewm-probe data collect {recipe.world} "
        f"--episodes {asked.episodes} --mode {asked.mode}{length}{policy} --size {asked.size} "
        f"--seed {asked.seed} --out {path}"
    )


def last_record(folder: Path) -> dict[str, float]:
    """The last training record of a run: loss terms and diagnostics."""
    import json

    from lewm_probe.cli.terminal.training_table import NOT_TERMS, WATCHED

    try:
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    records = [json.loads(line) for line in lines]
    trained = [record for record in records if record["split"] == "train"] or records
    last = trained[-1] if trained else {}
    return {k: v for k, v in last.items() if k not in NOT_TERMS or k in ("step", *WATCHED)}
