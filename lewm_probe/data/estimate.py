"""What a collection will take, from a few of its episodes: told, and refused, before the work."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lewm_probe.core.disk import check_room, megabytes

TRIED_STEPS = 100
"""Steps of the episode that is tried: one of a billion would never end."""

WORTH_SAYING = 2_000
"""Rows below which nothing is tried or told: about a second of work."""


@dataclass(frozen=True)
class Estimate:
    """What a collection will take, about.

    Attributes:
        episodes: how many.
        rows: of all of them, at most.
        size: bytes of the finished file.
        seconds: on the cores that it gets.
    """

    episodes: int
    rows: int
    size: float
    seconds: float

    def check_room(self, out: Path) -> None:
        """Refuse what the disk cannot hold; at the end parts and the whole lie side by side.

        Raises:
            NotWritten: too little is free.
        """
        check_room(
            out.parent,
            2 * self.size,
            f"{self.episodes:,} episodes of at most {self.rows:,} rows",
            "fewer --episodes, a smaller --length or --size",
        )

    def __str__(self) -> str:
        return (
            f"{self.episodes:,} episodes, at most {self.rows:,} rows: about "
            f"{megabytes(self.size)} and {_duration(self.seconds)}."
        )


def estimate(
    try_one: Callable[[Path, int], int], episodes: int, length: int, workers: int
) -> Estimate:
    """Try one short episode of a collection.

    Args:
        try_one: writes an episode of at most so many steps to a path; gives its rows.
        episodes: how many are asked for.
        length: steps of each, at most.
        workers: processes that will share the work.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "measured"):  # the first one imports
            path = Path(folder) / f"{name}.h5"
            began = time.perf_counter()
            tried = try_one(path, min(length, TRIED_STEPS))
            seconds = time.perf_counter() - began
        size = path.stat().st_size
    rows = episodes * (length + 1)
    return Estimate(episodes, rows, rows * size / tried, rows * seconds / tried / workers)


def _duration(seconds: float) -> str:
    for unit, name in ((86_400 * 365, "years"), (86_400, "days"), (3_600, "hours"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.0f} {name}"
    return f"{max(1, round(seconds))} s"
