"""Writing files so that a half-written one is never taken for a whole one, and hashing content."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lewm_probe.core.addresses.address import Address, writable
from lewm_probe.core.disk import is_full
from lewm_probe.core.errors import NotWritten, UserError
from lewm_probe.core.processes.leftovers import writing_in
from lewm_probe.core.processes.stopping import deferred


@contextmanager
def atomic_path(path: Path, option: str = "--out") -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it over ``path`` when the block succeeds.

    The file is flushed to disk before the rename. When the block fails, the temporary file is
    removed and ``path`` is left as it was. What a killed process left of an earlier attempt goes.

    Args:
        path: the file.
        option: what a user says to have it elsewhere, for messages.

    Raises:
        NotWritten: the disk is full, or the folder may not be written.
    """
    path = writable(path, option)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_in(path.parent, path.name):
            try:
                with deferred():  # no file whose name nobody knows
                    handle, name = tempfile.mkstemp(
                        prefix=f".{path.name}.", suffix=f".partial{path.suffix}", dir=path.parent
                    )
                    os.close(handle)
                    temporary = Path(name)
                yield temporary
                temporary.chmod(0o666 & ~_umask())  # some writers replace the file by a private one
                with open(temporary, "rb") as written:
                    os.fsync(written.fileno())
                os.replace(temporary, path)
            finally:
                if temporary is not None:
                    temporary.unlink(missing_ok=True)
    except Exception as error:
        told = write_error(path, error, option)
        if told is error:
            raise
        raise told from error


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside ``path``; it takes the place of ``path`` when the block succeeds.

    When the block fails, ``path`` is left as it was. What a killed process left of an earlier
    attempt goes.

    Raises:
        UserError: the disk is full, or the folder may not be written.
    """
    path = writable(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_in(path.parent, path.name):
            try:
                with deferred():
                    made = tempfile.mkdtemp(f".partial{path.suffix}", f".{path.name}.", path.parent)
                    temporary = Path(made)
                yield temporary
                temporary.chmod(0o777 & ~_umask())
                with deferred():
                    _put(temporary, path)
            finally:
                for wait in (0.0, 0.02, 0.1, 0.5):  # a library's threads may be writing still
                    if temporary is not None and temporary.exists():
                        time.sleep(wait)
                        shutil.rmtree(temporary, ignore_errors=True)
    except Exception as error:
        told = write_error(path, error)
        if told is error:
            raise
        raise told from error


def _put(new: Path, path: Path) -> None:
    """Let a folder take a place, from another one if need be."""
    if not path.exists():
        os.replace(new, path)
        return
    aside = Path(tempfile.mkdtemp(".old", f".{path.name}.", path.parent))
    try:
        os.replace(path, aside / path.name)
        try:
            os.replace(new, path)
        except BaseException:
            os.replace(aside / path.name, path)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def safe_name(text: str, limit: int = 100) -> str:
    """``text`` as the name of a file: letters, digits and ``._-``, never empty, hidden or a path.

    What had to be changed gets a short hash, so that different texts keep different names.

    >>> safe_name("two-room-probes"), safe_name("../a b")
    ('two-room-probes', 'a-b-9cbc3e')
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    if plain == text and 0 < len(text) <= limit:
        return text
    return f"{plain[: limit - 7].rstrip('-.') or 'unnamed'}-{content_hash(text)[:6]}"


def safe_folder(text: str) -> Path:
    """A name such as ``two-room/lewm`` as a path below a folder, which it never leaves.

    >>> safe_folder("two-room/my run").as_posix(), safe_folder("../../etc").as_posix()
    ('two-room/my run', 'unnamed-da081b/unnamed-da081b/etc')
    """
    return Path(*(part if _harmless(part) else safe_name(part) for part in text.split("/")))


def _harmless(part: str) -> bool:
    return (
        part.isprintable()
        and not part.startswith(".")
        and "\\" not in part
        and 0 < len(part) <= 100
    )


def write_error(path: Path, error: Exception, option: str = "--out") -> Exception:
    """Turn the operating system's refusal to write into a readable error; pass others through.

    A full disk is known however a library wraps it.
    """
    if isinstance(error, UserError):
        return error
    if is_full(error):
        return NotWritten(
            f"The disk is full: {path} could not be written. Nothing half-written was left behind. "
            f"Free some space, or choose another place with {option}, and run the command again."
        )
    if isinstance(error, OSError) and error.errno in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.EISDIR,
        errno.ELOOP,
    ):
        kind = kind_of(path)
        why = f"it is {kind}" if kind.startswith("a link") else os.strerror(error.errno)
        return NotWritten(
            f"{path} cannot be written ({why}). "
            f"Choose another place with {option}, or change the folder's permissions."
        )
    return error


def resolved(path: Path) -> Path:
    """The path with its links followed; a link in a circle, at which ``resolve`` fails, stays.

    An address, which has none, stays as it is.
    """
    return path if isinstance(path, Address) else Path(os.path.realpath(path))


FILE, FOLDER, NOTHING = "an ordinary file", "a folder", "nothing"
"""What ``kind_of`` says of most places."""


def kind_of(path: Path) -> str:
    """What is at a path, in words, with links followed; nothing is opened.

    ``FILE``, ``FOLDER``, ``NOTHING``, or e.g. "a pipe", "a link that leads nowhere", "a link that
    leads back to itself", "hidden from you (Permission denied)".

    Raises:
        UserError: an address that cannot be reached.
    """
    if isinstance(path, Address):
        return FILE if path.is_file() else FOLDER if path.is_dir() else NOTHING
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        number = getattr(error, "errno", errno.ENOENT)
        if number == errno.ELOOP:
            return "a link that leads back to itself"
        if number in (errno.ENOENT, errno.ENOTDIR):
            return "a link that leads nowhere" if os.path.islink(path) else NOTHING
        return f"hidden from you ({os.strerror(number)})"
    kinds = {
        stat.S_IFREG: FILE,
        stat.S_IFDIR: FOLDER,
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def regular_file(path: Path) -> None:
    """Refuse what is no ordinary file before it is opened: reading a pipe never ends.

    Raises:
        UserError: nothing there, a folder, a pipe, a device or a link that leads to no file, or no
            permission to look.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == FILE:
        return
    if kind == NOTHING or kind.startswith("hidden"):
        try:
            path.stat()
        except OSError as error:
            raise UserError(
                f"{path} cannot be read ({error.strerror}). Check the path and its permissions."
            ) from error
    raise UserError(
        f"{path} is {kind}, but an ordinary file was expected there. Give the path of the file "
        "itself."
    )


def content_hash(*parts: object) -> str:
    """SHA-256 (first 32 hex digits) of arrays, bytes, plain values, with types and shapes."""
    import numpy as np  # not above: the command line looks at paths before it needs arrays

    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"array{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).view(np.uint8).data)
        elif isinstance(part, bytes):
            digest.update(b"bytes" + part)
        else:
            digest.update(f"{type(part).__name__}{part!r}".encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]


_file_hashes: dict[tuple[str, int, int], str] = {}
"""Hashes known to this process, by path, size and time of change."""


def file_hash(path: Path) -> str:
    """``content_hash`` of a file's bytes; read once a process while the file does not change."""
    facts = path.stat()
    key = (str(resolved(path)), facts.st_size, facts.st_mtime_ns)
    if key not in _file_hashes:
        _file_hashes[key] = content_hash(path.read_bytes())
    return _file_hashes[key]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
