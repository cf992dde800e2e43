"""``recipes ls|cp``: what can be trained and asked, and a copy of one to change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lewm_probe.cli.options import Debug, Json, Quiet, Wide
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.tables import table
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
    """List recipes and suites."""
    console = Console(json=json, quiet=quiet, wide=wide)
    recipes, suites = resources.recipe_names(), resources.suite_names()
    rows = [(name, "recipe", f"lewm-probe train {name}") for name in recipes]
    rows += [(name, "suite", f"lewm-probe audit CKPT --suite {name}") for name in suites]
    drawn = table("Recipes and suites", ("name", "kind", "use"), rows, numbers=False)
    console.finish(drawn, {"recipes": recipes, "suites": suites})


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
