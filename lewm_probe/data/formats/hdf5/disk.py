"""A file that HDF5 can write to without crashing when the disk fills up.

After a failed write HDF5 cannot close its file, and the process dies with a segmentation fault
when it exits (seen with HDF5 2.0, h5py 3.16). So HDF5 is given this object in place of a path: it
keeps the first failure for the caller to raise and lets HDF5 believe the rest, which is thrown
away with the temporary file.
"""

from __future__ import annotations

import os
from pathlib import Path


class DiskFile:
    """A writable file for ``h5py.File``; use it as a context manager around that.

    Raises:
        OSError: on leaving, the first write that failed.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._at = 0
        self._error: OSError | None = None

    def __enter__(self) -> DiskFile:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        os.close(self._descriptor)
        if error is None:
            self.check()

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to ``offset``, counted from the start, from here, or from the end."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}
        end = os.fstat(self._descriptor).st_size if whence == os.SEEK_END else 0
        self._at = origin.get(whence, end) + offset
        return self._at

    def tell(self) -> int:
        """Where the next byte is read or written."""
        return self._at

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes from here."""
        os.lseek(self._descriptor, self._at, os.SEEK_SET)
        found = os.read(self._descriptor, size)
        self._at += len(found)
        return found

    def readinto(self, into: memoryview) -> int:
        """Fill ``into`` from here; returns how many bytes there were."""
        view = memoryview(into).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)

    def write(self, data: memoryview) -> int:
        """Write all of ``data`` here; a failure is kept for ``check``."""
        view = memoryview(data).cast("B")
        end = self._at + len(view)
        try:
            os.lseek(self._descriptor, self._at, os.SEEK_SET)
            rest = view if self._error is None else view[:0]
            while len(rest):
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._error = error
        self._at = end
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Make the file ``size`` bytes long (default: up to here)."""
        length = self._at if size is None else size
        os.ftruncate(self._descriptor, length)
        return length

    def flush(self) -> None:
        """Nothing is held back."""
