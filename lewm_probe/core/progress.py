"""How long work tells where it is without printing: only the command line draws bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable


class Task(Protocol):
    """One bar."""

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""


@runtime_checkable
class Expects(Protocol):
    """A bar that what is open inside it may fill."""

    def expect(self, amount: float) -> None:
        """The next advance will be of so much."""


def expect(task: Task, amount: float) -> None:
    """Say how much the next advance of a task will be, where its bar wants to know.

    Until then, tasks that are opened inside fill that much of it.
    """
    if isinstance(task, Expects):
        task.expect(amount)


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
