"""Several trainings as they happen: one row a run in a terminal, now and then lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.live import LiveTable
from lewm_probe.cli.terminal.training_table import ENCODING, sparkline
from lewm_probe.reports.formatting import duration, estimate
from lewm_probe.search.training import FailedRun, Record, Run

if TYPE_CHECKING:
    from rich.table import Table

TRAIL = 16
"""Characters of the drawn course of the loss."""


class _Row:
    """One run: what was last heard of it."""

    def __init__(self) -> None:
        self.state = "waits"
        self.last: dict[str, Any] = {}
        self.losses: list[float] = []
        self.validation: float | None = None
        self.encoded = "starts"


class RunsTable(LiveTable):
    """Shows runs; a ``lewm_probe.search.training.Watch``. Use as a context manager."""

    def __init__(self, console: Console, title: str) -> None:
        super().__init__(console)
        self._title = title
        self._rows: dict[str, _Row] = {}

    def begin(self, run: Run) -> None:
        """A run was found; it waits for a free core."""
        self._rows[run.name] = _Row()
        self.redraw()

    def record(self, run: Run, record: Record) -> None:
        """Take one record of its training loop."""
        row = self._rows[run.name]
        row.state = "trains"
        if record.get("split") == ENCODING:
            row.encoded = f"encodes, {record['frames'] / record['of']:.0%}".replace("%", " %")
            self.tell()
            return
        loss = record.get("loss")
        if record.get("split") == "validation":
            row.validation = None if loss is None else float(loss)
        else:
            row.last = dict(record)
            if loss is not None:
                row.losses.append(float(loss))
        self.tell()

    def end(self, run: Run, failed: FailedRun | None) -> None:
        """It has ended, by itself or not."""
        self._rows[run.name].state = "done" if failed is None else "failed"
        self.redraw()
        self.say(f"{run.name}: {'trained' if failed is None else failed.why}")

    def line(self) -> str:
        """The state of those that train, in one line."""
        done = sum(row.state in ("done", "failed") for row in self._rows.values())
        parts = [f"{self._title}: {done} of {len(self._rows)} done"]
        for name, row in self._rows.items():
            if row.state == "trains":
                left = row.last.get("seconds_left")
                after = "" if left is None else f", {duration(left)} left"
                parts.append(f"{name} {_share(row)}{after}")
        return " · ".join(parts)

    def table(self) -> Table:
        """The state as a table."""
        from rich.table import Table
        from rich.text import Text

        drawn = Table(title=self._title, title_justify="left")
        drawn.add_column("run", overflow="fold")
        for column in ("done", "loss", "validation", "left"):
            drawn.add_column(column, justify="right", no_wrap=True)
        drawn.add_column("course", no_wrap=True, min_width=TRAIL)
        styles = {"waits": "dim", "done": "green", "failed": "bold red"}
        for name, row in self._rows.items():
            left = row.last.get("seconds_left")
            drawn.add_row(
                Text(name),
                _share(row) if row.state == "trains" else row.state,
                estimate(row.losses[-1]) if row.losses else "",
                "" if row.validation is None else estimate(row.validation),
                duration(left) if row.state == "trains" and left is not None else "",
                sparkline(row.losses, TRAIL) if row.losses else "",
                style=styles.get(row.state),
            )
        return drawn


def _share(row: _Row) -> str:
    total, step = row.last.get("total_steps"), row.last.get("step", 0)
    return f"{step / total:.0%}".replace("%", " %") if total else row.encoded
