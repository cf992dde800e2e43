"""The demo: collect, train LeWM and PLDM small, audit both, report. Ten minutes on two cores.

Every stage leaves its output only when it is whole, so the demo can be killed at any moment and
called again: finished stages are not repeated and training goes on from its last saved state.
"""

from __future__ import annotations

import fcntl
import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from lewm_probe.core.errors import UserError
from lewm_probe.core.processes.workers import become_worker, ctrl_c_ignored
from lewm_probe.core.progress import Progress, Task
from lewm_probe.training.recipe import Recipe, load_recipe

RECIPES = {"lewm": "two-room/lewm-cpu", "pldm": "two-room/pldm-cpu"}

OVERRIDES = (
    "data.collect.episodes=300",
    "optimizer.steps_per_epoch=100",
)
"""All that the demo changes in the CPU recipes, so that training takes about three minutes."""

TRAJECTORIES = 100
"""Trajectories a condition, half the suite's."""


@dataclass(frozen=True)
class DemoPlan:
    """Where everything of one demo lies, and what is trained."""

    folder: Path
    recipes: Mapping[str, Recipe]

    @property
    def data(self) -> Path:
        """The data set."""
        return self.folder / "data.h5"

    def run(self, name: str) -> Path:
        """The run folder of a model."""
        return self.folder / "training" / name

    @property
    def latents(self) -> Path:
        """The latent cache."""
        return self.folder / "latents"

    @property
    def audit(self) -> Path:
        """Where the results and the report go."""
        return self.folder / "audit"

    @property
    def checkpoints(self) -> list[str]:
        """The trained models as arguments of an analysis."""
        return [f"{name}={self.run(name)}" for name in self.recipes]


def plan(folder: Path, seed: int | None = None) -> DemoPlan:
    """The demo in ``folder``; ``seed`` replaces the recipes' training seed."""
    chosen = [*OVERRIDES, *([f"seed={seed}"] if seed is not None else [])]
    return DemoPlan(folder, {name: load_recipe(recipe, chosen) for name, recipe in RECIPES.items()})


def collect_data(demo: DemoPlan, progress: Progress) -> None:
    """Collect the data set; one that is there is left alone."""
    from lewm_probe.data.collect import collect

    recipe = next(iter(demo.recipes.values()))
    asked = recipe.data.collect
    collect(
        recipe.world,
        asked.episodes,
        demo.data,
        size=asked.size,
        seed=asked.seed,
        workers=2,
        mode=asked.mode,
        length=asked.length,
        policy=asked.policy,
        progress=progress,
    )


def train_models(demo: DemoPlan, device: str, progress: Progress) -> None:
    """Train each model in a process of its own, one core each, going on where a run stopped.

    Raises:
        UsageError: a run folder holds a run of another recipe.
        UserError: what a training raised; the others are stopped and can go on later.
    """
    from lewm_probe.training.run_folder import RunFolder

    jobs = {}
    for name, recipe in demo.recipes.items():
        run = RunFolder(demo.run(name))
        run.prepare(recipe, resume=True)
        if not run.final.is_file():
            jobs[name] = (recipe, demo.data, run.path, device)
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads' locks
    with ExitStack() as stack:
        talking: dict[Connection, _Course] = {}
        for name, job in jobs.items():
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_train, args=(*job, there), name=f"training {name}")
            with ctrl_c_ignored():
                process.start()
            there.close()
            stack.callback(_end, process)
            recipe = job[0]
            steps = recipe.optimizer.epochs * (recipe.optimizer.steps_per_epoch or 1)
            task = stack.enter_context(progress.task(f"Training {name}", steps))
            talking[here] = _Course(name, task)
        while talking:
            for connection in wait(list(talking)):
                assert isinstance(connection, Connection)
                if talking[connection].heard(connection):
                    del talking[connection]


class _Course:
    """What one training process has told so far."""

    def __init__(self, name: str, task: Task) -> None:
        self.name, self.task, self.step = name, task, 0

    def heard(self, connection: Connection) -> bool:
        """Take a message; True when it was the last one."""
        try:
            kind, content = connection.recv()
        except EOFError as error:
            raise UserError(
                f"The training of {self.name} was ended from outside, perhaps for want of memory. "
                "Run the same command again to go on."
            ) from error
        if kind == "failed":
            raise content
        if kind == "step":
            self.task.advance(content - self.step)
            self.step = content
        return bool(kind == "done")


def _train(recipe: Recipe, data: Path, folder: Path, device: str, parent: Connection) -> None:
    """The body of a training process."""
    import torch

    from lewm_probe.training.loop import train

    become_worker()
    torch.set_num_threads(1)
    try:
        train(
            recipe,
            data,
            folder,
            device=device,
            resume=True,
            on_log=lambda record: parent.send(("step", record["step"])),
        )
    except (UserError, OSError, MemoryError) as error:
        parent.send(("failed", error))
    else:
        parent.send(("done", None))


def _end(process: Any) -> None:
    process.terminate()
    process.join()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process: two demos in one folder would spoil each other's files.

    The operating system gives the lock back when the process ends, however it ends.

    Raises:
        UserError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"Another lewm-probe demo is at work in {folder}. Wait for it, or choose another "
                "folder with --out."
            ) from error
        yield
