"""The one place where errors become readable paragraphs, and exit codes.

0 done, 1 failed or stopped, 2 bad usage.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

from lewm_probe.cli.terminal.screen import screen
from lewm_probe.core.disk import is_full
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.escaping import terminal
from lewm_probe.core.processes.stopping import check, heard, requested


class Stopped(UserError):
    """Ctrl-C or SIGTERM; the message says what is kept and how to go on."""


@contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """Say, when stopped, what this command keeps and how to go on: not the general sentence."""
    try:
        yield
        check()  # a signal may have come and been swallowed on its way
    except KeyboardInterrupt as stop:
        raise Stopped(f"Stopped. {kept}") from stop
    except Stopped:  # said nearer to the work
        raise
    except Exception as error:
        # Libraries fail in their own ways where they are stopped, and we make sentences of that.
        ours = isinstance(error, UserError | typer.TyperException | typer.Exit)
        if requested() and (not ours or _by_a_stop(error)):
            raise Stopped(f"Stopped. {kept}") from error
        raise


def _by_a_stop(error: BaseException | None) -> bool:
    """Whether an error was raised while a stop was being dealt with."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


class ReadableErrors(TyperGroup):
    """The application: runs a command and turns whatever it raises into one paragraph."""

    def get_params(self, ctx: Any) -> Any:
        """Options before the command, flags with a default of their own type.

        Typer's own flags (``--help`` among them) default to None, which sends
        ``lewm-probe probe --help`` through pydantic; its import takes as long as all the rest.
        """
        params = super().get_params(ctx)
        for param in params:
            if getattr(param, "is_bool_flag", False) and param.default is None:
                param.default = False
        return params

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C and SIGTERM become an error like others."""
        with interruptible(
            "Nothing half-written was left behind. Run the same command again to go on."
        ):
            return super().invoke(ctx)

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        """Parse, run, and exit with 0, 1 or 2."""
        words = list(sys.argv[1:] if args is None else args)
        code = 1
        try:
            if "" in words:
                raise UsageError(_empty(words))
            with heard(), _nothing_but_json(words):
                done = super().main(words, standalone_mode=False, **extra)
            code = done if isinstance(done, int) else 0
        except BaseException as error:  # the one place that may catch everything
            if isinstance(error, SystemExit):
                raise
            message, code = describe(error)
            if "--debug" in words:
                told = "".join(traceback.format_exception(error))
                sys.stderr.write(terminal(told, lines=True))
            if message:
                print_error(message, lines=isinstance(error, UserError) and error.listed)
        sys.exit(code)


def _empty(words: Sequence[str]) -> str:
    """Most likely a shell variable that is not set; as a path it would mean the current folder."""
    before = words[words.index("") - 1] if words.index("") else ""
    after = f" after {before}" if before else ""
    return (
        f"The command line has an empty argument{after}. Leave it out, or set the variable that it "
        "comes from."
    )


json_output: ContextVar[TextIO | None] = ContextVar("json_output", default=None)
"""Where the JSON object goes while everything else that is printed goes to standard error."""


@contextmanager
def _nothing_but_json(words: Sequence[str]) -> Iterator[None]:
    """With ``--json``, send to standard error what anyone prints, such as an untrusted model."""
    if "--json" not in words:
        yield
        return
    token = json_output.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        json_output.reset(token)


def describe(error: BaseException) -> tuple[str, int]:
    """One paragraph and the exit code for whatever a command raised."""
    if isinstance(error, UserError):
        return str(error), error.exit_code
    if isinstance(error, typer.TyperException):
        return _usage(error), error.exit_code
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        return "Stopped. Run the same command again to go on.", 1
    if isinstance(error, MemoryError):
        return (
            "The computer ran out of memory. Close other programs, or ask for less at once: fewer "
            "--trajectories, a smaller image size, or a smaller batch (--set).",
            1,
        )
    if _is_gpu_memory(error):
        return (
            "The GPU ran out of memory. Free it from other programs, take a smaller batch (--set), "
            "or compute with --device cpu.",
            1,
        )
    if is_full(error):
        name = getattr(error, "filename", None)
        what = f": {name} could not be written" if name else ""
        return (
            f"The disk is full{what}. Free some space, or choose another place with --out, "
            "and run the command again.",
            1,
        )
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}. Check the path and its permissions.", 1
    kind, text = type(error).__name__, " ".join(str(error).split())
    return (
        f"Something went wrong inside lewm-probe ({kind}{': ' if text else ''}{text}). Please run "
        "the command again with --debug and report what it prints.",
        1,
    )


def _usage(error: typer.TyperException) -> str:
    """Bad usage in one paragraph; empty where the help text itself was the answer."""
    message = " ".join(error.format_message().split()).replace("Value error, ", "")
    if not message:
        return ""
    context = getattr(error, "ctx", None)
    more = f" See `{context.command_path} --help`." if context else ""
    return f"{message}{'' if message.endswith(('.', '?', ')')) else '.'}{more}"


def _is_gpu_memory(error: BaseException) -> bool:
    torch = sys.modules.get("torch")  # not imported for the sake of an error
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def print_error(message: str, *, lines: bool = False) -> None:
    """Print one paragraph on standard error; with ``lines``, a list that it ends in."""
    from rich.text import Text

    shown = terminal(message, lines=lines)
    screen(errors=True).print(Text.assemble(("Error: ", "bold red"), shown))
