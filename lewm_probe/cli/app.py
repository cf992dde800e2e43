"""The ``lewm-probe`` command and all its commands.

Importing this module imports nothing heavy, so that ``--help`` and shell completion answer at
once: every command imports what it needs when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from lewm_probe._version import __version__
from lewm_probe.cli import (
    analyses,
    audit,
    correlate,
    data,
    demo,
    export,
    inspect,
    recipes,
    report,
    train,
)
from lewm_probe.cli.searches import study, sweep, tune
from lewm_probe.cli.terminal.deferred import add_command
from lewm_probe.cli.terminal.errors import ReadableErrors

OTHERS = (
    *("demo", "study", "tune", "sweep", "data", "train"),
    *("inspect", "export", "audit", "report", "correlate", "recipes"),
)
"""Commands that no analysis may be called like."""

app = typer.Typer(
    name="lewm-probe",
    cls=ReadableErrors,
    help="Train latent world models from pixels and measure what physics they understood.",
    epilog="Two commands to begin with: `lewm-probe demo`, then `lewm-probe recipes ls`.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"lewm-probe {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


add_command(app, "demo", demo.demo)
add_command(app, "study", study.study)
add_command(app, "tune", tune.tune)
add_command(app, "sweep", sweep.sweep)
app.add_typer(data.app, name="data")
add_command(app, "train", train.train)
add_command(app, "inspect", inspect.inspect)
add_command(app, "export", export.export)
for analysis, run in analyses.commands(taken=OTHERS):
    add_command(app, analysis.name, run, help=analysis.help)
add_command(app, "audit", audit.audit)
add_command(app, "report", report.report)
add_command(app, "correlate", correlate.correlate)
app.add_typer(recipes.app, name="recipes")
