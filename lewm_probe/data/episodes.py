"""Episodes on disk in the released HDF5 layout: read them, write them.

Our own files differ from the released ones in one way: **one frame a chunk** instead of 100. A
training window reads 4 frames, 5 rows apart; with one frame a chunk exactly those 4 are decoded,
with 100 a chunk one or two hundred are. LZ4 without shuffling was measured on TwoRoom pictures to
decode 2–3 times faster than zstd for files half as large again (1 kB a frame at 64 px).

>>> with EpisodeFile(Path("tests/golden/released_layout.h5")) as file:
...     print(len(file), file.action_width, file.lengths.tolist())
4 2 [31, 20, 19, 47]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from lewm_probe.data.disk import DiskFile
from lewm_probe.data.layout import EPISODE_COLUMNS, guarded, read_layout
from lewm_probe.errors import UserError
from lewm_probe.files import atomic_path, content_hash

FINGERPRINT_FRAMES = 256
"""Frames that enter the fingerprint, evenly spaced, the first and the last among them."""
_CHUNK_CACHE_BYTES = 2**28
"""HDF5's chunk cache: a dozen of the released 15 MB chunks, where the default 8 MB keeps none."""
_COMPRESSION = hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.NOSHUFFLE)

_fingerprints: dict[tuple[str, int, int], str] = {}
"""Fingerprints known to this process, by path, size and time of change."""


class EpisodeFile:
    """A data set file, checked on opening; use it as a context manager.

    Attributes:
        path: the file.
        columns: names of the row columns, ``pixels`` and ``action`` included.
        rows: rows of every column.
        offsets: first row of each episode, int64 (episodes,).
        lengths: rows of each episode, int64 (episodes,).
        attrs: what the file says of itself: ``world``, ``picture_size``, ``seed``, ``mode``,
            ``length``, ``format_version`` and ``lewm_probe_version`` in our own files.

    Raises:
        UserError: not there, not HDF5, truncated, or not in the released layout.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            what = "is a folder, not a file" if self.path.is_dir() else "does not exist"
            raise UserError(
                f"The data set {self.path} {what}. Check the path, or collect one with "
                f"`lewm-probe data collect two-room --episodes 600 --out FILE.h5`."
            )
        self._file: h5py.File = guarded(
            self.path,
            lambda: h5py.File(self.path, "r", rdcc_nbytes=_CHUNK_CACHE_BYTES),
        )
        try:
            layout = guarded(self.path, lambda: read_layout(self._file, self.path))
        except UserError:
            self._file.close()
            raise
        self.columns: tuple[str, ...] = layout.columns
        self.rows: int = layout.rows
        self.offsets: np.ndarray = layout.offsets
        self.lengths: np.ndarray = layout.lengths
        self.attrs: dict[str, str | int | float] = layout.attrs
        self._datasets: dict[str, h5py.Dataset] = {name: self._file[name] for name in self.columns}

    def __enter__(self) -> EpisodeFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.lengths)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def action_width(self) -> int:
        """Width of one environment action."""
        return int(self._datasets["action"].shape[1])

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a picture."""
        height, width, channels = self._datasets["pixels"].shape[1:]
        return int(height), int(width), int(channels)

    @property
    def picture_size(self) -> int:
        """Side of the square picture in pixels.

        Raises:
            UserError: the pictures are not square.
        """
        height, width, _ = self.frame_shape
        if height != width:
            raise UserError(
                f"The pictures in {self.path} are {width}×{height} px; world models here need "
                "square ones. Crop or resize them and write the file again."
            )
        return height

    @property
    def world(self) -> str | None:
        """The world that our own files name; released files do not say."""
        name = self.attrs.get("world")
        return name if isinstance(name, str) else None

    @property
    def episode_column(self) -> str | None:
        """``episode_idx`` (Push-T) or ``ep_idx`` (elsewhere), where there is one."""
        return next((name for name in EPISODE_COLUMNS if name in self.columns), None)

    def read(self, column: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows ``start`` to ``stop`` of a column, as stored.

        Raises:
            UserError: no such column, or the stored bytes do not decode.
        """
        dataset = self._dataset(column)
        return guarded(self.path, lambda: dataset[start:stop])

    def read_into(self, column: str, start: int, into: np.ndarray) -> None:
        """Fill ``into`` (rows, …) with the rows of a column from ``start`` on, without a copy."""
        dataset = self._dataset(column)
        guarded(self.path, lambda: dataset.read_direct(into, np.s_[start : start + len(into)]))

    def row(self, column: str, index: int) -> np.ndarray:
        """One row of a column."""
        dataset = self._dataset(column)
        return guarded(self.path, lambda: dataset[index])

    def episode(self, index: int, columns: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """All rows of one episode, each column (length, …).

        Raises:
            UserError: no such episode or column.
        """
        if not 0 <= index < len(self):
            raise UserError(
                f"There is no episode {index} in {self.path}: it has {len(self)}, "
                f"counted from 0. Choose one from 0 to {len(self) - 1}."
            )
        start = int(self.offsets[index])
        stop = start + int(self.lengths[index])
        names = self.columns if columns is None else tuple(columns)
        return {name: self.read(name, start, stop) for name in names}

    def rows_of(self, episodes: Sequence[int] | np.ndarray) -> np.ndarray:
        """Row numbers of some episodes, one after the other, int64."""
        ids = np.asarray(episodes, dtype=np.int64)
        if not len(ids):
            return np.zeros(0, dtype=np.int64)
        starts, lengths = self.offsets[ids], self.lengths[ids]
        before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))

    def describe(self, column: str) -> str:
        """Type and shape of a row of a column, e.g. ``float32 (2,)``."""
        dataset = self._dataset(column)
        return f"{dataset.dtype} {tuple(int(side) for side in dataset.shape[1:])}"

    @property
    def fingerprint(self) -> str:
        """Hash of the content: equal for equal data, whatever the file's name and compression.

        Covers the names, lengths and every value of all columns but ``pixels``, and 256 evenly
        spaced frames, so that a released file of 138 GB is not decoded whole. Computed once a
        process for a file that does not change.
        """
        facts = self.path.stat()
        key = (str(self.path.resolve()), facts.st_size, facts.st_mtime_ns)
        if key not in _fingerprints:
            parts: list[Any] = [self.offsets, self.lengths, self.frame_shape]
            for name in self.columns:
                if name != "pixels":
                    parts += [name, self.read(name)]
            chosen = np.unique(np.linspace(0, self.rows - 1, FINGERPRINT_FRAMES).astype(np.int64))
            parts += [self.row("pixels", int(row)) for row in chosen]
            _fingerprints[key] = content_hash(*parts)
        return _fingerprints[key]

    def copy_pixels_to(self, target: h5py.Dataset, first: int) -> None:
        """Copy all frames, still compressed, to the rows of ``target`` from ``first`` on.

        For files of our own only, which hold one frame a chunk.
        """
        source = self._datasets["pixels"].id
        for row in range(self.rows):
            mask, frame = source.read_direct_chunk((row, 0, 0, 0))
            target.id.write_direct_chunk((first + row, 0, 0, 0), frame, mask)

    def _dataset(self, column: str) -> h5py.Dataset:
        if column not in self._datasets:
            raise UserError(
                f"{self.path} has no column '{column}'. It has: {', '.join(self.columns)}."
            )
        return self._datasets[column]


class EpisodeWriter:
    """Write a data set file of episodes whose lengths are known; it appears only when complete.

    Use it as a context manager; ``append`` every episode in order. The bytes depend on the
    content alone: no times, no names of machines.

    Args:
        path: the file; replaced only when everything was written.
        lengths: rows of each episode.
        attrs: attributes of the file.
        episode_column: ``ep_idx``, or ``episode_idx`` as in Push-T.

    Raises:
        UserError: the disk is full, or the folder may not be written.
    """

    def __init__(
        self,
        path: Path | str,
        lengths: Sequence[int],
        attrs: Mapping[str, str | int],
        episode_column: str = "ep_idx",
    ) -> None:
        self.path = Path(path)
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._offsets = np.concatenate([[0], np.cumsum(self._lengths)[:-1]])
        self._attrs = dict(attrs)
        self._episode_column = episode_column
        self._written = 0
        self._exit = ExitStack()

    def __enter__(self) -> EpisodeWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            self._disk = stack.enter_context(DiskFile(temporary))
            # 1.10's file format (2016) indexes one-frame chunks more tightly than the oldest one.
            self._file = stack.enter_context(
                h5py.File(self._disk, "w", libver=("v110", "v110"), rdcc_nbytes=0)
            )
            for name, value in self._attrs.items():
                self._file.attrs[name] = value
            self._column("ep_offset", self._offsets)
            self._column("ep_len", self._lengths.astype(np.int32))
            ids = np.repeat(np.arange(len(self._lengths), dtype=np.int32), self._lengths)
            self._column(self._episode_column, ids)
            self._column("step_idx", np.arange(len(ids)) - np.repeat(self._offsets, self._lengths))
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self._written != len(self._lengths):
            error = ValueError(f"{self._written} of {len(self._lengths)} episodes were written")
            self._exit.__exit__(type(error), error, None)
            raise error
        self._exit.__exit__(kind, error, trace)

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Write the next episode: ``pixels``, ``action`` and the others, each (length, …)."""
        rows = self._next(1)
        pixels = columns["pixels"]
        self._pixels(pixels.shape[1:])[rows] = pixels
        self._write({n: v for n, v in columns.items() if n != "pixels"}, rows)
        self._disk.check()

    def append_file(self, part: EpisodeFile) -> None:
        """Write all episodes of a file that this class wrote, its frames not compressed anew."""
        rows = self._next(len(part))
        part.copy_pixels_to(self._pixels(part.frame_shape), rows.start)
        own = {"pixels", "step_idx", self._episode_column}
        self._write({n: part.read(n) for n in part.columns if n not in own}, rows)
        self._disk.check()

    def _next(self, episodes: int) -> slice:
        upto = self._written + episodes
        rows = slice(
            int(self._offsets[self._written]),
            int(self._offsets[self._written] + self._lengths[self._written : upto].sum()),
        )
        self._written = upto
        return rows

    def _pixels(self, frame: Sequence[int]) -> h5py.Dataset:
        if "pixels" not in self._file:
            self._file.create_dataset(
                "pixels",
                shape=(int(self._lengths.sum()), *frame),
                dtype=np.uint8,
                chunks=(1, *frame),
                track_times=False,
                **_COMPRESSION,
            )
        return self._file["pixels"]

    def _write(self, columns: Mapping[str, np.ndarray], rows: slice) -> None:
        for name in sorted(columns):
            values = columns[name]
            if len(values) != rows.stop - rows.start:
                raise ValueError(f"'{name}' has {len(values)} rows, not {rows.stop - rows.start}")
            if name not in self._file:
                # Contiguous: these columns are small beside the pictures and read in one go.
                self._file.create_dataset(
                    name,
                    shape=(int(self._lengths.sum()), *values.shape[1:]),
                    dtype=values.dtype,
                    track_times=False,
                )
            self._file[name][rows] = values

    def _column(self, name: str, values: np.ndarray) -> None:
        self._file.create_dataset(name, data=values, track_times=False)
