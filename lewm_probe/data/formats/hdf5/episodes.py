"""Episodes on disk in the released HDF5 layout: read them, write them.

Our own files differ from the released ones in one way: **one frame a chunk** instead of 100. A
training window reads 4 frames, 5 rows apart; with one frame a chunk exactly those 4 are decoded,
with 100 a chunk one or two hundred are. LZ4 without shuffling was measured on TwoRoom images to
decode 2–3 times faster than zstd for files half as large again (1 kB a frame at 64 px).

>>> with EpisodeFile(Path("tests/golden/released_layout.h5")) as file:
...     print(len(file), file.action_width, file.lengths.tolist())
4 2 [31, 20, 19, 47]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import h5py
import hdf5plugin
import numpy as np

from lewm_probe.core.addresses.address import place
from lewm_probe.core.addresses.ranges import ranges_of
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import FILE, NOTHING, atomic_path, kind_of
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.hdf5.disk import DiskFile
from lewm_probe.data.formats.hdf5.layout import guarded, read_layout

T = TypeVar("T")

_CHUNK_CACHE_BYTES = 2**28
"""HDF5's chunk cache: a dozen of the released 15 MB chunks, where the default 8 MB keeps none."""
_COMPRESSION = hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.NOSHUFFLE)


class EpisodeFile(Episodes):
    """An HDF5 file in the released layout; what it offers is described in ``base``.

    Raises:
        UserError: not there, not HDF5, truncated, or not in the released layout.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = place(path)
        if (there := kind_of(self.path)) != FILE:
            what = "does not exist" if there == NOTHING else f"is {there}, not a file"
            raise UserError(
                f"The data set {self.path} {what}. Check the path, or collect one with "
                f"`lewm-probe data collect two-room --episodes 600 --out FILE.h5`."
            )
        self._opened = ExitStack()
        with ExitStack() as stack:
            self._ranges = ranges_of(self.path)
            bytes_of: Any = stack.enter_context(self._ranges) if self._ranges else self.path
            self._file: h5py.File = self._guarded(
                lambda: h5py.File(bytes_of, "r", rdcc_nbytes=_CHUNK_CACHE_BYTES)
            )
            stack.enter_context(self._file)
            layout = self._guarded(lambda: read_layout(self._file, self.path))
            self._opened = stack.pop_all()
        self.columns = layout.columns
        self.rows = layout.rows
        self.offsets = layout.offsets
        self.lengths = layout.lengths
        self.attrs = layout.attrs
        self._datasets: dict[str, h5py.Dataset] = {name: self._file[name] for name in self.columns}
        self.chunk_rows = int((self._datasets["pixels"].chunks or (1,))[0])

    def close(self) -> None:
        """Let go of the file."""
        self._opened.close()

    def row_type(self, column: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """Type and shape of a row of a column."""
        dataset = self._dataset(column)
        return dataset.dtype, tuple(int(side) for side in dataset.shape[1:])

    def read(self, column: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows ``start`` to ``stop`` of a column, as stored.

        Raises:
            UserError: no such column, or the stored bytes do not decode.
        """
        dataset = self._dataset(column)
        return self._guarded(lambda: dataset[start:stop])

    def read_into(self, column: str, start: int, into: np.ndarray) -> None:
        """Fill ``into`` (rows, …) with the rows of a column from ``start`` on, without a copy."""
        dataset = self._dataset(column)
        self._guarded(lambda: dataset.read_direct(into, np.s_[start : start + len(into)]))

    def row(self, column: str, index: int) -> np.ndarray:
        """One row of a column."""
        dataset = self._dataset(column)
        return self._guarded(lambda: dataset[index])

    def copy_pixels_to(self, target: h5py.Dataset, first: int) -> None:
        """Copy all frames, still compressed, to the rows of ``target`` from ``first`` on.

        For files of our own only, which hold one frame a chunk.
        """
        source = self._datasets["pixels"].id
        for row in range(self.rows):
            mask, frame = source.read_direct_chunk((row, 0, 0, 0))
            target.id.write_direct_chunk((first + row, 0, 0, 0), frame, mask)

    def _guarded(self, read: Callable[[], T]) -> T:
        try:
            return guarded(self.path, read)
        except UserError as error:
            # Bytes that could not be fetched are no fault of the file.
            if self._ranges and self._ranges.failure:
                raise self._ranges.failure from error
            raise

    def _dataset(self, column: str) -> h5py.Dataset:
        self.known_column(column)
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
        attrs: Mapping[str, str | int | float],
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

    def append(
        self, columns: Mapping[str, np.ndarray], images: Iterable[np.ndarray] | None = None
    ) -> None:
        """Write the next episode: ``pixels``, ``action`` and the others, each (length, …).

        Args:
            columns: the columns; with ``images`` all but ``pixels``.
            images: the episode's images in blocks (rows, H, W, C), for long episodes.
        """
        rows = self._next(1)
        at = rows.start
        for block in [columns["pixels"]] if images is None else images:
            self._pixels(block.shape[1:])[at : at + len(block)] = block
            at += len(block)
        if at != rows.stop:
            raise ValueError(f"{at - rows.start} images for {rows.stop - rows.start} rows")
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
                # Contiguous: these columns are small beside the images and read in one go.
                self._file.create_dataset(
                    name,
                    shape=(int(self._lengths.sum()), *values.shape[1:]),
                    dtype=values.dtype,
                    track_times=False,
                )
            self._file[name][rows] = values

    def _column(self, name: str, values: np.ndarray) -> None:
        self._file.create_dataset(name, data=values, track_times=False)
