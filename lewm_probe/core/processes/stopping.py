"""Being stopped: Ctrl-C and SIGTERM (Slurm, docker, CI) end work at a moment of its own choosing.

Python's own Ctrl-C is an exception at any moment, and is lost where exceptions are swallowed: in
callbacks of weak references, in ``__del__``, in libraries that catch everything. Here a signal
raises ``Stop`` and is remembered as well; loops ask with ``check``, and a command that heard one
never ends as if it had not. In ``deferred`` blocks, and during imports, it is only remembered.

Only the command line and worker processes listen (``heard``). In somebody's notebook or training
loop nothing is installed, nothing is remembered, and Ctrl-C is what it was.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)

TOGETHER = 0.5
"""Seconds within which signals are one wish: make, timeout and Slurm send theirs beside the
terminal's, and a second one shall not cut short the clean-up after the first."""

AGAIN = 0.02
"""Seconds after which a signal that came during an import is tried again."""


class Stop(KeyboardInterrupt):
    """Somebody asked this process to end."""


class _Hearing:
    """What this process has heard.

    Attributes:
        listening: whether our handlers are in place.
        number: the last signal; None: there was none.
        at: when it came, of the monotonic clock.
        deferrals: open ``deferred`` blocks.
        raised: whether ``Stop`` was raised for it, be it swallowed.
        over: the work is done and told; whatever comes now only meets the end of the process.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.listening = self.raised = self.over = False
        self.number: int | None = None
        self.at = 0.0
        self.deferrals = 0


HEARING = _Hearing()


def _hear(number: int, frame: FrameType | None) -> None:
    now, before = time.monotonic(), HEARING.number
    if HEARING.over or (before is not None and now - HEARING.at < TOGETHER):
        return
    HEARING.number, HEARING.at = number, now
    if before is not None or not HEARING.deferrals:
        _raise(frame)


def _raise(frame: FrameType | None) -> None:
    """Raise where it does no harm: torch ends the process if an import of its own fails."""
    if _importing(frame):
        signal.setitimer(signal.ITIMER_REAL, AGAIN)
        return
    HEARING.raised = True
    raise Stop


def _ask_again(number: int, frame: FrameType | None) -> None:
    """An import was under way when the signal came; by now it may be over."""
    open_to_it = not (HEARING.deferrals or HEARING.over or HEARING.raised)
    if HEARING.number is not None and open_to_it:
        _raise(frame)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def listen() -> Callable[[], None]:
    """Let signals be heard from now on; return what gives them back to whoever had them before.

    A signal that this process was started to ignore (``nohup``, ``&`` in a script) stays ignored.
    """
    hook = sys.unraisablehook
    before: dict[int, Any] = {}

    def told(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, Stop):  # remembered, so not lost
            hook(lost)

    def give_back() -> None:
        HEARING.over = True  # these lines are not to be interrupted
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook
        HEARING.forget()

    HEARING.listening = True
    sys.unraisablehook = told
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, _hear)
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _ask_again)
    return give_back


def end() -> None:
    """Say that the process is about to end: its work is whole and told, or it has been stopped.

    Signals are ignored from here on: Python would end by them without a word, or in the middle of
    its own clean-up.
    """
    HEARING.over = True
    for number in (*SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def leave(code: int) -> NoReturn:
    """End a process that was stopped: at once, once everything that asked to be told was told.

    Threads of libraries (Lance's writer) may still be at work for what was given up, and bring the
    process down with a message of their own while Python takes itself apart.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed, or nobody reads it
            stream.flush()
    os._exit(code)


@contextmanager
def heard() -> Iterator[None]:
    """Hear Ctrl-C and SIGTERM in this block: either raises ``Stop``.

    At the end of the block ``Stop`` is raised if a signal came and was swallowed on its way. Inside
    another such block, and in threads, which hear no signals, nothing changes.
    """
    if HEARING.listening or threading.current_thread() is not threading.main_thread():
        yield
        check()
        return
    give_back = listen()
    try:
        yield
        check()
    finally:
        give_back()


@contextmanager
def deferred() -> Iterator[None]:
    """Let a signal in this block wait for its end: a step, or a file, is whole or not at all.

    ``Stop`` is raised when the outermost block ends, unless it ends by another exception. A second
    signal, half a second or more after the first, is not waited with.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    HEARING.deferrals += 1
    try:
        yield
    finally:
        HEARING.deferrals -= 1
    check()


def check() -> None:
    """Raise ``Stop`` if a signal has come: every loop asks, in the command line by its progress."""
    if HEARING.number is not None and not HEARING.deferrals and not HEARING.over:
        HEARING.raised = True  # what is cleaned up now is not to be interrupted by asking again
        raise Stop


def check_soon() -> None:
    """``check`` in a moment, where a worker was lost: by a signal that all of us get, perhaps."""
    time.sleep(TOGETHER / 2)
    check()


def requested() -> bool:
    """Whether a signal has come, also where it is deferred."""
    return HEARING.number is not None
