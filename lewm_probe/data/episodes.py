"""What a data set of episodes offers, whatever it is stored as.

``open_episodes`` (``registry``) gives one of these for an HDF5 file in the released layout
(``EpisodeFile``), a Lance table (``LanceEpisodes``) or a folder of images or videos beside a CSV
file (``FolderEpisodes``). Rows are flat: every column has ``rows`` of them, and episode i is the
rows ``offsets[i]`` up to ``offsets[i] + lengths[i]``. Row t holds the image of moment t and the
action taken there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from lewm_probe.core.addresses.address import stored
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import content_hash, resolved
from lewm_probe.data.formats.hdf5.layout import EPISODE_COLUMNS

FINGERPRINT_FRAMES = 256
"""Frames that enter the fingerprint, evenly spaced, the first and the last among them."""
BLOCK_BYTES = 2**26
"""Images decoded in one go where an episode is gone through."""

_fingerprints: dict[tuple[object, ...], str] = {}
"""Fingerprints known to this process, by what ``_stamp`` says of the data set."""


class Episodes(ABC):
    """A data set, checked on opening; use it as a context manager.

    Attributes:
        path: the file or folder.
        columns: names of the row columns, ``pixels`` and ``action`` included.
        rows: rows of every column.
        offsets: first row of each episode, int64 (episodes,).
        lengths: rows of each episode, int64 (episodes,).
        attrs: what the data set says of itself: ``world``, ``picture_size``, ``seed``, ``mode``,
            ``length``, ``format_version`` and ``lewm_probe_version`` in our own files;
            ``quantities`` (JSON, see ``quantities``) where its writer named them; ``note`` where
            the storage is not exact.
        chunk_rows: images that are decoded together when one of them is read.
    """

    path: Path
    columns: tuple[str, ...]
    rows: int
    offsets: np.ndarray
    lengths: np.ndarray
    attrs: dict[str, str | int | float]
    chunk_rows: int = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.lengths)

    @abstractmethod
    def close(self) -> None:
        """Let go of the files."""

    @abstractmethod
    def row_type(self, column: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """Type and shape of a row of a column.

        Raises:
            UserError: no such column.
        """

    def describe(self, column: str) -> str:
        """Type and shape of a row of a column in words, e.g. ``float32 (2,)``.

        Raises:
            UserError: no such column.
        """
        kind, shape = self.row_type(column)
        return f"{kind} {shape}"

    @property
    def action_width(self) -> int:
        """Width of one environment action."""
        return self.row_type("action")[1][0]

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        height, width, channels = self.row_type("pixels")[1]
        return height, width, channels

    @property
    def image_size(self) -> int:
        """Side of the square image in pixels.

        Raises:
            UserError: the images are not square.
        """
        height, width, _ = self.frame_shape
        if height != width:
            raise UserError(
                f"The images in {self.path} are {width}×{height} px; world models here need "
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
        """``episode_idx`` (Push-T, Lance) or ``ep_idx`` (elsewhere), where there is one."""
        return next((name for name in EPISODE_COLUMNS if name in self.columns), None)

    @abstractmethod
    def read(self, column: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows ``start`` to ``stop`` of a column, as stored.

        Raises:
            UserError: no such column, or the stored bytes do not decode.
        """

    def read_into(self, column: str, start: int, into: np.ndarray) -> None:
        """Fill ``into`` (rows, …) with the rows of a column from ``start`` on."""
        into[...] = self.read(column, start, start + len(into))

    def row(self, column: str, index: int) -> np.ndarray:
        """One row of a column."""
        return self.read(column, index, index + 1)[0]

    def take(self, column: str, rows: np.ndarray) -> np.ndarray:
        """Some rows of a column, in the order asked for (n, …), read in the order of rows."""
        wanted = np.asarray(rows, dtype=np.int64)
        kind, shape = self.row_type(column)
        found = np.empty((len(wanted), *shape), kind)
        before = -1
        for place in np.argsort(wanted, kind="stable"):
            same = before >= 0 and wanted[before] == wanted[place]
            # Row by row: h5py takes milliseconds for one slice with a stride.
            found[place] = found[before] if same else self.row(column, int(wanted[place]))
            before = int(place)
        return found

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

    def images(self, index: int, block_bytes: int = BLOCK_BYTES) -> Iterator[np.ndarray]:
        """An episode's images in blocks of neighbouring rows, uint8 (rows, H, W, C) each.

        For episodes of any length: no more than ``block_bytes`` are decoded at a time.
        """
        longest = max(1, block_bytes // int(np.prod(self.frame_shape)))
        start = int(self.offsets[index])
        stop = start + int(self.lengths[index])
        for at in range(start, stop, longest):
            yield self.read("pixels", at, min(at + longest, stop))

    def rows_of(self, episodes: Sequence[int] | np.ndarray) -> np.ndarray:
        """Row numbers of some episodes, one after the other, int64."""
        ids = np.asarray(episodes, dtype=np.int64)
        if not len(ids):
            return np.zeros(0, dtype=np.int64)
        starts, lengths = self.offsets[ids], self.lengths[ids]
        before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))

    @property
    def fingerprint(self) -> str:
        """Hash of the content: equal for equal data, whatever its name, storage and compression.

        Covers the names, lengths and every value of all columns but ``pixels``, and 256 evenly
        spaced frames, so that a released file of 138 GB is not decoded whole. Computed once a
        process for a data set that does not change.
        """
        key = self._stamp()
        if key not in _fingerprints:
            parts: list[Any] = [self.offsets, self.lengths, self.frame_shape]
            for name in self.columns:
                if name != "pixels":
                    parts += [name, self.read(name)]
            chosen = np.unique(np.linspace(0, self.rows - 1, FINGERPRINT_FRAMES).astype(np.int64))
            parts += [self.row("pixels", int(row)) for row in chosen]
            _fingerprints[key] = content_hash(*parts)
        return _fingerprints[key]

    def stored_bytes(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in stored(resolved(self.path)))

    def _stamp(self) -> tuple[object, ...]:
        """Something that differs when the stored bytes may have changed."""
        place = resolved(self.path)  # which may be a link
        facts = [(str(file.path), file.size, file.version) for file in stored(place)]
        return str(place), content_hash(*facts)

    def known_column(self, column: str) -> None:
        """Check a name.

        Raises:
            UserError: no such column.
        """
        if column not in self.columns:
            raise UserError(
                f"{self.path} has no column '{column}'. It has: {', '.join(self.columns)}."
            )
