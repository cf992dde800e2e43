"""The last bytes of a Lance table's files, looked at before Lance is.

Lance is compiled code that believes a file's own counts: an absurd one makes it ask for so much
memory that the whole process ends, without an error that could be caught (pylance 14). So the
counts and places that stand at the end of every file (Lance 2.x) must fit into the file.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from lewm_probe.core.errors import UserError

MAGIC = b"LANC"
_FOOTER = struct.Struct("<QQQIIHH4s")
"""Of a data file: where the first column's description, the table of columns and that of global
buffers begin; how many buffers and columns; version; magic."""
_MANIFEST = struct.Struct("<QHH4s")
"""Of a list of files: where it begins; version; magic."""
_PLACE = struct.Struct("<QQ")
"""An entry of a table: position and size."""
_FIRST_OF_2 = (0, 3)
"""How files of Lance 2.0 call their version; older ones (0.1, 0.2) have no such tables."""


def check_lance_files(path: Path) -> None:
    """Check all files of a table.

    Raises:
        UserError: a link, or a file that is broken off or claims what it has no room for.
    """
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            file = Path(folder, name)
            if file.is_symlink():
                raise UserError(
                    f"{path} holds the link {name}, and links in data sets are not followed. Fetch "
                    "or copy the table with its files."
                )
            if name.endswith((".lance", ".manifest")) and file.is_file() and not _sound(file):
                raise UserError(
                    f"{path} cannot be read as a Lance table ({file.relative_to(path)} is not whole"
                    "): it is truncated, damaged, or something else. Fetch or convert it again."
                )


def _sound(file: Path) -> bool:
    size = file.stat().st_size
    if size < _MANIFEST.size:
        return False
    with open(file, "rb") as stored:

        def at(place: int, length: int) -> bytes:
            stored.seek(place)
            return stored.read(length)

        begins, major, minor, magic = _MANIFEST.unpack(at(size - _MANIFEST.size, _MANIFEST.size))
        if magic != MAGIC:
            return False
        if file.suffix == ".manifest":
            if begins + 4 > size - _MANIFEST.size:
                return False
            (length,) = struct.unpack("<I", at(begins, 4))
            return bool(begins + 4 + length <= size - _MANIFEST.size)
        if (major, minor) < _FIRST_OF_2:
            return bool(begins < size)
        if size < _FOOTER.size:
            return False
        end = size - _FOOTER.size
        first, columns, buffers, n_buffers, n_columns, *_ = _FOOTER.unpack(at(end, _FOOTER.size))
        if not first <= columns <= columns + _PLACE.size * n_columns <= buffers:
            return False
        if buffers + _PLACE.size * n_buffers > end:
            return False
        table = at(columns, buffers - columns)[: _PLACE.size * n_columns]
        table += at(buffers, _PLACE.size * n_buffers)
        return all(place + length <= end for place, length in _PLACE.iter_unpack(table))
