"""What the command line prints, and the one place where errors become readable paragraphs.

Standard output carries the result: a summary table with the path of what was written, or with
``--json`` one JSON object and nothing else. Progress and errors go to standard error.

Exit codes: 0 done, 1 failed or stopped, 2 bad usage.
"""

from __future__ import annotations

import errno
import json
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer
from typer.core import TyperGroup

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.progress import Task

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID
    from rich.table import Table

SHOWN_AFTER = 2.0
"""Seconds after which a piece of work gets a bar, or a line where there is no terminal."""


LINE_EVERY = 30.0
"""Seconds between such lines while the work goes on."""


class Stopped(UserError):
    """Ctrl-C; the message says what is kept and how to go on."""


@contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """Say on Ctrl-C what this command keeps and how to go on, instead of the general sentence."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise Stopped(f"Stopped. {kept}") from stop


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
        """Run the command; Ctrl-C becomes an error like others."""
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
            with _nothing_but_json(words):
                done = super().main(words, standalone_mode=False, **extra)
            code = done if isinstance(done, int) else 0
        except BaseException as error:  # the one place that may catch everything
            if isinstance(error, SystemExit):
                raise
            message, code = describe(error)
            if "--debug" in words:
                traceback.print_exception(error)
            if message:
                print_error(message)
        sys.exit(code)


def _empty(words: Sequence[str]) -> str:
    """Most likely a shell variable that is not set; as a path it would mean the current folder."""
    before = words[words.index("") - 1] if words.index("") else ""
    after = f" after {before}" if before else ""
    return (
        f"The command line has an empty argument{after}. Leave it out, or set the variable that it "
        "comes from."
    )


_json_output: ContextVar[TextIO | None] = ContextVar("_json_output", default=None)
"""Where the JSON object goes while everything else that is printed goes to standard error."""


@contextmanager
def _nothing_but_json(words: Sequence[str]) -> Iterator[None]:
    """With ``--json``, send to standard error what anyone prints, such as an untrusted model."""
    if "--json" not in words:
        yield
        return
    token = _json_output.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _json_output.reset(token)


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
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = f": {error.filename} could not be written" if error.filename else ""
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


def print_error(message: str) -> None:
    """Print one paragraph on standard error."""
    from rich.console import Console as RichConsole
    from rich.text import Text

    RichConsole(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty()).print(
        Text.assemble(("Error: ", "bold red"), message)
    )


class Console:
    """How one command speaks: progress while it works, a summary at its end."""

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.as_json = json
        self.quiet = quiet
        self.started = time.monotonic()

    @property
    def silent(self) -> bool:
        """Whether anything but errors and the JSON object stays unsaid."""
        return self.as_json or self.quiet

    @property
    def seconds(self) -> float:
        """Wall time since the command began."""
        return time.monotonic() - self.started

    def note(self, message: str) -> None:
        """A line on standard error, for people only."""
        if not self.silent:
            self.errors.print(message, markup=False)

    @property
    def errors(self) -> RichConsole:
        """Standard error as rich sees it now."""
        from rich.console import Console as RichConsole

        return RichConsole(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

    @contextmanager
    def progress(self) -> Iterator[Bars]:
        """Bars with time left for work that takes more than two seconds."""
        bars = Bars(self.errors, shown=not self.silent)
        try:
            yield bars
        finally:
            bars.close()

    def finish(
        self,
        summary: RenderableType | None,
        data: Mapping[str, Any],
        wrote: Path | Sequence[Path] = (),
    ) -> None:
        """End a command: the summary and what was written, or ``data`` and the same as JSON.

        Args:
            summary: a rich table or text for people.
            data: plain values for machines.
            wrote: the files and folders that hold the results.
        """
        paths = [wrote] if isinstance(wrote, Path) else list(wrote)
        if self.as_json:
            whole = {**data, "wrote": [str(path) for path in paths]}
            (_json_output.get() or sys.stdout).write(
                json.dumps(whole, indent=1, default=str) + "\n"
            )
        elif not self.quiet:
            from rich.console import Console as RichConsole

            console = RichConsole(highlight=False)
            if summary is not None:
                console.print(summary)
            for path in paths:
                console.print(f"Wrote {path}", markup=False, soft_wrap=True)


class Bars:
    """``lewm_probe.core.progress.Progress`` on standard error.

    In a terminal a bar appears once its work has taken two seconds, and goes when it is done.
    Elsewhere (a log file) a line is printed when such work ends.
    """

    def __init__(self, console: RichConsole, *, shown: bool = True) -> None:
        self._console = console
        self._shown = shown
        self._bars: RichProgress | None = None
        self._open = 0

    @contextmanager
    def task(self, description: str, total: float | None) -> Iterator[Task]:
        """A bar of ``total`` units (None: unknown)."""
        started = time.monotonic()
        self._open += 1
        try:
            if self._shown and self._console.is_terminal:
                if self._bars is None:
                    self._bars = _patient_bars(self._console)
                    self._bars.start()
                identity = self._bars.add_task(description, total=total)
                yield _Bar(self._bars, identity)
                self._bars.remove_task(identity)
            else:
                yield _Line(self._console, description, total) if self._shown else _Line()
                seconds = time.monotonic() - started
                if self._shown and seconds > SHOWN_AFTER:
                    self._console.print(f"{description}: {seconds:.0f} s", markup=False)
        finally:
            self._open -= 1
            if not self._open:
                self.close()

    def close(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class _Bar:
    def __init__(self, bars: RichProgress, identity: TaskID) -> None:
        self._bars, self._identity = bars, identity

    def advance(self, amount: float = 1) -> None:
        self._bars.advance(self._identity, amount)


class _Line:
    """Where there is no terminal: now and then a line with how far the work is."""

    def __init__(
        self,
        console: RichConsole | None = None,
        description: str = "",
        total: float | None = None,
    ) -> None:
        self._console, self._description, self._total = console, description, total
        self._done = 0.0
        self._started = self._said = time.monotonic()

    def advance(self, amount: float = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if self._console is None or now - self._said < LINE_EVERY:
            return
        self._said = now
        done = f"{self._done / self._total:.0%}" if self._total else ""
        far = done.replace("%", " %") or f"{now - self._started:.0f} s"
        self._console.print(f"{self._description}: {far}", markup=False)


def _patient_bars(console: RichConsole) -> RichProgress:
    """Bars that are drawn only once they are ``SHOWN_AFTER`` seconds old."""
    from rich import progress as rich_progress

    class Patient(rich_progress.Progress):
        def make_tasks_table(self, tasks: Iterable[rich_progress.Task]) -> Table:
            return super().make_tasks_table([t for t in tasks if (t.elapsed or 0) > SHOWN_AFTER])

    return Patient(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("· left"),
        rich_progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: bool = True,
) -> Table:
    """A summary table. The first column names; the others are right-aligned if ``numbers``."""
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        drawn.add_column(column, justify="right" if numbers and position else "left")
    for row in rows:
        drawn.add_row(*["–" if v is None else _shown(v) for v in row])
    return drawn


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
