"""HDF5 files as a format: all that no other one takes."""

from __future__ import annotations

from pathlib import Path

from lewm_probe.core.errors import UserError
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile, EpisodeWriter
from lewm_probe.data.formats.registry import Attrs, Parts


class HDF5:
    """Every number and image exact; the released layout."""

    def recognises(self, path: Path) -> bool:
        """Whatever is left: opening says what is wrong with it."""
        return True

    def holds(self, path: Path) -> bool:
        """Any file."""
        return path.is_file()

    def open(self, path: Path) -> EpisodeFile:
        """The file.

        Raises:
            UserError: not there, not HDF5, truncated, or not in the released layout.
        """
        return EpisodeFile(path)

    def write(self, path: Path, parts: Parts, attrs: Attrs) -> None:
        """Write a file, one frame a chunk.

        Raises:
            UserError: a column has a name that HDF5 has another use for, or the disk is full.
        """
        for name in parts.types:
            # HDF5 would take the first for a group in which nobody looks, the others for itself.
            if "/" in name or name in (".", "..", "ep_len", "ep_offset"):
                raise UserError(
                    f"{path} cannot be written: '{name[:80]}' cannot name a column of states in "
                    "HDF5. Rename it in the source."
                )
        column = parts.episode_column or "ep_idx"
        with EpisodeWriter(path, parts.lengths, attrs, episode_column=column) as writer:
            for columns, images in parts:
                writer.append(columns, images)


FORMAT = HDF5()
