"""A command of each analysis: ``probe``, ``voe`` and all that packages bring along."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from lewm_probe.auditing.request import EvaluationRequest, prepare, report_failures
from lewm_probe.auditing.run import ask
from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.core.errors import UsageError, brief
from lewm_probe.core.escaping import terminal
from lewm_probe.results.analyses import ANALYSES, Analysis, Option, in_order


def commands(taken: Collection[str]) -> Iterator[tuple[Analysis, Callable[..., None]]]:
    """Every analysis and its command, without those that would spoil the others.

    An analysis of another package that cannot be loaded, or whose name is ``taken``, is told on
    standard error.
    """
    for analysis in in_order(lambda _, error: _note(str(error))):
        if analysis.name in taken:
            _note(f"The analysis '{analysis.name}' has the name of a command, and has none itself.")
            continue
        try:
            made = command(analysis)
        except Exception as error:
            if ANALYSES.is_built_in(analysis.name):
                raise
            _note(f"The analysis '{analysis.name}' has no command ({brief(error)}).")
        else:
            yield analysis, made


def _note(text: str) -> None:
    typer.echo(f"Note: {terminal(text)}", err=True)


def command(analysis: Analysis) -> Callable[..., None]:
    """The command of one analysis: the options of every request, and those of its settings."""
    keys = {
        _name(flag): of.key if isinstance(of, Option) else of
        for flag, of in analysis.options.items()
    }
    if taken := [flag for flag in analysis.options if _name(flag) in options.REQUEST]:
        raise UsageError(f"its flag {taken[0]} is one of every command")

    def run(
        request: EvaluationRequest, out: Path | None, console: Console, **settings: Any
    ) -> None:
        from lewm_probe.cli.terminal.summary import summarize
        from lewm_probe.core.processes.locks import alone
        from lewm_probe.results.provenance import command_line

        given = {keys[name]: value for name, value in settings.items() if value not in (None, [])}
        request = request.asking(analysis.name, given)
        with interruptible(
            f"No result was written; latents computed so far are kept in {request.cache} and are "
            "used when the same command is run again."
        ):
            evaluation = prepare(request, console.note)
            folder = out or Path("runs") / evaluation.suite.world / analysis.name
            with alone(folder), console.progress() as bars:
                (result,) = ask(
                    [analysis.name],
                    evaluation,
                    command_line(),
                    lambda _: folder,
                    bars,
                    console.note,
                )
        console.finish(summarize(result), result.plain(), folder)
        report_failures(evaluation.failures, folder)

    own = [options.Own(*_option(analysis, flag), None, "trajectories") for flag in analysis.options]
    return options.of_a_request(run, *own)


def _option(analysis: Analysis, flag: str) -> tuple[str, Any]:
    """The name of a flag's parameter, and its type: that of the settings' key."""
    asked = analysis.options[flag]
    if isinstance(asked, Option):
        return _name(flag), Annotated[asked.kind | None, typer.Option(flag, help=asked.help)]
    field = analysis.load("settings").model_fields[asked]
    kind: Any = field.annotation
    if get_origin(kind) is tuple:
        kind = list[get_args(kind)[0]]  # type: ignore[misc]
    if not isinstance(kind, types.UnionType):
        kind = kind | None
    return _name(flag), Annotated[kind, typer.Option(flag, help=field.description)]


def _name(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")
