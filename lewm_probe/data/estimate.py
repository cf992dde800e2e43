"""What a collection will take, from a few of its episodes: told, and refused, before the work."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lewm_probe.core.disk import check_room, megabytes

TRIED_EPISODES = 4
"""Episodes that are tried."""

TRIED_STEPS = 100
"""Steps of an episode that is tried, at most: one of a billion would never end."""

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

    def check_room(self, out: Path, there: float = 0.0) -> None:
        """Refuse what the disk cannot hold; at the end parts and the whole lie side by side.

        Args:
            out: the file.
            there: bytes of parts that an earlier call has written.

        Raises:
            NotWritten: too little is free.
        """
        check_room(
            out.parent,
            2 * self.size - there,
            f"{self.episodes:,} episodes of at most {self.rows:,} rows",
            "fewer --episodes, a smaller --length or --size",
        )

    def __str__(self) -> str:
        return (
            f"{self.episodes:,} episodes, at most {self.rows:,} rows: about "
            f"{megabytes(self.size)} and {_duration(self.seconds)}."
        )


def estimate(
    try_some: Callable[[Path, int, int], int], episodes: int, length: int, workers: int
) -> Estimate:
    """Try some short episodes of a collection.

    Args:
        try_some: writes so many episodes of at most so many steps to a path; gives their rows.
        episodes: how many are asked for.
        length: steps of each, at most.
        workers: processes that will share the work.
    """
    steps = min(length, TRIED_STEPS)
    with tempfile.TemporaryDirectory() as folder:
        for count, name in ((1, "first"), (TRIED_EPISODES, "measured")):  # the first one imports
            path = Path(folder) / f"{name}.h5"
            began = time.perf_counter()
            tried = try_some(path, count, steps)
            seconds = time.perf_counter() - began
        size = path.stat().st_size
    # Of what was tried to its end the mean is known; longer ones are taken at their longest.
    rows = episodes * (tried / TRIED_EPISODES if length == steps else length + 1)
    return Estimate(
        episodes,
        episodes * (length + 1),
        rows * size / tried,
        rows * seconds / tried / workers,
    )


def _duration(seconds: float) -> str:
    for unit, name in ((86_400 * 365, "years"), (86_400, "days"), (3_600, "hours"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.0f} {name}"
    return f"{max(1, round(seconds))} s"
