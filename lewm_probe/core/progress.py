"""How long work tells where it is without printing: only the command line draws bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One bar."""

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""


class Progress(Protocol):
    """A place to show bars."""

    def task(self, description: str, total: float | None) -> AbstractContextManager[Task]:
        """Open a bar of ``total`` units; it closes with the block."""


class _Silent:
    def advance(self, amount: float = 1) -> None:
        pass


class NoProgress:
    """Shows nothing."""

    @contextmanager
    def task(self, description: str, total: float | None) -> Iterator[Task]:
        """A bar that is not drawn."""
        yield _Silent()
