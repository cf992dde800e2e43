"""A file at an address, of which only what is asked for is fetched."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from lewm_probe.core.addresses.address import Address, reaching
from lewm_probe.core.errors import UserError

BLOCK = 2**20
"""Bytes fetched at a time."""
BLOCKS = 256
"""Blocks kept, those used last."""


class Ranges(io.RawIOBase):
    """A readable file whose blocks are fetched when they are read, and some of them kept.

    Libraries that read it hide its errors behind their own, so it remembers the first.

    Attributes:
        failure: why a block could not be had; None as long as all could.

    Raises:
        UserError: it cannot be reached, or is not there.
    """

    def __init__(self, address: Address) -> None:
        super().__init__()
        self.address = address
        self.failure: UserError | None = None
        with reaching(address) as (store, path):
            self._file: Any = store.open(
                path,
                "rb",
                block_size=BLOCK,
                cache_type="blockcache",
                cache_options={"maxblocks": BLOCKS},
            )

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; nothing is fetched."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Where the next byte is read."""
        return int(self._file.tell())

    def readinto(self, into: Any) -> int:
        """Fill ``into`` from here; returns how many bytes there were."""
        view = memoryview(into).cast("B")
        try:
            with reaching(self.address):
                found = self._file.read(len(view))
        except UserError as error:
            self.failure = self.failure or error
            raise OSError(str(error)) from error
        view[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Forget the blocks."""
        if not self.closed:
            self._file.close()
        super().close()


def ranges_of(path: Path) -> Ranges | None:
    """The file at an address, to be read in ranges; None for a path, which libraries open better.

    Raises:
        UserError: it cannot be reached, or is not there.
    """
    return Ranges(path) if isinstance(path, Address) else None
