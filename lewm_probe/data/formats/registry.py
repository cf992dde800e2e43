"""Kinds of data sets, told apart by what lies at a path: opened and written in one way.

Another package adds one, a file and a line, in its own ``pyproject.toml``:

    [project.entry-points."lewm_probe.formats"]
    toyset = "my_package.toyset:TOYSET"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lewm_probe.core.addresses.address import place
from lewm_probe.core.addresses.address import writable as path_written
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.registry import Registry
from lewm_probe.data.episodes import Episodes

Part = tuple[dict[str, np.ndarray], Iterator[np.ndarray]]
"""An episode: its columns but for ``pixels``, each (T, …), and its images in blocks."""
Attrs = Mapping[str, str | int | float]
"""What a data set says of itself (``Episodes.attrs``)."""


@dataclass(frozen=True)
class Parts:
    """Episodes on their way into another data set; going through them once reads them.

    Attributes:
        episodes: one after the other, images not all in memory.
        lengths: rows of each.
        types: type and shape of a row of each column, ``action`` among them, but for ``pixels`` and
            the columns that number rows, which every data set makes anew.
        episode_column: how the source calls the number of an episode; None where it has none.
        source: where they come from, for messages.
    """

    episodes: Iterator[Part]
    lengths: tuple[int, ...]
    types: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
    episode_column: str | None
    source: Path

    def __iter__(self) -> Iterator[Part]:
        return self.episodes


@runtime_checkable
class EpisodeFormat(Protocol):
    """One way to store episodes."""

    def recognises(self, path: Path) -> bool:
        """Whether a path is of this kind, by its name and first bytes; opens nothing.

        Where nothing is there yet, whether a data set of this kind would be called so.
        """

    def open(self, path: Path) -> Episodes:
        """The data set, checked on opening.

        Raises:
            UserError: nothing is there, it is damaged or of another layout, or a package that
                reads it is missing.
        """


@runtime_checkable
class WritableFormat(EpisodeFormat, Protocol):
    """One that can be written too; a format may do without.

    One whose ``recognises`` takes whatever is left also has ``holds(path)``: whether what is there
    really is of this kind, so that it may be replaced.
    """

    def write(self, path: Path, parts: Parts, attrs: Attrs) -> None:
        """Write a data set, whole or not at all, in place of what is there.

        Raises:
            UserError: the format cannot hold these episodes, or a package that writes it is
                missing.
        """


FORMATS: Registry[EpisodeFormat] = Registry(
    "lewm_probe.formats",
    EpisodeFormat,
    {
        "lance": "lewm_probe.data.formats.lance.format:FORMAT",
        "folder": "lewm_probe.data.formats.folder.format:FORMAT",
        "hdf5": "lewm_probe.data.formats.hdf5.format:FORMAT",
    },
    what="data format",
)
"""Formats by name."""

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
"""Of files that are written; read is whatever holds HDF5."""

_CATCH_ALL = ("lance", "folder", "hdf5")
"""Asked after other packages', in this order: any ``.lance``, any folder, and all else."""


def format_of(path: Path) -> tuple[str, EpisodeFormat]:
    """What a path is or, where nothing is there yet, what it would be by its name.

    Raises:
        UserError: a package registers a format that cannot be loaded.
    """
    others = [name for name in FORMATS.names() if name not in _CATCH_ALL]
    for name in (*others, *_CATCH_ALL):
        kind = FORMATS.get(name)
        if kind.recognises(path):
            return name, kind
    raise AssertionError("hdf5 takes all that no other format does")


def writable(path: Path) -> WritableFormat:
    """The format of a path that is to be written.

    Raises:
        UsageError: no format has such names.
        UserError: it can only be read.
    """
    path_written(path, None)
    name, kind = format_of(path)
    if name == "hdf5" and path.suffix not in HDF5_SUFFIXES:
        raise UsageError(
            f"{path} cannot be written: no format has names that end in '{path.suffix}'. Choose "
            "one that ends in .h5 (HDF5) or .lance (Lance), or one without an ending (a folder of "
            "images)."
        )
    if not isinstance(kind, WritableFormat):
        known = [n for n, other in FORMATS.all().items() if isinstance(other, WritableFormat)]
        raise UserError(
            f"{path} cannot be written: data sets of the format '{name}' can only be read. Choose "
            f"a name of one that can be written: {', '.join(known)}."
        )
    return kind


def open_episodes(path: Path | str) -> Episodes:
    """Open a data set: an HDF5 file, a Lance table, a folder with a CSV file, or another format's.

    Args:
        path: of it, or its address: HDF5 files and Lance tables are read where they lie, in
            ranges (``s3://bucket/data.h5``, ``hf://datasets/user/repo/data.h5``).

    Raises:
        UserError: nothing is there, it is damaged or of another layout, or Lance is not installed.

    >>> with open_episodes("tests/golden/released_layout.h5") as data:
    ...     print(len(data), data.rows, data.image_size)
    4 117 32
    """
    path = place(path)
    kind = format_of(path)[1] if path.exists() else FORMATS.get("hdf5")  # which tells what to do
    return kind.open(path)
