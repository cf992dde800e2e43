"""Windows in the order of a file's chunks, for files that hold many frames in each.

Released files compress 100 frames together: a window of 4 frames read at random decodes 100 or 200,
25 to 50 times too many. Instead the file's chunks are cut into runs of neighbours, the runs are put
in random order and taken in groups whose decoded images fit in memory; the windows that begin in
a group are mixed. Every window comes once an epoch, and each chunk is decoded about once:
a run's last windows reach into the next chunk, which costs one chunk more a run.

The price is that windows of one batch come from the few dozen episodes of one group.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from lewm_probe.data.episodes import Episodes

MEMORY = 2**30
"""Bytes of decoded chunks that are held: 70 of the released ones, some 75 episodes."""
RUN = 8
"""Neighbouring chunks that stay together, if so many fit four times."""


@dataclass(frozen=True)
class Group:
    """How many chunks a run holds, and how many runs are mixed."""

    run: int
    runs: int


class ChunkReader:
    """Images of a file, whole chunks of them held in memory, the least lately used given up.

    Args:
        file: stays open.
        memory: bytes of decoded chunks.

    Attributes:
        rows: rows of a chunk.
        decoded: chunks decoded so far.
    """

    def __init__(self, file: Episodes, memory: int = MEMORY) -> None:
        self._file = file
        self.rows = file.chunk_rows
        chunk_bytes = self.rows * int(np.prod(file.frame_shape))
        self._most = max(2, memory // chunk_bytes)
        self._held: OrderedDict[int, np.ndarray] = OrderedDict()
        self.decoded = 0

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Images of some rows, uint8 (n, H, W, C), in the order asked for."""
        found = np.empty((len(rows), *self._file.frame_shape), np.uint8)
        chunks = rows // self.rows
        for chunk in np.unique(chunks):
            places = np.flatnonzero(chunks == chunk)
            found[places] = self._chunk(int(chunk))[rows[places] % self.rows]
        return found

    def group(self, span: int) -> Group:
        """The largest group that fits, with the chunks that windows of ``span`` rows reach into."""
        beyond = -(-span // self.rows)
        run = max(1, min(RUN, self._most // 4 - beyond))
        return Group(run, max(1, self._most // (run + beyond)))

    def _chunk(self, number: int) -> np.ndarray:
        if number in self._held:
            self._held.move_to_end(number)
            return self._held[number]
        while len(self._held) >= self._most:
            self._held.popitem(last=False)
        start = number * self.rows
        pixels = self._file.read("pixels", start, min(start + self.rows, self._file.rows))
        self._held[number] = pixels
        self.decoded += 1
        return pixels


def chunk_order(chunks: np.ndarray, group: Group, rng: np.random.Generator) -> np.ndarray:
    """A random order of windows that goes through a file group by group.

    Args:
        chunks: the chunk in which each window begins, int64 (windows,).
        group: its size.
        rng: decides everything.

    Returns:
        Every window's number once, int64 (windows,).

    >>> chunks = np.arange(6) // 2  # three chunks of two windows
    >>> order = chunk_order(chunks, Group(run=1, runs=1), np.random.default_rng(0))
    >>> chunks[order].tolist(), sorted(order.tolist())
    ([1, 1, 2, 2, 0, 0], [0, 1, 2, 3, 4, 5])
    """
    shift = int(rng.integers(group.run))  # runs end elsewhere in every epoch
    runs = (chunks + shift) // group.run
    place = rng.permutation(int(runs.max(initial=0)) + 1)
    groups = place[runs] // group.runs
    shuffled = rng.permutation(len(chunks))
    return shuffled[np.argsort(groups[shuffled], kind="stable")]
