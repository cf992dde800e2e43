"""Disks: what is free, and whether an error says that one is full."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from lewm_probe.core.errors import NotWritten

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space, no quota, or a file beyond what the process or file system allows."""

_WORDS = ("No space left on device", "Disk quota exceeded", "File too large", "os error 28")
"""How libraries that lose the number (Lance, Parquet, safetensors, HDF5) say the same."""

MEGABYTE = 1e6


def is_full(error: BaseException) -> bool:
    """Whether an error, or one that it comes from, is a full disk.

    >>> is_full(RuntimeError("LanceError(IO): No space left on device (os error 28)"))
    True
    """
    return any(
        one.errno in FULL
        if isinstance(one, OSError) and one.errno is not None
        else any(words in str(one) for words in _WORDS)
        for one in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        yield one
        seen.append(one)
        one = one.__cause__ or one.__context__


def free_bytes(place: Path) -> int:
    """Bytes free where ``place`` is or would be made."""
    there = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
    return shutil.disk_usage(there).free


def check_room(place: Path, wanted: float, what: str, less: str) -> None:
    """Refuse what the disk cannot hold, before it is begun.

    Args:
        place: where it is to be written.
        wanted: bytes.
        what: would take them, the subject of the sentence.
        less: how to ask for less.

    Raises:
        NotWritten: fewer bytes are free.
    """
    free = free_bytes(place)
    if wanted > free:
        raise NotWritten(
            f"{what} would take about {megabytes(wanted)}, and {megabytes(free)} are free at "
            f"{place}. Free some space, choose another place with --out, or ask for less: {less}."
        )


def megabytes(size: float) -> str:
    """Bytes for readers.

    >>> megabytes(2_500_000), megabytes(3.2e9)
    ('2.5 MB', '3,200 MB')
    """
    number = size / MEGABYTE
    return f"{number:,.0f} MB" if number >= 10 else f"{number:.1f} MB"
