"""``recipes ls|cp``: what can be trained and asked, and a copy of one to change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lewm_probe.cli.options import Debug, Json, Quiet, Wide
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.tables import Heading, table
from lewm_probe.core import resources
from lewm_probe.core.errors import UserError, unknown_name

app = typer.Typer(
    help="Recipes (what to train) and suites (what to ask): list them, copy one to change it.",
    no_args_is_help=True,
)


def _names(incomplete: str) -> list[str]:
    names = [*resources.recipe_names(), *resources.suite_names()]
    return [name for name in names if name.startswith(incomplete)]


@app.command("ls")
def ls(json: Json = False, quiet: Quiet = False, wide: Wide = False, debug: Debug = False) -> None:
    """List recipes and suites: how large a model is, what it is for, and how long it takes."""
    from rich.console import Group

    from lewm_probe.reports.formatting import MISSING

    console = Console(json=json, quiet=quiet, wide=wide)
    recipes, suites = resources.recipe_names(), resources.suite_names()
    facts = [_facts(name) for name in recipes]
    rows: list[tuple[str, ...]] = [(Heading("recipes: lewm-probe train NAME"),)]
    rows += [
        (
            name,
            f"{one['parameters'] / 1e6:.2f} M",
            one["device"] or MISSING,
            MISSING if one["minutes"] is None else f"{one['minutes']:g}",
        )
        for name, one in zip(recipes, facts, strict=True)
    ]
    rows += [(Heading("suites: lewm-probe audit CKPT --suite NAME"),)]
    rows += [(name, "", "", "") for name in suites]
    drawn = table(
        "Recipes and suites", ("name", "parameters", "for", "minutes"), rows, numbers=False
    )
    where = sorted({str(one["measured_on"]) for one in facts if one["measured_on"]})
    measured = (
        f"Minutes of one run, two side by side, measured on {' and '.join(where)}; {MISSING}: not "
        "measured here. --fast: a minute or two."
    )
    console.finish(
        Group(drawn, measured) if where else drawn,
        {"recipes": recipes, "suites": suites, "facts": dict(zip(recipes, facts, strict=True))},
    )


def _facts(name: str) -> dict[str, Any]:
    """What a reader must know of a recipe before a run."""
    from lewm_probe.training.recipe import expectations, load_recipe
    from lewm_probe.training.size import parameters

    expects = expectations(name)
    return {
        "parameters": parameters(load_recipe(name)),
        "device": None if expects is None else expects.device,
        "minutes": None if expects is None else expects.minutes,
        "measured_on": None if expects is None else expects.measured_on,
    }


@app.command("cp")
def cp(
    name: Annotated[
        str,
        typer.Argument(help="A name from `recipes ls`.", autocompletion=_names),
    ],
    out: Annotated[
        Path | None, typer.Argument(help="File or folder to copy to (default: this folder).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Copy a recipe or suite, to change it and give its path to `train` or `--suite`."""
    from lewm_probe.core.files import write_text

    console = Console(json=json, quiet=quiet)
    recipes, suites = resources.recipe_names(), resources.suite_names()
    if name in recipes:
        source, use = resources.find_recipe(name), "lewm-probe train"
    elif name in suites:
        source, use = resources.find_suite(name), "lewm-probe audit CKPT --suite"
    else:
        raise unknown_name("recipe or suite", name, [*recipes, *suites])
    target = out or Path()
    if target.suffix != ".yaml":
        target = target / source.name
    if target.exists() and not force:
        raise UserError(
            f"{target} is already there. Give another place, or --force to replace it: "
            f"lewm-probe recipes cp {name} PLACE"
        )
    write_text(target, source.read_text(encoding="utf-8"))
    console.finish(f"Change it, then: {use} {target}", {"copied": name}, target)
