"""``data collect|info|preview|check|convert``: make data sets of episodes, and look at them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from lewm_probe.cli.options import LARGEST_SEED, Debug, Json, Quiet
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.cli.terminal.tables import table
from lewm_probe.core.addresses.address import Address, place
from lewm_probe.core.errors import UsageError, UserError

app = typer.Typer(
    help="Data sets of episodes: collect them, look at them, check them, convert them.",
    no_args_is_help=True,
)

DataSet = Annotated[
    Path,
    typer.Argument(
        parser=place,
        metavar="FILE",
        help="A data set: .h5, .lance, or a folder with a CSV; or the address of one of the first "
        "two, e.g. s3://bucket/data.h5.",
    ),
]


@app.command("collect")
def collect(
    world: Annotated[str, typer.Argument(help="The world, e.g. two-room.")],
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, help="How many.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write, .h5.")],
    size: Annotated[int, typer.Option(min=8, help="Side of the images in pixels.")] = 64,
    mode: Annotated[
        Literal["fixed", "goal"],
        typer.Option(help="fixed: every episode takes --length steps. goal: it ends on arrival."),
    ] = "fixed",
    length: Annotated[int, typer.Option(min=1, help="Steps of an episode, at most.")] = 100,
    policy: Annotated[
        str, typer.Option(help="Who acts: expert, or another policy of the world.")
    ] = "expert",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes (default: one a core). The bytes do not depend on it."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of everything random.")
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that holds something else.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Collect episodes of a world; stopped, it goes on when called again."""
    from lewm_probe.data.collect import collect as run

    console = Console(json=json, quiet=quiet)
    kept = f"Finished episodes are kept in {out}.parts. Run the same command again to go on."
    with interruptible(kept), console.progress() as progress:
        done = run(
            world,
            episodes,
            out,
            size=size,
            seed=seed,
            workers=workers or _cores(),
            mode=mode,
            length=length,
            policy=policy,
            overwrite=overwrite,
            progress=progress,
            say=console.note,
        )
    console.finish(
        table(
            f"{world}: {'already there, nothing to do' if done.already_there else 'collected'}",
            ("episodes", "rows", "image", "taken over", "seconds"),
            [(done.episodes, done.rows, f"{size} px", done.reused, round(console.seconds, 1))],
        ),
        {
            "episodes": done.episodes,
            "rows": done.rows,
            "already_there": done.already_there,
            "reused": done.reused,
            "seconds": console.seconds,
        },
        out,
    )


@app.command("info")
def info(file: DataSet, json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Say what a data set holds."""
    from lewm_probe.cli.terminal.data_facts import told
    from lewm_probe.data.formats.registry import open_episodes
    from lewm_probe.data.quantities import data_quantities, released_world
    from lewm_probe.data.sampling.action_statistics import ActionStatistics

    console = Console(json=json, quiet=quiet)
    with open_episodes(file) as data:
        statistics = ActionStatistics.fit(data)
        height, width, _ = data.frame_shape
        layout = released_world(data)
        facts: dict[str, object] = {
            **{name: value for name, value in data.attrs.items() if name != "quantities"},
            "layout": f"as released for {layout}" if layout else "of no released world",
            "episodes": len(data),
            "rows": data.rows,
            "rows_of_an_episode": {
                "least": int(data.lengths.min()),
                "mean": float(data.lengths.mean()),
                "most": int(data.lengths.max()),
            },
            "picture": [height, width],
            "megabytes": data.stored_bytes() / 1e6,
            "columns": {name: data.describe(name) for name in data.columns},
            "quantities": {name: s.words() for name, s in data_quantities(data).items()},
            "action_mean": list(statistics.mean),
            "action_std": list(statistics.std),
            "fingerprint": data.fingerprint,
        }
        if data.chunk_rows > 1:
            facts["hint"] = (
                f"{data.chunk_rows} images are decoded for each one read at random. Training "
                "reads them in order; for everything else convert once: lewm-probe data convert "
                f"{file} {file.stem}-fast.h5"
            )
    console.finish(table(str(file), ("", ""), told(facts), numbers=False), facts)


@app.command("preview")
def preview(
    file: DataSet,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where to write (default: beside FILE, or here; .png or .gif)."
        ),
    ] = None,
    gif: Annotated[bool, typer.Option("--gif", help="An animation of one episode.")] = False,
    episode: Annotated[
        int | None, typer.Option(min=0, help="Show this episode (default: several; the first).")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw a contact sheet (PNG) of a data set, or an animation (GIF) of an episode."""
    from lewm_probe.data.formats.registry import open_episodes
    from lewm_probe.data.preview import animate, contact_sheet

    console = Console(json=json, quiet=quiet)
    with open_episodes(file) as data:
        beside = Path(file.name) if isinstance(file, Address) else file
        if gif:
            shown = episode or 0
            target = animate(data, out or beside.with_suffix(".gif"), episode=shown)
        else:
            target = contact_sheet(data, out or beside.with_suffix(".png"), episode=episode)
    console.finish(None, {"episode": episode}, target)


@app.command("check")
def check(
    file: DataSet,
    frames: Annotated[int, typer.Option(min=1, help="Frames of a training window.")] = 4,
    frame_skip: Annotated[int, typer.Option(min=1, help="Environment steps between them.")] = 5,
    validation_fraction: Annotated[
        float, typer.Option(help="Share of episodes held out, for leakage across the split.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of that split.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check a data set: alignment, NaN, lengths, duplicates, leakage. Exit code 1 if it fails."""
    from lewm_probe.data.check.run import check_file
    from lewm_probe.data.formats.registry import open_episodes

    console = Console(json=json, quiet=quiet)
    if not 0 < validation_fraction < 1:
        raise UsageError(
            f"--validation-fraction is {validation_fraction}; it must lie between 0 and 1."
        )
    with open_episodes(file) as data, console.progress() as progress:
        checks = check_file(
            data,
            frames=frames,
            frame_skip=frame_skip,
            validation_fraction=validation_fraction,
            seed=seed,
            progress=progress,
        )
    problems = [check.name for check in checks if check.verdict == "problem"]
    console.finish(
        table(
            f"Checks of {file}",
            ("check", "verdict", "finding"),
            [(check.name, check.verdict, check.finding) for check in checks],
            numbers=False,
        ),
        {
            "passed": not problems,
            "checks": [
                {"name": c.name, "verdict": c.verdict, "finding": c.finding} for c in checks
            ],
        },
    )
    if problems:
        raise UserError(
            f"{file} has {len(problems)} problem{'' if len(problems) == 1 else 's'}: "
            f"{', '.join(problems)}. Fix the file, or collect it again, before training on it."
        )


@app.command("convert")
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            parser=place, metavar="SOURCE", help="What to read: .h5, .lance, or a folder."
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            parser=place,
            metavar="TARGET",
            help="What to write: .h5, .lance, or without suffix: a folder.",
        ),
    ],
    size: Annotated[
        int | None, typer.Option(min=1, help="Resize images to this side in pixels, by area.")
    ] = None,
    episodes: Annotated[
        str | None, typer.Option(metavar="A:B", help="Episodes from A up to, not with, B.")
    ] = None,
    mend_last_actions: Annotated[
        bool,
        typer.Option("--mend-last-actions", help="Set the last action of each episode to NaN."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a data set that is there already.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a data set as HDF5, as a Lance table (lossy), or as a folder of PNG and CSV."""
    from lewm_probe.data.convert import convert as run

    console = Console(json=json, quiet=quiet)
    chosen = _range(episodes)
    kept = f"Nothing half-written was left at {target}. Run the same command again."
    with interruptible(kept), console.progress() as progress:
        done = run(
            source,
            target,
            size=size,
            episodes=chosen,
            mend_last_actions=mend_last_actions,
            overwrite=overwrite,
            progress=progress,
        )
    height, width = done.size
    console.finish(
        table(
            f"{source}: converted",
            ("episodes", "rows", "image", "seconds"),
            [(done.episodes, done.rows, f"{width}×{height} px", round(console.seconds, 1))],
        ),
        {
            "episodes": done.episodes,
            "rows": done.rows,
            "picture": [height, width],
            "seconds": console.seconds,
        },
        target,
    )


def _range(text: str | None) -> tuple[int | None, int | None]:
    """``A:B`` as numbers, either of which may be left out."""
    if text is None:
        return None, None
    first, colon, last = text.partition(":")
    if not colon or not all(part.isdecimal() or not part for part in (first, last)):
        raise UsageError(
            f"--episodes is '{text}'; expected A:B, two whole numbers from 0 up of which either "
            "may be left out. Write for example --episodes 0:100."
        )
    return int(first) if first else None, int(last) if last else None


def _cores() -> int:
    """Cores that this process may use, which containers and job schedulers limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
