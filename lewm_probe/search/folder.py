"""One process at a time in the folder of a study."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import write_error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process: two studies in one folder would spoil each other's files.

    The operating system gives the lock back when the process ends, however it ends.

    Raises:
        UserError: another process holds it, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "a", encoding="utf-8")  # noqa: SIM115  # closed below
    except OSError as error:
        raise write_error(folder, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"Another lewm-probe is at work in {folder}. Wait for it, or choose another folder "
                "with --out."
            ) from error
        yield
