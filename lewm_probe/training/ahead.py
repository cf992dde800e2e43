"""The next batch is read while a step is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Job = TypeVar("Job")
Read = TypeVar("Read")


class Ahead(Generic[Job, Read]):
    """Goes through ``read(job)`` of every job, one ahead of who takes them.

    Attributes:
        waited: seconds for which what was asked for was not there yet.
    """

    def __init__(self, read: Callable[[Job], Read]) -> None:
        self._read = read
        self.waited = 0.0

    def over(self, jobs: Iterable[Job]) -> Generator[Read]:
        """What is read, in the order of the jobs; an error comes when its turn does."""
        with ThreadPoolExecutor(1) as reader:
            coming = None
            for job in jobs:
                following = reader.submit(self._read, job)
                if coming is not None:
                    yield self._taken(coming.result)
                coming = following
            if coming is not None:
                yield self._taken(coming.result)

    def _taken(self, result: Callable[[], Read]) -> Read:
        began = time.perf_counter()
        try:
            return result()
        finally:
            self.waited += time.perf_counter() - began
