"""How far work is: bars with time left in a terminal, lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lewm_probe.core.progress import Task

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID
    from rich.table import Table

SHOWN_AFTER = 2.0
"""Seconds after which a piece of work gets a bar, or a line where there is no terminal."""


LINE_EVERY = 30.0
"""Seconds between such lines while the work goes on."""


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
