"""What stands between a Lance table and this process, which could die of it.

Lance is compiled code that believes a file's own numbers. A damaged or hostile table can make it
ask for absurd memory or hit an assertion that ends the whole process (seen with pylance 14 in one
of a hundred tables with some bytes changed), and no error can be caught then. So the counts and
places that stand at the end of every file (Lance 2.x) must fit into the file; and another process
opens the table first, reads its numbers and some images, and tells how it went. It is kept for the
next table.
"""

from __future__ import annotations

import atexit
import json
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import lewm_probe
from lewm_probe.core.addresses.address import Address, Stored, stored
from lewm_probe.core.addresses.ranges import ranges_of
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import resolved
from lewm_probe.core.processes.stopping import check_soon

SECONDS = 60.0
"""Time that the helper gets for a table."""
FEW_ROWS = 200_000
"""Up to so many rows all numbers are read, beyond that those that say where episodes are."""
_SOME = 3  # images

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

T = TypeVar("T")

_tried: set[tuple[object, ...]] = set()


def check_lance_files(path: Path) -> None:
    """Check all files of a table.

    Raises:
        UserError: a link, or a file that is broken off or claims what it has no room for.
    """
    for file in stored(path):
        if file.path.is_symlink():
            raise UserError(
                f"{path} holds the link {file.path.name}, and links in data sets are not followed. "
                "Fetch or copy the table with its files."
            )
        if file.path.name.endswith((".lance", ".manifest")) and not _sound(file):
            raise _unreadable(path, f"{file.path.relative_to(path)} is not whole")


def _sound(file: Stored) -> bool:
    size = file.size
    if size < _MANIFEST.size:
        return False
    with ranges_of(file.path) or open(file.path, "rb") as bytes_of:

        def at(place: int, length: int) -> bytes:
            bytes_of.seek(place)
            return bytes_of.read(length)

        begins, major, minor, magic = _MANIFEST.unpack(at(size - _MANIFEST.size, _MANIFEST.size))
        if magic != MAGIC:
            return False
        if file.path.suffix == ".manifest":
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


def try_lance(path: Path, stamp: tuple[object, ...]) -> None:
    """Open a table in the helper; once a process for a table that does not change (``stamp``).

    Raises:
        UserError: the table cannot be read, or reading it ends the process.
    """
    if stamp in _tried:
        return
    reason = _helper.ask(path)
    if reason is not None:
        raise _unreadable(path, reason)
    _tried.add(stamp)


def guarded_lance(path: Path, work: Callable[[], T]) -> T:
    """Run a request to Lance and turn its complaints, panics included, into one readable error."""
    try:
        return work()
    except UserError:
        raise
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"  # Rust's; not an Exception
        if not isinstance(error, Exception) and not panic:
            raise
        raise _unreadable(path, _reason(error)) from error


def _unreadable(path: Path, reason: str) -> UserError:
    if isinstance(path, Address):
        return UserError(
            f"{path} cannot be read as a Lance table ({reason}). Check the address, the variables "
            "in which its store looks for credentials and region, and the network; or fetch the "
            "table, which may be damaged."
        )
    return UserError(
        f"{path} cannot be read as a Lance table ({reason}): it is truncated, damaged, or "
        "something else. Fetch or convert it again."
    )


def _reason(error: BaseException) -> str:
    """What Lance says, without the places in its own source."""
    return " ".join(str(error).split()).split(", /")[0][:160] or type(error).__name__


class _Helper:
    """The other process, started when it is needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._one_by_one = threading.Lock()

    def ask(self, path: Path) -> str | None:
        """What is wrong with a table; None if nothing."""
        with self._one_by_one:
            process = self._process or self._start()
            assert process.stdin is not None and process.stdout is not None
            watch = threading.Timer(SECONDS, process.kill)
            watch.start()
            try:
                process.stdin.write(json.dumps(str(resolved(path))) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except OSError:
                answer = ""
            except BaseException:  # stopped: what it would answer now is not for the next question
                self.stop()
                raise
            finally:
                watch.cancel()
            if answer:
                reported: str | None = json.loads(answer)
                return reported
            with suppress(subprocess.TimeoutExpired):  # what it says last comes before its end
                process.wait(1.0)
            ended = process.returncode
            self.stop()
            check_soon()
            if ended in (-signal.SIGTERM, -signal.SIGINT):
                raise UserError(
                    f"The process that tries {path} before it is opened was ended from outside. "
                    "Run the same command again."
                )
            return "Lance itself came to an end over it"

    def _start(self) -> subprocess.Popen[str]:
        # -P: modules are not looked for where the user stands, which may be in an untrusted data.
        # Of the terminal's Ctrl-C it hears nothing; it ends when its input does, with this process.
        root = str(Path(lewm_probe.__file__).resolve().parent.parent)
        code = f"import sys; sys.path.append({root!r}); from {__name__} import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        return self._process

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


_helper = _Helper()
atexit.register(_helper.stop)


def serve() -> None:
    """The helper's side: a path a line in, what is wrong with it a line out."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_wrong(json.loads(line))) + "\n")
        sys.stdout.flush()


def _wrong(path: str) -> str | None:
    try:
        _read(path)
    except BaseException as error:  # noqa: BLE001 - Rust's panics are no Exception
        return _reason(error)
    return None


def _read(path: str) -> None:
    import lance
    import pyarrow as pa

    table: Any = lance.dataset(path)
    rows = int(table.count_rows())
    for fragment in table.get_fragments():
        for file in fragment.data_files():
            inside = not Path(file.path).is_absolute() and ".." not in Path(file.path).parts
            if not inside or getattr(file, "base_id", None) is not None:
                raise ValueError("it keeps rows in files outside its folder")
    flat = [f.name for f in table.schema if pa.types.is_integer(f.type)]
    if rows <= FEW_ROWS:
        flat += [f.name for f in table.schema if pa.types.is_fixed_size_list(f.type)]
        flat += [f.name for f in table.schema if pa.types.is_floating(f.type)]
    table.to_table(columns=flat)
    if rows and "pixels" in table.schema.names:
        some = sorted({round(i * (rows - 1) / (_SOME - 1)) for i in range(_SOME)})
        table.take(some, columns=["pixels"])
