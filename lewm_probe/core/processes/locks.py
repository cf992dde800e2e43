"""One process at a time at a place that is written: two would spoil each other's files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lewm_probe.core.addresses.address import writable
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import write_error
from lewm_probe.core.processes.stopping import check_soon, deferred

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"
"""Of a folder, inside it; that of a file lies beside it, ``.NAME.lock``."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What file systems that keep no locks answer."""


@contextmanager
def alone(place: Path, option: str | None = "--out", *, beside: bool = False) -> Iterator[None]:
    """Hold a folder, which is made, or with ``beside`` a file or folder that appears when whole.

    The operating system gives the lock back when the process ends, however it ends; the file that
    carried it is gone after the block. What was made for it goes too, if nothing came into it. On a
    file system that keeps no locks (some network ones) the block runs without.

    Args:
        place: what is written.
        option: what a user says to have it elsewhere, for messages; None: it is an argument.
        beside: whether the lock lies beside the place instead of inside.

    Raises:
        UserError: another process holds it.
        NotWritten: it cannot be made, or is something else than a folder.
    """
    import filelock  # not above: most commands need none

    place = writable(place, option)
    folder = place.parent if beside else place
    path = folder / (f".{place.name}{LOCK}" if beside else LOCK)
    lock = filelock.FileLock(path)
    made = _missing(folder)
    try:
        with deferred():  # no lock that nobody gives back
            _acquire(lock, place, path, option)
        yield
    finally:
        with deferred():
            if lock.is_locked:
                path.unlink(missing_ok=True)  # held still: whoever opened it sees that it went
                lock.release(force=True)
            for one in made:
                with suppress(OSError):  # something has come into it
                    one.rmdir()


@contextmanager
def in_turn(place: Path) -> Iterator[None]:
    """Hold a file that appears when whole, waiting for whoever is making it.

    For what several processes would make alike: who comes later finds it made. On a file system
    that keeps no locks the block runs without.

    Raises:
        NotWritten: its folder cannot be made.
    """
    import filelock

    lock = filelock.FileLock(place.parent / f".{place.name}{LOCK}")
    try:
        _make(place.parent)
        while True:
            check_soon()
            try:
                lock.acquire(timeout=1)
            except filelock.Timeout:
                continue
            break
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise write_error(place, error) from error
    try:
        yield
    finally:
        if lock.is_locked:
            lock.release(force=True)


def _acquire(lock: BaseFileLock, place: Path, path: Path, option: str | None) -> None:
    import filelock

    try:
        _make(path.parent)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UserError(
            f"Another lewm-probe is writing in {place}. Wait for it, or choose another place"
            f"{f' with {option}' if option else ''}."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise write_error(place, error, option or "another name") from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # that is how Python says so
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def _missing(folder: Path) -> list[Path]:
    """The folder and those above it that are not there, the innermost first."""
    return [one for one in (folder, *folder.parents) if not os.path.exists(one)]
