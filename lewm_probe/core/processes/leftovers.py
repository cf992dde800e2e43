"""What killed processes left half-written: removed by whoever writes there next, and only theirs.

Files and folders are written under a temporary name (``.NAME.xxxxxxxx.partial``) and renamed, and a
process that is killed cannot remove its own. Whoever writes holds a lock on the *folder*, which
others may share, which ends with its process however it ends, and which leaves no file.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TEMPORARY = re.compile(
    r"\.(?P<name>.+)\.[a-z0-9_]{8}\.(?:partial(?:\.[^.]*)?|(?P<old>old))", re.DOTALL
)
"""What ``tempfile`` calls the files and folders that are written here, and those set aside."""


@contextmanager
def writing_in(folder: Path, name: str) -> Iterator[None]:
    """Remove what dead processes left of ``name`` in a folder; in the block nobody removes ours.

    Where folders cannot be locked (some network file systems), nothing is ever removed.
    """
    remove_stale(folder, name)
    held = _locked(folder, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def remove_stale(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left half-written in a folder: of ``name``, or all of it.

    Nothing is removed while a living process writes there, and links are not followed.
    """
    held = _locked(folder, fcntl.LOCK_EX)
    if held is None:
        return
    try:
        with os.scandir(folder) as entries:
            left = [(entry.name, _TEMPORARY.fullmatch(entry.name)) for entry in entries]
        for entry, found in left:
            if found is not None and name in (None, found["name"]):
                with suppress(OSError):  # another owner's, perhaps
                    _remove(folder / entry, folder / found["name"], bool(found["old"]))
    finally:
        os.close(held)


def _remove(left: Path, target: Path, set_aside: bool) -> None:
    if left.is_symlink() or not left.is_dir():
        left.unlink()
        return
    kept = left / target.name
    if set_aside and kept.exists() and not os.path.lexists(target):
        os.replace(kept, target)  # killed between putting it aside and putting the new one there
    shutil.rmtree(left)


def _locked(folder: Path, kind: int) -> int | None:
    """A handle that holds a lock on a folder until it is closed; None: there is none to be had."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    # Whoever removes holds the folder for a moment; a shared lock is worth waiting for.
    for _ in range(50 if kind == fcntl.LOCK_SH else 1):
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01 if kind == fcntl.LOCK_SH else 0)
        except OSError:
            break
        else:
            return handle
    os.close(handle)
    return None
