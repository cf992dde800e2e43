"""How a command speaks.

Standard output carries the result: a summary table with the path of what was written, or with
``--json`` one JSON object and nothing else. Progress and errors go to standard error.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lewm_probe.cli.terminal.bars import Bars
from lewm_probe.cli.terminal.errors import json_output
from lewm_probe.cli.terminal.screen import screen
from lewm_probe.core.escaping import terminal

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType


class Console:
    """How one command speaks: progress while it works, a summary at its end."""

    def __init__(self, *, json: bool = False, quiet: bool = False, wide: bool = False) -> None:
        self.as_json = json
        self.quiet = quiet
        self.wide = wide
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
            self.errors.print(terminal(message))

    @property
    def errors(self) -> RichConsole:
        """Standard error as rich sees it now."""
        return screen(errors=True)

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
            text = json.dumps(_finite(whole), indent=1, default=str, allow_nan=False)
            (json_output.get() or sys.stdout).write(text + "\n")
        elif not self.quiet:
            from lewm_probe.cli.terminal.tables import UNBOUNDED

            console = screen(width=UNBOUNDED if self.wide else None)
            if summary is not None:
                console.print(summary)
            for path in paths:
                console.print(f"Wrote {terminal(str(path))}", soft_wrap=True)


def _finite(value: Any) -> Any:
    """The same with null for NaN and infinities, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
