"""Opening a hostile file must end in one readable error, soon, small, and with nothing run.

``hostile(build, open_it, match)`` is the whole interface:

- ``build(folder)`` writes the file (and whatever belongs to it) and returns what is to be opened;
- ``open_it(path)`` opens it, as a user's command would;
- ``match`` is a regular expression that the whole message must match (``{name}`` in it stands for
  the file's name, escaped).

A gadget that wants to show it ran makes the file ``marker(folder)`` or imports ``CANARY``, which is
there to be imported and must not be.
"""

from __future__ import annotations

import re
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lewm_probe.core.errors import UserError

SECONDS = 5.0
"""No hostile file may keep a user waiting longer."""

GROWTH = 500 * 1024 * 1024
"""Bytes that memory may grow by; every hostile file here is far smaller."""

CANARY = "lewm_probe_hostile_canary"
"""Name of a module that no file may bring in."""

Hostile = Callable[[Callable[[Path], Path], Callable[[Path], object], str], str]


def marker(folder: Path) -> Path:
    """The file that a gadget built in ``folder`` makes when it is run."""
    return folder / "executed"


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    """See the module. Returns the message, for cases that look closer."""
    canaries = tmp_path / "canaries"
    canaries.mkdir()
    (canaries / f"{CANARY}.py").write_text("class Model:\n    pass\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(canaries))
    folder = tmp_path / "hostile"
    folder.mkdir()

    def check(build: Callable[[Path], Path], open_it: Callable[[Path], object], match: str) -> str:
        path = build(folder)
        assert not marker(folder).exists(), "the case itself ran its gadget"
        with _Watch() as watch:
            began = time.monotonic()
            with pytest.raises(UserError) as caught:
                open_it(path)
            took = time.monotonic() - began
        message = str(caught.value)
        assert not marker(folder).exists(), "a gadget was run"
        assert CANARY not in sys.modules, "a module named in a file was imported"
        assert took < SECONDS, f"took {took:.1f} s"
        assert watch.growth < GROWTH, f"memory grew by {watch.growth / 2**20:.0f} MB"
        pattern = match.replace("{name}", re.escape(path.name))
        assert re.fullmatch(pattern, message, re.DOTALL), message
        assert path.name in message, message
        assert "Traceback" not in message
        assert "\n" not in message, message
        assert len(message) < 1500, message
        return message

    yield check
    sys.modules.pop(CANARY, None)


class _Watch:
    """The most that resident memory grows while the block runs.

    Linux keeps the high-water mark, which is set back first. Elsewhere it is of all tests so far,
    and memory is looked at every few milliseconds too.
    """

    def __enter__(self) -> _Watch:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self.before = self.peak = _resident()
        self.mark = _high_water()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.done.set()
        self.thread.join()
        self.peak = max(self.peak, _resident())
        if _high_water() > self.mark:  # a peak between two looks
            self.peak = max(self.peak, _high_water())

    def _look(self) -> None:
        while not self.done.wait(0.005):
            self.peak = max(self.peak, _resident())

    @property
    def growth(self) -> int:
        return self.peak - self.before


def _resident() -> int:
    """Bytes; the high-water mark where the system does not tell the present size."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return _high_water()
    return int(pages) * resource.getpagesize()


def _high_water() -> int:
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
