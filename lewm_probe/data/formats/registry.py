"""One way to open any data set, told apart by what lies at the path."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lewm_probe.data.episodes import Episodes

Storage = Literal["hdf5", "lance", "folder"]
LANCE_SUFFIX = ".lance"


def storage_of(path: Path) -> Storage:
    """What a path is or, where nothing is there yet, what it would be by its suffix.

    ``.lance`` is a Lance table; any other folder, or a name without suffix, is a folder of images
    or videos with a CSV file; all else is HDF5.
    """
    if path.suffix == LANCE_SUFFIX:
        return "lance"
    if path.is_dir() or (not path.exists() and not path.suffix):
        return "folder"
    return "hdf5"


def open_episodes(path: Path | str) -> Episodes:
    """Open a data set: an HDF5 file, a Lance table (``.lance``), or a folder with a CSV file.

    Raises:
        UserError: nothing is there, it is damaged or of another layout, or Lance is not installed.

    >>> with open_episodes("tests/golden/released_layout.h5") as data:
    ...     print(len(data), data.rows, data.image_size)
    4 117 32
    """
    path = Path(path)
    storage = storage_of(path) if path.exists() else "hdf5"
    if storage == "lance":
        from lewm_probe.data.formats.lance.episodes import LanceEpisodes

        return LanceEpisodes(path)
    if storage == "folder":
        from lewm_probe.data.formats.folder.episodes import FolderEpisodes

        return FolderEpisodes(path)
    from lewm_probe.data.formats.hdf5.episodes import EpisodeFile

    return EpisodeFile(path)
