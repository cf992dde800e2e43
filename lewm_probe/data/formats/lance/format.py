"""Lance tables as a format: every path that ends in ``.lance``."""

from __future__ import annotations

from pathlib import Path

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import atomic_folder
from lewm_probe.data.formats.lance.episodes import LanceEpisodes, import_lance, write_lance
from lewm_probe.data.formats.registry import Attrs, Parts


class Lance:
    """float32 numbers and JPEG images."""

    def recognises(self, path: Path) -> bool:
        """By its suffix."""
        return path.suffix == ".lance"

    def holds(self, path: Path) -> bool:
        """A folder in which Lance keeps versions."""
        return (path / "_versions").is_dir()

    def open(self, path: Path) -> LanceEpisodes:
        """The table.

        Raises:
            UserError: Lance is not installed, or the table is damaged or of another layout.
        """
        return LanceEpisodes(path)

    def write(self, path: Path, parts: Parts, attrs: Attrs) -> None:
        """Write a table.

        Raises:
            UserError: Lance is not installed, or has another use for the name of a column.
        """
        import_lance(path)
        for name in parts.types:
            if name.startswith("_row"):
                raise UserError(
                    f"{path} cannot be written: Lance keeps names that begin with _row for itself, "
                    f"and a column of the source is called '{name[:80]}'. Rename it in the source."
                )
        with atomic_folder(path) as temporary:
            temporary.rmdir()  # Lance makes its own
            write_lance(temporary, iter(parts), attrs)


FORMAT = Lance()
