"""Options that commands share, so that they read and behave alike everywhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from lewm_probe.core import resources
from lewm_probe.core.addresses.address import place
from lewm_probe.models.family_names import family_names

if TYPE_CHECKING:
    from lewm_probe.models.checkpoints.load import LoadOptions


def _suites(incomplete: str) -> list[str]:
    return [name for name in resources.suite_names() if name.startswith(incomplete)]


def _recipes(incomplete: str) -> list[str]:
    return [name for name in resources.recipe_names() if name.startswith(incomplete)]


DeviceName = Literal["auto", "cpu", "cuda", "mps"]
ResizeName = Literal["bilinear", "bicubic", "area", "positions"]

Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Where to write. Each command has a default.")
]
LARGEST_SEED = 2**31 - 1
"""What rows of results hold (``core.config.Seed``, which takes too long to import here)."""

Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, max=LARGEST_SEED, help="Seed of everything random in this command."
    ),
]
Device = Annotated[
    DeviceName, typer.Option("--device", help="Where to compute; auto takes a GPU if there is one.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Wide = Annotated[
    bool,
    typer.Option("--wide", help="Show every column of the tables at the end, and each checkpoint."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

Checkpoints = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=]CKPT",
        help="Run folders, checkpoint files, folders in a released shape, or hf://user/repo. A "
        "name is how the model is called in results; the same name may come several times with "
        "different training seeds.",
    ),
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="[NAME=]MODULE:FACTORY[@PATH]",
        help="A model of your own: what package.module:factory makes, given PATH if there is one; "
        "or a model that an installed package registers. May come several times.",
    ),
]
ActionStats = Annotated[
    list[str] | None,
    typer.Option(
        "--action-stats",
        metavar="[NAME=]FILE",
        help="Action statistics of checkpoints that carry none: a JSON file with mean and std, or "
        "the word identity.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        parser=place,
        metavar="PATH",
        help="Data set (.h5); by default where the recipe's would lie.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key; may be repeated."),
]
Dataset = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset",
        metavar="[NAME=]DATA",
        help="Data set to take such action statistics from: the one it was trained on.",
    ),
]
Family = Annotated[
    list[str] | None,
    typer.Option(
        "--family",
        metavar="[NAME=]FAMILY",
        help=f"{' or '.join(family_names())}, for checkpoints whose configuration does not tell.",
    ),
]
Resize = Annotated[
    ResizeName | None,
    typer.Option("--resize", help="Fit images of another size to the model's, by this filter."),
]
Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A YAML file, or a name from `recipes ls`.", autocompletion=_recipes
    ),
]
World = Annotated[
    str | None,
    typer.Option(
        "--world",
        help="World to ask in (default: the checkpoints'), or a data set, whose recorded episodes "
        "are then asked about.",
        autocompletion=_suites,
    ),
]
Suite = Annotated[
    str | None,
    typer.Option(
        "--suite", help="Suite file or name (default: the world's).", autocompletion=_suites
    ),
]
Trajectories = Annotated[
    int | None,
    typer.Option(
        "--trajectories", "-n", min=4, help="Trajectories a condition, instead of the suite's."
    ),
]
Cache = Annotated[
    Path,
    typer.Option("--cache", help="Where latents are kept, computed once for all analyses."),
]
Curve = Annotated[
    bool,
    typer.Option(
        "--curve/--no-curve",
        help="Given run folders: follow probes and straightness over all their checkpoints.",
    ),
]
Fast = Annotated[
    bool,
    typer.Option(
        "--fast",
        help="A quick look, about a minute: few trajectories and resamples, no curve. Every result "
        "says so; no numbers to publish.",
    ),
]
Title = Annotated[str | None, typer.Option("--title", help="Title of the report.")]

ONE_CHECKPOINT = (
    "A run folder, a checkpoint file, a folder in a released shape, hf://user/repo@revision, or "
    "a run of a stable-worldmodel home."
)

DEFAULT_CACHE = Path("runs/.cache/latents")


REQUEST: Mapping[str, tuple[Any, Any]] = {
    "checkpoints": (Checkpoints, None),
    "model": (Model, None),
    "action_stats": (ActionStats, None),
    "dataset": (Dataset, None),
    "family": (Family, None),
    "resize": (Resize, None),
    "world": (World, None),
    "suite": (Suite, None),
    "trajectories": (Trajectories, None),
    "fast": (Fast, False),
    "out": (Out, None),
    "seed": (Seed, None),
    "device": (Device, "auto"),
    "cache": (Cache, DEFAULT_CACHE),
    "curve": (Curve, True),
    "json": (Json, False),
    "quiet": (Quiet, False),
    "wide": (Wide, False),
    "debug": (Debug, False),
}
"""What every question of checkpoints can be told, in the order of ``--help``: type and default."""

REQUESTED = ("world", "suite", "trajectories", "fast", "seed", "device", "curve")
"""Those that an ``EvaluationRequest`` takes as they are."""


class Own(NamedTuple):
    """An option that one command has beside those of ``REQUEST``.

    Attributes:
        name: of the parameter.
        kind: its type, as typer reads it.
        default: where it is not given.
        after: the option that it stands behind.
    """

    name: str
    kind: Any
    default: Any
    after: str


def of_a_request(body: Callable[..., None], *own: Own) -> Callable[..., None]:
    """A command with the options of ``REQUEST`` and its own.

    ``body`` is called with the request that they make, ``--out``, the console, and its own options
    by name; its docstring is the help.
    """

    def run(**given: Any) -> None:
        from lewm_probe.auditing.request import EvaluationRequest
        from lewm_probe.cli.terminal.console import Console

        rest = {one.name: given[one.name] for one in own}
        request = EvaluationRequest(
            given["checkpoints"] or (),
            given["cache"],
            models=given["model"] or (),
            options=loading(*(given[k] for k in ("action_stats", "dataset", "family", "resize"))),
            **{k: given[k] for k in REQUESTED},
        )
        console = Console(json=given["json"], quiet=given["quiet"], wide=given["wide"])
        body(request, given["out"], console, **rest)

    asked: dict[str, tuple[Any, Any]] = {}
    for name, option in REQUEST.items():
        asked[name] = option
        for one in own:
            if one.after == name:
                asked[one.name] = (one.kind, one.default)
    kind = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, kind, annotation=t, default=d) for n, (t, d) in asked.items()]
    )
    run.__annotations__ = {name: annotation for name, (annotation, _) in asked.items()}
    run.__doc__ = body.__doc__
    return run


def loading(
    action_stats: list[str] | None,
    dataset: list[str] | None,
    family: list[str] | None,
    resize: ResizeName | None = None,
) -> LoadOptions:
    """What these options say about loading checkpoints."""
    from lewm_probe.models.checkpoints.load import LoadOptions

    return LoadOptions(action_stats or (), dataset or (), family or (), resize)
