"""A Lance table is first opened in a helper process, which may die of it.

Lance is compiled code that believes a file's own numbers. A damaged or hostile table can make it
ask for absurd memory or hit an assertion that ends the whole process (seen with pylance 14 in one
of a hundred tables with some bytes changed), and no error can be caught then. So another process
opens it first, reads its numbers and some images, and tells how it went; it is kept for the next
table.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import lewm_probe
from lewm_probe.core.errors import UserError

SECONDS = 60.0
"""Time that the helper gets for a table."""
FEW_ROWS = 200_000
"""Up to so many rows all numbers are read, beyond that those that say where episodes are."""
_SOME = 3  # images

_tried: set[tuple[object, ...]] = set()


def try_lance(path: Path, stamp: tuple[object, ...]) -> None:
    """Open a table in the helper; once a process for a table that does not change (``stamp``).

    Raises:
        UserError: the table cannot be read, or reading it ends the process.
    """
    if stamp in _tried:
        return
    reason = _helper.ask(path)
    if reason is not None:
        raise UserError(
            f"{path} cannot be read as a Lance table ({reason}): it is truncated, damaged, or "
            "something else. Fetch or convert it again."
        )
    _tried.add(stamp)


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
                process.stdin.write(json.dumps(str(path.resolve())) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except OSError:
                answer = ""
            finally:
                watch.cancel()
            if answer:
                reported: str | None = json.loads(answer)
                return reported
            self.stop()
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
        return " ".join(str(error).split()).split(", /")[0][:160] or type(error).__name__
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
