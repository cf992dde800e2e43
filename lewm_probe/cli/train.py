"""``train RECIPE``: a world model from a data set, with a live table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.cli.terminal.tables import table
from lewm_probe.core.files import safe_folder, safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lewm_probe.training.recipe import Recipe


def train(
    recipe: options.Recipe,
    data: options.Data = None,
    overrides: options.Overrides = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, if there is one.")
    ] = False,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast", help="A quick run of a minute or two: few steps. Every result of it says so."
        ),
    ] = False,
    out: options.Out = None,
    seed: options.Seed = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds", help="Several runs, 1-6 or 1,2,5: a folder each, as many as fit the cores."
        ),
    ] = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train a world model from a recipe, or one with each of several seeds."""
    from lewm_probe.cli.terminal.training_table import TrainingTable, ended
    from lewm_probe.core.errors import UsageError

    console = Console(json=json, quiet=quiet)
    if seeds is not None and seed is not None:
        raise UsageError("Give only one of --seed and --seeds: --seeds names every seed itself.")
    loaded = _load(recipe, overrides or [], seed, fast)
    if seeds is not None:
        _train_several(loaded, data, out, seeds, resume, device, console)
        return
    folder = out or default_run(loaded)
    data = data or existing_data(loaded)
    # After what can go wrong: takes seconds.
    from lewm_probe.core.processes import ranks
    from lewm_probe.training.loop import train as run

    with (
        interruptible(
            f"The run so far is kept in {folder}; go on with the same command and --resume."
        ),
        TrainingTable(console, f"{loaded.name}, seed {loaded.seed}") as shown,
    ):
        final = run(loaded, data, folder, device=device, resume=resume, on_log=shown.log)
    if ranks.own() > 0:  # the first process has told it
        return
    last, validation = last_record(folder), last_record(folder, "validation")
    drawn = ended(f"Trained {loaded.name}", last, validation)
    reported = {"run": str(folder), "last": last, "validation": validation}
    console.finish(drawn, reported, final)


def _load(path: str, overrides: Sequence[str], seed: int | None, fast: bool) -> Recipe:
    """The recipe as it is to be trained."""
    from lewm_probe.training.recipe import expectations, load_recipe

    chosen = [*overrides, *([f"seed={seed}"] if seed is not None else [])]
    loaded = load_recipe(path, chosen)
    if not fast:
        return loaded
    from lewm_probe.training.short import shortened

    return shortened(loaded, load_recipe(path), expectations(path))


def _train_several(
    recipe: Recipe,
    data: Path | None,
    out: Path | None,
    seeds: str,
    resume: bool,
    device: str,
    console: Console,
) -> None:
    """Train a recipe with each seed, and say at the end which runs failed.

    Raises:
        UsageError: bad seeds, or a folder that holds a run while ``resume`` is false.
        UserError: a run failed.
    """
    from lewm_probe.cli.terminal.runs_table import RunsTable
    from lewm_probe.core.devices import resolve_device
    from lewm_probe.core.errors import UserError
    from lewm_probe.reports.formatting import counted
    from lewm_probe.search.seeds import parse_seeds
    from lewm_probe.search.training import Run, runs_failed, train_all
    from lewm_probe.training.recipe import override
    from lewm_probe.training.run.folder import RunFolder

    runs = []
    for number in parse_seeds(seeds):
        one = override(recipe, [f"seed={number}"])
        folder = default_run(one) if out is None else out / f"seed-{number}"
        runs.append(Run(f"seed {number}", one, data or existing_data(one), folder))
    if not resume:
        for run in runs:
            RunFolder(run.folder).check(run.recipe, resume=False)
    places = "folders of their own" if out is None else str(out)
    kept = f"The runs so far are kept in {places}; go on with the same command and --resume."
    title = f"{recipe.name}, {counted(len(runs), 'seed')}"
    with interruptible(kept), RunsTable(console, title) as shown:
        failures = train_all(runs, resolve_device(device), shown)
    lost = {failed.name for failed in failures}
    trained = [run for run in runs if run.name not in lost]
    drawn, reported = [], []
    for run in trained:
        last, validation = last_record(run.folder), last_record(run.folder, "validation")
        reported.append(
            {
                "run": str(run.folder),
                "seed": run.recipe.seed,
                "last": last,
                "validation": validation,
            }
        )
        rank = validation.get("effective_rank")
        drawn.append((run.name, last.get("loss"), validation.get("loss"), rank, str(run.folder)))
    columns = ("", "loss, training", "loss, validation", "effective rank", "folder")
    failed = [{"run": one.name, "why": one.why} for one in failures]
    console.finish(
        table(f"Trained {recipe.name}", columns, drawn, numbers=False) if drawn else None,
        {"runs": reported, "failed_runs": failed},
        [RunFolder(run.folder).final for run in trained],
    )
    if failures:
        raise UserError(runs_failed(failures, len(runs), again="The same command with --resume"))


def default_run(recipe: Recipe) -> Path:
    """Where a run goes when nothing else is said: ``runs/<recipe>-seed<seed>``."""
    # A recipe may be a stranger's, and what it is called must not lead elsewhere.
    return Path("runs") / safe_folder(
        f"{recipe.name.replace(' (fast)', '-fast')}-seed{recipe.seed}"
    )


def default_data(recipe: Recipe) -> Path:
    """Where the recipe's data set lies when nothing else is said."""
    asked = recipe.data.collect
    parts = [recipe.world, f"{asked.size}px", str(asked.episodes), asked.mode]
    parts += [asked.policy] if asked.policy != "expert" else []
    name = "-".join([*parts, f"seed{asked.seed}.h5"])
    return Path("runs/data") / safe_name(name)


def existing_data(recipe: Recipe) -> Path:
    """``default_data``, if it has been collected.

    Raises:
        UsageError: not there; says how to collect it.
    """
    from shlex import join

    from lewm_probe.core.errors import UsageError

    path, asked = default_data(recipe), recipe.data.collect
    if path.is_file():
        return path
    words = ["lewm-probe", "data", "collect", recipe.world, "--episodes", asked.episodes]
    words += ["--mode", asked.mode, "--length", asked.length]
    words += ["--policy", asked.policy] if asked.policy != "expert" else []
    words += ["--size", asked.size, "--seed", asked.seed, "--out", path]
    raise UsageError(
        f"The recipe {recipe.name} needs a data set and none is at {path}. Give one with --data, "
        f"or collect the one it was made for: {join(map(str, words))}"
    )


def last_record(folder: Path, split: str = "train") -> dict[str, float]:
    """The last record of a run, of training or ``validation``: loss terms and diagnostics."""
    import json

    from lewm_probe.cli.terminal.training_table import NOT_TERMS, WATCHED

    try:
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    records = [json.loads(line) for line in lines]
    last: dict[str, float] = next((r for r in reversed(records) if r["split"] == split), {})
    return {k: v for k, v in last.items() if k not in NOT_TERMS or k in ("step", *WATCHED)}
