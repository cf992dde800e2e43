"""Train many runs, as many at a time as fit the cores, each in a process and a folder of its own.

A run that fails is named at the end and the others go on. All of it can be stopped at any moment
and called again: runs that are finished are left alone, others go on from their last saved state,
and end with the very weights of an uninterrupted run, as each computes with one thread.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from lewm_probe.core.errors import UserError, brief
from lewm_probe.core.processes.stopping import check_soon, deferred, heard
from lewm_probe.core.processes.workers import become_worker, cores, ctrl_c_ignored
from lewm_probe.training.recipe import Recipe

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of a study.

    Attributes:
        name: by which people hear of it, e.g. ``lewm-3``.
        recipe: what is trained, seed included.
        data: the data set.
        folder: the run folder.
    """

    name: str
    recipe: Recipe
    data: Path
    folder: Path


@dataclass(frozen=True)
class FailedRun:
    """A run that did not come to its end.

    Attributes:
        name: the run's.
        why: a paragraph.
        diverged: whether a loss or gradient was not finite: it would be so again.
    """

    name: str
    why: str
    diverged: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


def runs_failed(failures: Sequence[FailedRun], total: int, again: str = "The same command") -> str:
    """Which runs failed and why, in one paragraph.

    >>> print(runs_failed([FailedRun("lewm-2", "'loss' is nan at step 9.")], 4))
    1 of 4 runs failed. lewm-2: 'loss' is nan at step 9. The same command tries again.
    """
    reported = " ".join(str(failed) for failed in failures)
    return f"{len(failures)} of {total} runs failed. {reported} {again} tries again."


class Watch(Protocol):
    """Who is told how the runs go: only the command line draws them."""

    def begin(self, run: Run) -> None:
        """A run was found, in the order of the study; it may wait for a free core."""

    def record(self, run: Run, record: Record) -> None:
        """A line of its ``metrics.jsonl``, with ``total_steps`` and ``seconds_left``."""

    def end(self, run: Run, failed: FailedRun | None) -> None:
        """It has ended, by itself or not."""


class Unwatched:
    """Tells nobody."""

    def begin(self, run: Run) -> None:
        """Nothing."""

    def record(self, run: Run, record: Record) -> None:
        """Nothing."""

    def end(self, run: Run, failed: FailedRun | None) -> None:
        """Nothing."""


def at_once(device: str) -> int:
    """How many runs at a time: one a core, one on a GPU, which one run fills."""
    return cores() if device == "cpu" else 1


def train_all(
    runs: Sequence[Run], device: str, watch: Watch | None = None, *, most: int | None = None
) -> list[FailedRun]:
    """Train every run that is not finished; return those that failed.

    Args:
        runs: in the order in which they are begun.
        device: ``cpu``, ``cuda`` or ``mps``.
        watch: told how they go.
        most: runs at a time (default: as many as fit the device).

    Raises:
        UsageError: a run folder holds a run of another recipe.
        UserError: a data set is damaged, or does not fit a recipe.
    """
    from lewm_probe.data.formats.registry import open_episodes
    from lewm_probe.training.run.claims import check_data
    from lewm_probe.training.run.folder import RunFolder

    watch = watch or Unwatched()
    for run in runs:  # before any work: a slip in one is not told hours later
        RunFolder(run.folder).check(run.recipe, resume=True)
        with open_episodes(run.data) as file:
            check_data(run.recipe, file)
        watch.begin(run)
    waiting, failures = list(runs), []
    context = _context()
    begun: list[Any] = []
    going: dict[Connection, tuple[Run, Any]] = {}
    with ExitStack() as stack:
        stack.callback(_end, begun)
        while waiting or going:
            while waiting and len(going) < (most or at_once(device)):
                run = waiting.pop(0)
                here, there = context.Pipe(duplex=False)
                process = context.Process(
                    target=_train, args=(run, device, there), name=f"training {run.name}"
                )
                with deferred(), ctrl_c_ignored():  # none that nobody ends
                    process.start()
                    begun.append(process)
                there.close()
                going[here] = (run, process)
            for connection in wait(list(going)):
                assert isinstance(connection, Connection)
                run, process = going[connection]
                kind, content = _message(connection)
                if kind == "record":
                    watch.record(run, content)
                    continue
                failed = None
                if kind != "done":
                    failed = FailedRun(run.name, content, diverged=kind == "diverged")
                if failed is not None:
                    failures.append(failed)
                watch.end(run, failed)
                process.join()
                connection.close()
                del going[connection]
    return failures


def _context() -> Any:
    """How processes are begun: by one that has read the libraries, once for all runs, if it can be.

    That one has no thread whose locks a fork would copy; a fork of this process might.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lewm_probe.training.loop"])
    return context


def _message(connection: Connection) -> tuple[str, Any]:
    try:
        kind, content = connection.recv()
    except (EOFError, OSError):
        check_soon()
        return "failed", (
            "Its process was ended from outside, perhaps for want of memory. Run the same command "
            "again to go on."
        )
    return str(kind), content


def _train(run: Run, device: str, parent: Connection) -> None:
    """The body of a training process."""
    become_worker()
    import torch  # before SIGTERM is heard: while this lasts, there is nothing to save

    from lewm_probe.training.loop import Diverged

    if device == "cpu":
        torch.set_num_threads(1)  # the runs share the cores already
    try:
        with heard():  # SIGTERM, by which the parent ends it too: the state is saved first
            _work(run, device, parent)
    except KeyboardInterrupt:
        with suppress(OSError):  # the parent may be gone
            parent.send(("failed", "Its process was stopped from outside; its state is saved."))
    except UserError as error:
        kind = "diverged" if isinstance(error, Diverged) else "failed"
        parent.send((kind, str(error)))
    except MemoryError:
        parent.send(("failed", "The computer ran out of memory. Close other programs."))
    except Exception as error:  # noqa: BLE001  # one run shall not end the others
        parent.send(("failed", f"{brief(error)}."))
    else:
        parent.send(("done", None))


def _work(run: Run, device: str, parent: Connection) -> None:
    from lewm_probe.training.loop import train

    train(
        run.recipe,
        run.data,
        run.folder,
        device=device,
        resume=True,
        on_log=lambda record: parent.send(("record", record)),
    )


def _end(processes: Sequence[Any]) -> None:
    """End all at once, then wait: each saves its state."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
