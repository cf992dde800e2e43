"""Collect episodes of a world into a data set file, with several workers, and go on if stopped.

Episode i is a function of the seed and of i alone, so the bytes of the file depend on neither the
number of workers nor on interruptions. Workers write *parts* of ten episodes each into
``OUT.parts/SETTINGS/``; each part appears only when whole, and a later call with the same settings
takes those that are there. When all are there, they are joined, frames still compressed, and the
folder of parts is removed. Importing this module does not import torch: workers start quickly.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, get_args

import hdf5plugin
import numpy as np

from lewm_probe._version import __version__
from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.core.files import content_hash, write_error
from lewm_probe.core.processes.locks import alone
from lewm_probe.core.processes.stopping import check_soon, deferred
from lewm_probe.core.processes.workers import become_worker, ctrl_c_ignored
from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.core.seeding import stream
from lewm_probe.data.estimate import WORTH_SAYING, Estimate, estimate
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile, EpisodeWriter
from lewm_probe.data.formats.hdf5.layout import LARGEST_IMAGE
from lewm_probe.data.formats.registry import format_of
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import Policy, Snapshot, World

Mode = Literal["fixed", "goal"]

FORMAT_VERSION = 1
"""Version of our attributes; the layout itself is the released one."""
MOST = 2**31 - 1
"""Of every number that is asked for: what released columns hold."""
PART_EPISODES = 10
"""Episodes of a part: about a second of work, and what an interruption can cost a worker."""


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode: n actions between n + 1 moments. Row t: (moment t, the action taken there).

    Attributes:
        actions: float32 (n, a), as given to the world.
        columns: the released data set's columns, each (n + 1, …).
        states: the physical quantities, each float64 (n + 1, axes).
        snapshots: the full simulator state at each of the n + 1 moments.
    """

    actions: np.ndarray
    columns: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    snapshots: tuple[Snapshot, ...]

    def rows(self, world: World, size: int) -> dict[str, np.ndarray]:
        """The columns of a data set file: with images, and actions whose last row is NaN."""
        nothing = np.full((1, self.actions.shape[1]), np.nan, dtype=np.float32)
        return {
            **self.columns,
            "action": np.concatenate([self.actions, nothing]),
            "pixels": world.render_batch(self.snapshots, size),
        }


def record_episode(
    world: World,
    rng: np.random.Generator,
    steps: int,
    mode: Mode = "fixed",
    policy: str | Policy = "expert",
) -> RecordedEpisode:
    """Reset a world and let a policy act in it; nothing is rendered.

    Args:
        world: left in the episode's last state.
        rng: the only source of chance.
        steps: ``fixed`` takes exactly so many, with a new goal on each arrival; ``goal`` takes at
            most so many and at least one, and ends on arrival.
        mode: ``fixed`` or ``goal``.
        policy: who acts, one of the world's ``policies`` by name or any other.
    """
    world.reset(seed=int(rng.integers(2**31)))
    act = world.policy(policy, rng) if isinstance(policy, str) else policy
    actions: list[np.ndarray] = []
    columns, states, snapshots = [world.columns()], [world.physical_state()], [world.snapshot()]
    for _ in range(steps):
        action = np.asarray(act(world), dtype=np.float32)
        world.step(action)
        arrived = world.success()
        if arrived and mode == "fixed":
            # Before the row is taken: a row's goal is the one that its action heads for.
            world.new_goal(rng)
        actions.append(action)
        columns.append(world.columns())
        states.append(world.physical_state())
        snapshots.append(world.snapshot())
        if arrived and mode == "goal":
            break
    return RecordedEpisode(np.stack(actions), _stacked(columns), _stacked(states), tuple(snapshots))


@dataclass(frozen=True)
class Collected:
    """What ``collect`` did.

    Attributes:
        path: the data set file.
        episodes: how many episodes it holds.
        rows: how many rows.
        already_there: whether an earlier call had finished it, and nothing was done.
        reused: episodes taken over from an interrupted call.
    """

    path: Path
    episodes: int
    rows: int
    already_there: bool
    reused: int


@dataclass(frozen=True)
class Settings:
    """Everything that episode i depends on, beside i."""

    world: str
    size: int
    seed: int
    mode: Mode
    length: int
    policy: str = "expert"

    def attrs(self) -> dict[str, str | int]:
        """The attributes of a data set file."""
        return {
            "format_version": FORMAT_VERSION,
            "lewm_probe_version": __version__,
            "world": self.world,
            "picture_size": self.size,
            "seed": self.seed,
            "mode": self.mode,
            "length": self.length,
            "policy": self.policy,
        }


@dataclass(frozen=True)
class _Part:
    settings: Settings
    start: int
    stop: int
    path: Path


def collect(
    world: str,
    episodes: int,
    out: Path,
    *,
    size: int = 64,
    seed: int = 0,
    workers: int = 1,
    mode: Mode = "fixed",
    length: int = 100,
    policy: str = "expert",
    overwrite: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Collected:
    """Collect episodes of a registered world into the file ``out``.

    Args:
        world: its registered name.
        episodes: how many; the first N of a seed are the same for every larger number.
        out: the file; it appears only when complete.
        size: side of the images in pixels.
        seed: of everything.
        workers: processes.
        mode: ``fixed`` episodes take exactly ``length`` steps; ``goal`` ones end on arrival.
        length: steps of an episode, which has one row more: its last row has no action.
        policy: who acts, one of the world's ``policies``.
        overwrite: replace a file that holds something else.
        progress: where to show how far it is, in episodes.
        say: told what it will take, where that is more than a moment.

    Raises:
        UsageError: no such world or mode, a number out of range, or a name that says that ``out``
            is of another format.
        UserError: ``out`` holds something else, cannot be written or holds too little, or a worker
            died.
    """
    out = Path(out)
    settings = _checked(Settings(world, size, seed, mode, length, policy), episodes, workers)
    beside = out.with_name(out.name + ".parts")
    if out.is_dir():
        raise UserError(f"{out} is a folder. Give the name of a file to write with --out.")
    kind, _ = format_of(out)
    if out.suffix and kind != "hdf5":
        raise UsageError(
            f"{out} would be taken for a data set of the format '{kind}', but what is collected is "
            "HDF5. Give a name that ends in .h5 with --out, and then run `lewm-probe data convert`."
        )
    if out.exists() and not overwrite:
        done = _already_there(out, settings, episodes)
        shutil.rmtree(beside, ignore_errors=True)  # left by a call that was killed at its very end
        return done
    if episodes * (length + 1) >= WORTH_SAYING:
        taken = foreseen(settings, episodes, workers)
        taken.check_room(out, sum(part.stat().st_size for part in beside.rglob("*.h5")))
        say(str(taken))
    with alone(out, beside=True):
        if out.exists() and not overwrite:  # finished by another process just now
            return _already_there(out, settings, episodes)
        return _collect(out, settings, episodes, workers, progress or NoProgress())


def _collect(
    out: Path, settings: Settings, episodes: int, workers: int, progress: Progress
) -> Collected:
    beside = out.with_name(out.name + ".parts")
    folder = beside / content_hash(settings.attrs(), _codec())[:12]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts = [
            _Part(settings, start, stop, folder / f"{start:07d}-{stop:07d}.h5")
            for start in range(0, episodes, PART_EPISODES)
            for stop in [min(start + PART_EPISODES, episodes)]
        ]
        missing = [part for part in parts if not _is_whole(part)]
        reused = episodes - sum(part.stop - part.start for part in missing)
        with progress.task(f"Collecting {settings.world}", episodes) as task:
            task.advance(reused)
            for part in _record_all(missing, workers):
                task.advance(part.stop - part.start)
        whole = folder / "whole.h5"
        rows = _join(parts, whole, settings)
        with deferred():
            os.replace(whole, out)
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise write_error(out, error) from error
    finally:
        with suppress(OSError):  # kept if it holds finished parts, gone if it is empty
            folder.rmdir()
            beside.rmdir()
    return Collected(out, episodes, rows, already_there=False, reused=reused)


def foreseen(settings: Settings, episodes: int, workers: int) -> Estimate:
    """What a collection will take, measured on a few of its episodes."""

    def try_some(path: Path, count: int, steps: int) -> int:
        _record_part(_Part(replace(settings, length=steps), 0, count, path))
        with EpisodeFile(path) as file:
            return file.rows

    return estimate(try_some, episodes, settings.length, workers)


def _checked(settings: Settings, episodes: int, workers: int) -> Settings:
    if settings.mode not in get_args(Mode):
        raise UsageError(
            f"Unknown mode '{settings.mode}'. Choose fixed (every episode takes --length steps) or "
            "goal (an episode ends on arrival)."
        )
    for name, value, least, most in (
        ("episodes", episodes, 1, MOST),
        ("workers", workers, 1, MOST),
        ("size", settings.size, 8, LARGEST_IMAGE),
        ("length", settings.length, 1, MOST),
        ("seed", settings.seed, 0, MOST),
    ):
        if value < least:
            raise UsageError(f"--{name} is {value}; it must be at least {least}.")
        if value > most:
            raise UsageError(f"--{name} is {value}; it must be at most {most:,}.")
    known = _world(settings.world).policies
    if settings.policy not in known:
        raise unknown_name("policy", settings.policy, known)
    return settings


def _already_there(out: Path, settings: Settings, episodes: int) -> Collected:
    wanted = settings.attrs() | {"episodes": episodes}
    del wanted["lewm_probe_version"]  # a newer version of this package does not undo a file
    try:
        with EpisodeFile(out) as file:
            found = {"policy": "expert"} | file.attrs | {"episodes": len(file)}
            rows = file.rows
    except UserError as error:
        raise UserError(
            f"{out} is there already, and is not a data set that can be read. Choose another "
            "place with --out, or give --overwrite to replace it."
        ) from error
    other = [
        f"{k} {found.get(k, 'unknown')} not {v}" for k, v in wanted.items() if found.get(k) != v
    ]
    if other:
        raise UserError(
            f"{out} is there already and holds something else: {', '.join(other)}. Choose another "
            "place with --out, or give --overwrite to replace it."
        )
    return Collected(out, episodes, rows, already_there=True, reused=episodes)


def _record_all(parts: Sequence[_Part], workers: int) -> Iterator[_Part]:
    """Record parts, in any order, and give each when it is on disk."""
    if min(workers, len(parts)) <= 1:
        for part in parts:
            _record_part(part)
            yield part
        return
    # Spawned, not forked: a caller may run threads (torch, a progress bar), which forks break.
    pool = ProcessPoolExecutor(
        min(workers, len(parts)), mp_context=get_context("spawn"), initializer=become_worker
    )
    try:
        with ctrl_c_ignored():  # workers inherit this, and so never hear of it
            jobs = [pool.submit(_record_part, part) for part in parts]
        for job in as_completed(jobs):
            yield job.result()
    except BrokenProcessPool as error:
        check_soon()
        raise UserError(
            "A collecting process was ended from outside, most likely because memory ran out. "
            "What it had finished is kept: run the same command again, with fewer --workers."
        ) from error
    finally:
        # After Ctrl-C too: parts under way are finished and kept, the rest is not begun.
        pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def _world(name: str) -> World:
    return make_world(name)


def _record_part(part: _Part) -> _Part:
    settings, world = part.settings, _world(part.settings.world)
    recordings = [
        record_episode(
            world,
            stream(settings.seed, "episode", index),
            settings.length,
            settings.mode,
            settings.policy,
        )
        for index in range(part.start, part.stop)
    ]
    lengths = [len(recording.snapshots) for recording in recordings]
    with EpisodeWriter(part.path, lengths, settings.attrs()) as writer:
        for recording in recordings:
            writer.append(recording.rows(world, settings.size))
    return part


def _is_whole(part: _Part) -> bool:
    try:
        with EpisodeFile(part.path) as file:
            return len(file) == part.stop - part.start and file.attrs == part.settings.attrs()
    except UserError:
        return False


def _join(parts: Sequence[_Part], whole: Path, settings: Settings) -> int:
    lengths: list[int] = []
    for part in parts:
        with EpisodeFile(part.path) as file:
            lengths += file.lengths.tolist()
    with EpisodeWriter(whole, lengths, settings.attrs()) as writer:
        for part in parts:
            with EpisodeFile(part.path) as file:
                writer.append_file(file)
    return sum(lengths)


def _codec() -> str:
    """Other versions of the compressor may write other bytes, so parts of theirs do not mix."""
    return f"hdf5plugin {hdf5plugin.version}"


def _stacked(moments: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([moment[name] for moment in moments]) for name in moments[0]}
