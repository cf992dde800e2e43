"""How worker processes behave: Ctrl-C is their parent's affair, and they never outlive it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def ctrl_c_ignored() -> Iterator[None]:
    """Processes started in this block never hear of Ctrl-C, not even while they are starting.

    Ctrl-C reaches every process of a terminal; only the parent shall act on it, and ends its
    workers. That it is held back is inherited; one that comes during the block reaches the parent
    at its end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    resource_tracker.ensure_running()  # which would let it through while it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def become_worker() -> None:
    """Call first in a spawned process: it then ends when its parent does, even by SIGKILL.

    A killed parent can end nobody, so a thread waits for its end: no orphan goes on writing into
    files that the next call writes too.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
