"""A table that is drawn anew while work goes on: in a terminal; elsewhere now and then a line."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from lewm_probe.cli.terminal.bars import LINE_EVERY
from lewm_probe.cli.terminal.console import Console

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


class LiveTable(ABC):
    """Use as a context manager; call ``tell`` when work has gone on, ``redraw`` for other news."""

    def __init__(self, console: Console) -> None:
        self._shown = not console.silent
        self._errors = console.errors
        self._live: Live | None = None
        self._line_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._shown and self._errors.is_terminal:
            from rich.live import Live

            self._live = Live(self.table(), console=self._errors, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._live is not None:
            self._live.update(self.table())
            self._live.stop()

    def redraw(self) -> None:
        """Draw the state as it is now, in a terminal."""
        if self._live is not None:
            self._live.update(self.table())

    def tell(self) -> None:
        """Draw the state; where there is no terminal say it in a line, if the last one is old."""
        self.redraw()
        if self._live is None and self._shown and time.monotonic() - self._line_at > LINE_EVERY:
            self._line_at = time.monotonic()
            self.say(self.line())

    def say(self, line: str) -> None:
        """A line of its own where there is no terminal."""
        if self._live is None and self._shown:
            self._errors.print(line, markup=False)

    @abstractmethod
    def line(self) -> str:
        """The state in one line."""

    @abstractmethod
    def table(self) -> Table:
        """The state as a table."""
