"""Windows: the short clips that world models train on.

A window of T frames at frame-skip k spans T·k raw rows and stays inside one episode; every row
that has room for a window starts one. Columns are taken at every k-th row. Actions keep all their
rows: the k of them from frame t on, (k·a,), are the block that leads from frame t to t + 1.
An episode of fewer than T·k rows yields nothing.

>>> from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
>>> with EpisodeFile("tests/golden/released_layout.h5") as file:
...     windows = Windows(file, [0, 1, 2, 3], frames=4, frame_skip=5)
...     batch = windows.batch([0, 40])
>>> len(windows), batch["pixels"].shape, batch["action"].shape
(41, (2, 4, 32, 32, 3), (2, 4, 10))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.sampling.chunk_order import ChunkReader, chunk_order

MEMORY_LIMIT = 6 * 2**30
"""Bytes of images that are held in memory; more are read from the file as they are asked for."""
_READ_BYTES = 2**26
"""Images decoded in one go while loading."""


class Rows(Protocol):
    """Something of every row of a file."""

    def take(self, rows: np.ndarray) -> np.ndarray:
        """That of some rows, (n, …), in the order asked for."""


class Windows:
    """All windows of some episodes, by number.

    The images are held in memory when they fit ``memory_limit``; otherwise the file must stay
    open, and each batch reads from it in file order. Take windows in the ``order`` given here:
    where a chunk of the file holds many frames, any other decodes the same chunks over and over.

    Args:
        file: the data set.
        episodes: which of its episodes.
        frames: T, frames of a window.
        frame_skip: k, environment steps between frames.
        columns: further columns to give beside ``pixels`` and ``action``.
        memory_limit: bytes.
        encoded: what was made of every image of the file, by row: given as ``encoded`` in place of
            ``pixels``, and no image is read.

    Attributes:
        starts: the window's first row in the file, int64 (windows,).
        columns: the further columns of the episodes' rows, one after the other.
        too_short: how many of the episodes have no room for a window.
        in_memory: whether the images are held in memory.

    Raises:
        UsageError: no frames, or no steps between them.
        UserError: no episode is long enough, or an action other than an episode's last is not
            finite.
    """

    def __init__(
        self,
        file: Episodes,
        episodes: Sequence[int] | np.ndarray,
        frames: int,
        frame_skip: int,
        *,
        columns: Sequence[str] = (),
        memory_limit: int = MEMORY_LIMIT,
        encoded: Rows | None = None,
    ) -> None:
        if frames < 1 or frame_skip < 1:
            raise UsageError(
                f"Windows of {frames} frames at frame-skip {frame_skip} cannot be cut; both must "
                "be at least 1."
            )
        self.frames = frames
        self.frame_skip = frame_skip
        self._file = file
        ids = np.asarray(episodes, dtype=np.int64)
        lengths = file.lengths[ids]
        span = frames * frame_skip
        counts = np.maximum(lengths - span + 1, 0)
        self.too_short = int((counts == 0).sum())
        if not counts.any():
            raise UserError(
                f"All {len(ids)} episodes asked of {file.path} are shorter than a window: the "
                f"longest has {int(lengths.max(initial=0))} rows, but {frames} frames at "
                f"frame-skip {frame_skip} need {span}. Collect longer episodes (--length "
                f"{span - 1} or more), or ask for fewer frames."
            )
        actions = file.read("action").astype(np.float32, copy=False)
        rows = file.rows_of(ids)
        _check_actions(file, actions, ids)
        first = np.cumsum(lengths) - lengths
        # Rows are renumbered to those of the chosen episodes: nothing else is kept.
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        self._starts = np.repeat(first, counts) + within
        self.starts = rows[self._starts]
        self._actions = actions[rows]
        self.columns = {name: file.read(name)[rows] for name in columns}
        self._frame_rows = np.arange(frames) * frame_skip
        self._span_rows = np.arange(span)
        size = len(rows) * int(np.prod(file.frame_shape))
        self._encoded = encoded
        self.in_memory = size <= memory_limit and encoded is None
        self._pixels = _load_pixels(file, ids) if self.in_memory else None
        coarse = not self.in_memory and encoded is None and file.chunk_rows > 1
        self._images = ChunkReader(file) if coarse else None

    def __len__(self) -> int:
        """Number of windows."""
        return len(self._starts)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """All windows once, in random order: what an epoch of training goes through.

        Where images are read from chunks of many frames, chunks are taken in random order and
        windows are mixed within groups of them (``chunk_order``), so that each chunk is decoded
        about once; otherwise every order is equally likely.
        """
        if self._images is None:
            return rng.permutation(len(self))
        span = int(self._frame_rows[-1])
        return chunk_order(self.starts // self._images.rows, self._images.group(span), rng)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Some windows: ``pixels`` uint8 (B, T, H, W, C), ``action`` float32 (B, T, k·a) raw.

        NaN actions are kept. Further columns come as (B, T, …).

        Raises:
            IndexError: no such window.
        """
        which = np.asarray(indices, dtype=np.int64)
        starts = self._starts[which]
        at_frames = starts[:, None] + self._frame_rows  # (B, T)
        actions = self._actions[starts[:, None] + self._span_rows]  # (B, T·k, a)
        batch = self._images_of(self.starts[which], at_frames)
        batch["action"] = actions.reshape(len(which), self.frames, -1)
        for name, values in self.columns.items():
            batch[name] = values[at_frames]
        return batch

    def _images_of(self, starts: np.ndarray, at_frames: np.ndarray) -> dict[str, np.ndarray]:
        """``pixels`` (B, T, H, W, C), or ``encoded`` (B, T, …): ``starts`` are the file's rows."""
        if self._pixels is not None:
            return {"pixels": np.take(self._pixels, at_frames, axis=0)}
        rows = (starts[:, None] + self._frame_rows).ravel()
        if self._encoded is not None:
            encoded = self._encoded.take(rows)
            return {"encoded": encoded.reshape(*at_frames.shape, *encoded.shape[1:])}
        return {"pixels": self._read_pixels(rows, len(starts))}

    def _read_pixels(self, rows: np.ndarray, windows: int) -> np.ndarray:
        found = self._images.take(rows) if self._images else self._file.take("pixels", rows)
        return found.reshape(windows, self.frames, *self._file.frame_shape)


def _load_pixels(file: Episodes, episodes: np.ndarray) -> np.ndarray:
    """Images of some episodes one after the other, read in long runs of neighbouring rows."""
    rows = file.rows_of(episodes)
    pixels = np.empty((len(rows), *file.frame_shape), dtype=np.uint8)
    longest = max(1, _READ_BYTES // pixels[0].nbytes)
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    for start, stop in zip([0, *breaks], [*breaks, len(rows)], strict=True):
        for at in range(int(start), int(stop), longest):
            upto = min(at + longest, int(stop))
            file.read_into("pixels", int(rows[at]), pixels[at:upto])
    return pixels


def _check_actions(file: Episodes, actions: np.ndarray, episodes: np.ndarray) -> None:
    bad = ~np.isfinite(actions).all(axis=1)
    lasts = (file.offsets + file.lengths - 1)[episodes]
    bad[lasts[~np.isinf(actions[lasts]).any(axis=1)]] = False
    at = np.flatnonzero(bad[file.rows_of(episodes)])
    if len(at):
        raise UserError(
            f"{len(at)} actions in {file.path} are NaN or infinite (the first at row "
            f"{file.rows_of(episodes)[at[0]]}); only the last of an episode may be NaN. "
            f"`lewm-probe data check {file.path}` lists what is wrong; fetch or collect it again."
        )
