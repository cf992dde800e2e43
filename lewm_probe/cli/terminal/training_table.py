"""Training as it happens: every loss term, speed, time left, and whether the latents collapse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.live import LiveTable
from lewm_probe.cli.terminal.tables import FittedTable, table
from lewm_probe.core.disk import MEGABYTE, megabytes
from lewm_probe.core.escaping import terminal
from lewm_probe.reports.formatting import duration, estimate
from lewm_probe.results.speed import SPEED

if TYPE_CHECKING:
    from rich.table import Table

NOT_TERMS = SPEED | {
    "step",
    "epoch",
    "split",
    "total_steps",
    "seconds_left",
    "latent_std",
    "effective_rank",
    "centered_effective_rank",
}
"""Keys of a log record that are no loss terms."""

WATCHED = {
    "latent_std": "latent std",
    "centered_effective_rank": "centred rank",
    "effective_rank": "effective rank",
}
"""Collapse shows here: they fall towards zero, the last, which reports give too, towards one."""

ENCODING = "encoding"
"""What records are of before the first step, where an encoder is frozen (``training/kept.py``)."""

TRAIL = 24
"""Characters of the drawn course of a number."""


class TrainingTable(LiveTable):
    """Shows log records: a live table in a terminal, now and then a line elsewhere.

    Use as a context manager and hand ``TrainingTable.log`` to ``train`` as ``on_log``.
    """

    def __init__(self, console: Console, title: str) -> None:
        super().__init__(console)
        self._line_at = 0.0  # the first one at once
        self._title = terminal(title)
        self._courses: dict[str, list[float]] = {}
        self._validation: dict[str, float] = {}
        self._last: dict[str, Any] = {}

    def log(self, record: Mapping[str, Any]) -> None:
        """Take one record of the training loop (a line of metrics.jsonl, with time left)."""
        if record.get("split") == ENCODING:
            self._last = dict(record)
            self.tell()
            return
        values = {k: v for k, v in record.items() if k not in NOT_TERMS or k in WATCHED}
        if record.get("split") == "validation":
            self._validation = values
        else:
            self._last = dict(record)
            for name, value in values.items():
                self._courses.setdefault(terminal(name), []).append(float(value))
        if self._last:
            self.tell()
        else:
            self.redraw()

    def line(self) -> str:
        """The state in one line."""
        last = self._last
        parts = [f"{self._title}: {_progress(last)}"]
        for name, course in self._courses.items():
            parts.append(f"{WATCHED.get(name, name)} {estimate(course[-1])}")
        if "frames_per_second" in last:
            parts.append(f"{last['frames_per_second']:,.0f} frames/s")
        if "seconds_left" in last:
            parts.append(f"{duration(last['seconds_left'])} left")
        return " · ".join(parts)

    def table(self) -> Table:
        """The state as a table."""
        from rich.table import Table

        last = self._last
        speed = f"{last['frames_per_second']:,.0f} frames/s" if "frames_per_second" in last else ""
        left = f"{duration(last['seconds_left'])} left" if "seconds_left" in last else ""
        drawn = Table(
            title=f"{self._title} · {_progress(last)}",
            caption=" · ".join(part for part in (speed, left) if part) or None,
            title_justify="left",
            caption_justify="left",
        )
        drawn.add_column("")
        drawn.add_column("training", justify="right")
        drawn.add_column("validation", justify="right")
        drawn.add_column("course", no_wrap=True, min_width=TRAIL)
        for watched in (False, True):
            for name, course in self._courses.items():
                if (name in WATCHED) is watched:
                    held_out = self._validation.get(name)
                    drawn.add_row(
                        WATCHED.get(name, name),
                        estimate(course[-1]),
                        "" if held_out is None else estimate(held_out),
                        sparkline(course),
                        style="cyan" if watched else None,
                    )
        return drawn


def ended(
    title: str, training: Mapping[str, float], validation: Mapping[str, float]
) -> FittedTable:
    """The last numbers of a run: each loss term and diagnostic in training and on held-out data."""
    names = [name for name in {**training, **validation} if name != "step"]
    names.sort(key=lambda name: name in WATCHED)
    rows: list[tuple[str, float | None, float | None]] = [
        (WATCHED.get(name, name), training.get(name), validation.get(name)) for name in names
    ]
    steps = [record["step"] for record in (training, validation) if "step" in record]
    step = max(steps, default=None)
    shown = title if step is None else f"{title}, {step:,} steps"
    return table(shown, ("", "training", "validation"), rows)


def sparkline(course: list[float], width: int = TRAIL) -> str:
    """The course of a number as ``width`` block characters, from its least to its greatest value.

    >>> sparkline([0.0, 1.0, 2.0, 3.0], width=4)
    '▁▃▆█'
    """
    if len(course) > width:
        edges = [round(i * len(course) / width) for i in range(width + 1)]
        course = [
            sum(course[a:b]) / (b - a) for a, b in zip(edges[:-1], edges[1:], strict=True) if b > a
        ]
    low, high = min(course), max(course)
    blocks = "▁▂▃▄▅▆▇█"
    scale = (len(blocks) - 1) / (high - low) if high > low else 0.0
    return "".join(blocks[round((value - low) * scale)] for value in course)


def encoding(record: Mapping[str, Any]) -> str:
    """How far the frames of a data set are encoded, and how much disk they take.

    >>> encoding({"frames": 500, "of": 1000, "megabytes": 3.07})
    'encoding frames once: 500 of 1,000 (3.1 MB on disk)'
    """
    size = megabytes(record["megabytes"] * MEGABYTE)
    return f"encoding frames once: {record['frames']:,} of {record['of']:,} ({size} on disk)"


def _progress(record: Mapping[str, Any]) -> str:
    if not record:
        return "starting"
    if record.get("split") == ENCODING:
        return encoding(record)
    total = f"/{record['total_steps']}" if "total_steps" in record else ""
    return f"step {record['step']}{total}"
