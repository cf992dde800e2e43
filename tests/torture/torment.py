"""One command, one signal, one moment: how it ends, and what it is worth after another call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.torture.commands import Command, contents

PATIENCE = 120.0
"""Seconds after which a command that was stopped, or never gets there, hangs."""

POLITE = ("SIGINT", "SIGTERM")
"""Signals that a command answers; SIGKILL it cannot."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended that was sent a signal.

    Attributes:
        code: exit code; negative: the signal that ended it.
        said: the end of standard error.
        at: seconds at which the signal was sent.
        seconds: until it ended after that.
        survivors: whether a process of it lived on.
    """

    code: int
    said: str
    at: float
    seconds: float
    survivors: bool

    def unborn(self, name: str) -> bool:
        """Whether it ended in Python's own first moments, before any line of ours could listen."""
        ours = "lewm_probe" in self.said
        return self.code == -getattr(signal, name) and name in POLITE and not ours

    def faults(self, name: str) -> list[str]:
        """What is wrong with ending like this."""
        if name == "SIGKILL" or self.unborn(name):
            return ["processes live on"] if self.survivors else []
        lines = [line for line in self.said.splitlines() if line.startswith("Error: ")]
        wrong = {
            f"exit code {self.code}": self.code not in (0, 1),
            "no word of being stopped": self.code == 1
            and (len(lines) != 1 or not lines[0].startswith("Error: Stopped. ")),
            "a traceback": "Traceback" in self.said,
            "semaphores are leaked": "leaked" in self.said,
            "processes live on": self.survivors,
        }
        return [fault for fault, true in wrong.items() if true]


def start(words: tuple[str, ...], things: Path, folder: Path) -> subprocess.Popen[str]:
    """The command in a session of its own, as from a terminal."""
    asked = [word.replace("{things}", str(things)) for word in words]
    return subprocess.Popen(
        [sys.executable, "-m", "lewm_probe.cli.main", *asked],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"},
    )


def torment(
    command: Command, name: str, due: Callable[[Path, float], bool], things: Path, folder: Path
) -> Outcome:
    """Start a command and send it a signal when ``due(its folder, seconds)`` says so.

    Ctrl-C reaches all processes of a terminal, SIGTERM and SIGKILL the command alone.
    """
    began = time.monotonic()
    process = start(command.words, things, folder)
    while process.poll() is None and not due(folder, time.monotonic() - began):
        if time.monotonic() - began > PATIENCE:
            process.kill()
            raise TimeoutError(f"{command.name} never got there")
        time.sleep(0.002)
    sent = time.monotonic()
    number = getattr(signal, name)
    if process.poll() is None:
        with suppress(ProcessLookupError):  # it has just ended
            (os.killpg if name == "SIGINT" else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=PATIENCE)
    ended = time.monotonic()
    return Outcome(
        process.returncode, said[-4000:], sent - began, ended - sent, _lives_on(process.pid)
    )


def both(command: Command, things: Path, folder: Path, later: float = 0.0) -> list[str]:
    """Call a command twice at once in one folder; what is wrong with how the two end.

    One at least has to come to its end, the other to that or to one sentence that says why not.

    Args:
        command: of which both are.
        things: where its inputs lie.
        folder: where both write.
        later: seconds after which the second one begins.
    """
    first = start(command.words, things, folder)
    time.sleep(later)
    second = start(command.words, things, folder)
    ends = []
    for process in (first, second):
        _, said = process.communicate(timeout=PATIENCE)
        ends.append((process.returncode, said))
    faults = [] if any(code == 0 for code, _ in ends) else ["neither came to its end"]
    for code, said in ends:
        lines = [line for line in said.splitlines() if line.startswith("Error: ")]
        faults += [f"exit code {code}"] if code not in (0, 1, 2) else []
        faults += [f"{len(lines)} errors are said"] if code and len(lines) != 1 else []
        faults += ["a traceback"] if "Traceback" in said else []
    return faults


def finish(command: Command, things: Path, folder: Path) -> Mapping[str, object]:
    """Call a command again, to its end; what it wrote then."""
    process = start((*command.words, *command.again), things, folder)
    _, said = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise AssertionError(f"called again it ends with {process.returncode}: {said[-2000:]}")
    return contents(folder)


def differences(found: Mapping[str, object], wanted: Mapping[str, object]) -> list[str]:
    """Names that are there too much, are missing, or hold something else."""
    return [
        *(f"left over: {name}" for name in found.keys() - wanted.keys()),
        *(f"missing: {name}" for name in wanted.keys() - found.keys()),
        *(f"differs: {n}" for n in found.keys() & wanted.keys() if found[n] != wanted[n]),
    ]


def _lives_on(group: int, patience: float = 5.0) -> bool:
    """Whether a process of a group is alive some seconds later."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.02)
    return True
