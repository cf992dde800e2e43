"""How far work is: bars with time left in a terminal, lines where there is none.

Work nests: an audit is some analyses, one of which trains controls. What is open inside a task
fills the unit that the task is at, so that shares and times left mean something at every level.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lewm_probe.core.escaping import terminal
from lewm_probe.core.processes.stopping import check
from lewm_probe.core.progress import Task
from lewm_probe.reports.formatting import duration

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID
    from rich.table import Table

SHOWN_AFTER = 2.0
"""Seconds after which a piece of work gets a bar, or a line where there is no terminal."""

LINE_EVERY = 10.0
"""Seconds between such lines while the work goes on, however many tasks are open."""

TOLD_LEVELS = 2
"""Levels whose tasks leave a line when they end: the outermost, and those right inside it."""

WIDEST = 80
"""Columns of a line; of two tasks that do not fit, the inner one gets a line of its own."""

NOT_YET = 0.01
"""Below this share of a task nobody knows how long the rest takes."""


class Bars:
    """``lewm_probe.core.progress.Progress`` on standard error.

    In a terminal a bar appears once its work has taken two seconds, and goes when it is done.
    Elsewhere (a log file) there is one line every ``LINE_EVERY`` seconds, also while nothing
    advances, with the outermost and the innermost task; and one line when a task of the two upper
    levels ends that took over two seconds.
    """

    def __init__(self, console: RichConsole, *, shown: bool = True) -> None:
        self._console = console
        self._shown = shown
        self._bars: RichProgress | None = None
        self._open: list[_Bar] = []
        self._lock = threading.RLock()
        self._said = 0.0
        self._ended = threading.Event()

    @contextmanager
    def task(self, description: str, total: float | None) -> Iterator[Task]:
        """A bar of ``total`` units (None: unknown)."""
        bar = _Bar(self, description, total)
        self._begin(bar)
        try:
            yield bar
        except BaseException:
            self._end(bar, whole=False)
            raise
        self._end(bar, whole=True)

    def close(self) -> None:
        """Take the bars away."""
        self._ended.set()
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _begin(self, bar: _Bar) -> None:
        with self._lock:
            self._open.append(bar)
            if not self._shown:
                return
            if self._console.is_terminal:
                if self._bars is None:
                    self._bars = _patient_bars(self._console)
                    self._bars.start()
                bar.identity = self._bars.add_task(bar.description, total=bar.total)
            elif len(self._open) == 1:
                self._said, self._ended = bar.started, threading.Event()
                threading.Thread(target=self._tick, args=(self._ended,), daemon=True).start()

    def _end(self, bar: _Bar, *, whole: bool) -> None:
        with self._lock:
            level = self._open.index(bar)
            self._open.remove(bar)
            if self._bars is not None and bar.identity is not None:
                self._bars.remove_task(bar.identity)
            seconds = time.monotonic() - bar.started
            told = self._shown and not self._console.is_terminal and level < TOLD_LEVELS
            if told and whole and seconds > SHOWN_AFTER:
                self._console.print(f"{bar.description}: {duration(seconds)}", markup=False)
            if not self._open:
                self.close()

    def _tick(self, ended: threading.Event) -> None:
        while not ended.wait(1.0):
            self.tell()

    def moved(self) -> None:
        """A task is further: bars are drawn anew, or a line is printed if it is time."""
        if self._bars is None:
            self.tell()
            return
        with self._lock:
            for level, bar in enumerate(self._open):
                if bar.identity is not None:
                    share = self._share(level)
                    done = bar.done if share is None or bar.total is None else share * bar.total
                    self._bars.update(bar.identity, completed=done)

    def tell(self) -> None:
        """Print how far the work is, if it was not said just now."""
        with self._lock:
            now = time.monotonic()
            if not self._shown or not self._open or now - self._said < LINE_EVERY:
                return
            self._said = now
            levels = [0, len(self._open) - 1] if len(self._open) > 1 else [0]
            lines = [self._line(level, now) for level in levels]
            whole = " · ".join(lines)
            text = whole if len(whole) <= WIDEST else "\n  ".join(lines)
            self._console.print(text, markup=False)

    def _line(self, level: int, now: float) -> str:
        bar, share = self._open[level], self._share(level)
        seconds = now - bar.started
        if share is None:
            return f"{bar.description}: {duration(seconds)} so far"
        far = f"{bar.description}: {min(share, 1):.0%}".replace("%", " %")
        if share < NOT_YET:
            return far
        return f"{far}, {duration(seconds * max(0.0, 1 - share) / share)} left"

    def _share(self, level: int) -> float | None:
        """How much of a task is done, with what is open inside it."""
        bar = self._open[level]
        if not bar.total:
            return None
        inside = self._share(level + 1) if level + 1 < len(self._open) else None
        if inside is not None:
            bar.filled = max(bar.filled, bar.expected * min(inside, 1))
        return (bar.done + bar.filled) / bar.total


class _Bar:
    """One task: units done, and how much of the unit that it is at was filled from inside."""

    def __init__(self, bars: Bars, description: str, total: float | None) -> None:
        self._bars, self.description, self.total = bars, terminal(description), total
        self.started = time.monotonic()
        self.done = self.filled = 0.0
        self.expected = 1.0
        self.identity: TaskID | None = None

    def advance(self, amount: float = 1) -> None:
        """So much more is done. All long work comes by here, and can be stopped here."""
        check()
        self.done, self.filled, self.expected = self.done + amount, 0.0, 1.0
        self._bars.moved()

    def expect(self, amount: float) -> None:
        """The next advance will be of so much; tasks inside fill it."""
        self.expected = amount


def _patient_bars(console: RichConsole) -> RichProgress:
    """Bars that are drawn only once they are ``SHOWN_AFTER`` seconds old."""
    from rich import progress as rich_progress

    class Patient(rich_progress.Progress):
        def make_tasks_table(self, tasks: Iterable[rich_progress.Task]) -> Table:
            return super().make_tasks_table([t for t in tasks if (t.elapsed or 0) > SHOWN_AFTER])

    return Patient(
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("· left"),
        rich_progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )
