"""Freshly collected evaluation trajectories on the frame-skip grid.

Nothing here knows a model beyond its image size: every checkpoint is asked about the same
trajectories. A trajectory is a function of the suite's seed, of what it is for (``purpose``) and of
its number, never of how many others were collected.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import content_hash
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import Snapshot, World

Mode = Literal["fixed", "goal"]
Purpose = Literal["probe-train", "probe-validation", "probe-test", "voe", "disjoint", "clean"]

REDRAWS = 100
"""Times a too short goal-ending episode is drawn again before the length is called impossible."""

MEMORY = 512 * 2**20
"""Bytes of images kept between analyses, so that one audit collects each set once."""


@dataclass(frozen=True)
class Trajectories:
    """N recorded trajectories of T frames. Arrays are read-only: they are shared by analyses.

    Attributes:
        world: name of the world.
        pixels: uint8 (N, T, H, W, C).
        actions: raw environment actions, float32 (N, T, A), A = frame_skip × action width; block t
            leads from frame t to frame t+1 (the last one leads beyond the last frame).
        state: each quantity of the world, float64 (N, T, axes).
        ids: content hash of world, states and actions; the same at every image size.
        snapshots: full simulator state at every frame, N × T.
        goal_changes: for each trajectory, the environment steps after which a new goal was picked.
        origin: seed, purpose and numbers of the trajectories: where their random streams start.
    """

    world: str
    pixels: np.ndarray
    actions: np.ndarray
    state: Mapping[str, np.ndarray]
    ids: tuple[str, ...]
    snapshots: tuple[tuple[Snapshot, ...], ...]
    goal_changes: tuple[tuple[int, ...], ...]
    origin: tuple[tuple[int, str, int], ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def frames(self) -> int:
        """T."""
        return self.actions.shape[1]

    @property
    def size(self) -> int:
        """Side of the images, pixels."""
        return self.pixels.shape[2]

    def take(self, indices: Sequence[int] | np.ndarray) -> Trajectories:
        """Some of the trajectories."""
        chosen = [int(i) for i in indices]
        return replace(
            self,
            pixels=self.pixels[chosen],
            actions=self.actions[chosen],
            state={name: values[chosen] for name, values in self.state.items()},
            ids=tuple(self.ids[i] for i in chosen),
            snapshots=tuple(self.snapshots[i] for i in chosen),
            goal_changes=tuple(self.goal_changes[i] for i in chosen),
            origin=tuple(self.origin[i] for i in chosen),
        )

    def at_size(self, size: int) -> Trajectories:
        """The same trajectories photographed at another size."""
        if size == self.size:
            return self
        world = make_world(self.world)
        world.reset(seed=0)
        pixels = render(world, [s for one in self.snapshots for s in one], size)
        return replace(self, pixels=pixels.reshape(len(self), self.frames, *pixels.shape[1:]))


def suite_trajectories(suite: Suite, size: int, purpose: Purpose) -> Trajectories:
    """The trajectories that a suite asks for, for one purpose, at one image size.

    ``clean`` (straightness, rollouts, geometry), ``disjoint`` (thresholds and normalisation of
    surprise) and ``voe`` (matched pairs) are always of fixed length; the probe's follow the suite's
    ``probe.episodes``. The first two are the same trajectories, as many as each section says.
    """
    probe, voe, clean = suite.probe, suite.voe, suite.clean
    asked: dict[Purpose, tuple[int, int, Mode, str]] = {
        "probe-train": (probe.train, probe.frames, probe.episodes, probe.policy),
        "probe-validation": (probe.validation, probe.frames, probe.episodes, probe.policy),
        "probe-test": (probe.test, probe.frames, probe.episodes, probe.policy),
        "voe": (voe.trajectories, voe.frames, "fixed", voe.policy),
        "disjoint": (voe.disjoint, voe.frames, "fixed", voe.policy),
        "clean": (clean.trajectories, clean.frames, "fixed", clean.policy),
    }
    count, frames, mode, policy = asked[purpose]
    return collect_trajectories(
        suite.world,
        count,
        frames,
        size=size,
        seed=suite.seed,
        purpose="disjoint" if purpose == "clean" else purpose,
        mode=mode,
        policy=policy,
    )


_kept: OrderedDict[tuple[object, ...], Trajectories] = OrderedDict()


def collect_trajectories(
    world_name: str,
    count: int,
    frames: int,
    *,
    size: int,
    seed: int,
    purpose: str,
    mode: Mode = "fixed",
    policy: str = "expert",
) -> Trajectories:
    """Record ``count`` trajectories of one of the world's policies, ``frames`` frames each.

    ``fixed``: a new goal on arrival, so that every trajectory goes on to the end. ``goal``: the
    first ``frames`` frames of episodes that end at their goal; shorter episodes are drawn again.
    Equal requests are answered from memory while their images fit ``MEMORY``.

    Raises:
        UsageError: no such world or policy.
        UserError: goal-ending episodes are all shorter than ``frames``.
    """
    key = (world_name, count, frames, size, seed, purpose, mode, policy)
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    trajectories = _collect(world_name, count, frames, size, seed, purpose, mode, policy)
    _kept[key] = trajectories
    while sum(t.pixels.nbytes for t in _kept.values()) > MEMORY:
        _kept.popitem(last=False)
    return trajectories


def _collect(
    world_name: str,
    count: int,
    frames: int,
    size: int,
    seed: int,
    purpose: str,
    mode: Mode,
    policy: str,
) -> Trajectories:
    world = make_world(world_name)
    snapshots: list[tuple[Snapshot, ...]] = []
    changes: list[tuple[int, ...]] = []
    origin: list[tuple[int, str, int]] = []
    states: list[dict[str, np.ndarray]] = []
    actions: np.ndarray | None = None
    for number in range(count):
        begin = (seed, purpose, number)
        for attempt in range(REDRAWS):
            record = _record(world, frames, begin, attempt, mode, policy)
            if record is not None:
                break
        else:
            raise UserError(
                f"None of {REDRAWS} episodes of {world_name} that end at their goal has {frames} "
                f"frames ({frames * world.frame_skip} steps). Lower probe.frames in the suite, or "
                "set probe.episodes to fixed."
            )
        blocks, taken, state, moments = record
        if actions is None:
            actions = np.empty((count, *blocks.shape), np.float32)  # (N, T, A)
        actions[number] = blocks
        snapshots.append(tuple(taken))
        changes.append(tuple(moments))
        origin.append(begin)
        states.append(state)
    if actions is None:
        raise ValueError("count must be at least 1")
    pixels = render(world, [s for one in snapshots for s in one], size)
    pixels = pixels.reshape(count, frames, *pixels.shape[1:])  # (N, T, H, W, C)
    state_arrays = {name: np.stack([s[name] for s in states]) for name in states[0]}
    ids = tuple(
        content_hash(world_name, actions[i], *(v[i] for v in state_arrays.values()))[:16]
        for i in range(count)
    )
    for array in (pixels, actions, *state_arrays.values()):
        array.flags.writeable = False
    return Trajectories(
        world_name,
        pixels,
        actions,
        state_arrays,
        ids,
        tuple(snapshots),
        tuple(changes),
        tuple(origin),
    )


def _record(
    world: World,
    frames: int,
    begin: tuple[int, str, int],
    attempt: int,
    mode: Mode,
    policy: str,
) -> tuple[np.ndarray, list[Snapshot], dict[str, np.ndarray], list[int]] | None:
    """One trajectory: blocks (T, A), snapshots, states, goal changes; None if it ended early."""
    seed, purpose, number = begin
    steps = frames * world.frame_skip
    options = {"trajectory": (*begin, steps)} if world.replays else None
    world.reset(seed=torch_seed(seed, purpose, number, "start", attempt), options=options)
    act = world.policy(policy, stream(seed, purpose, number, "policy", attempt))
    snapshots: list[Snapshot] = []
    states: list[dict[str, np.ndarray]] = []
    blocks: list[np.ndarray] = []
    changes: list[int] = []
    for frame in range(frames):
        snapshots.append(world.snapshot())
        states.append(world.physical_state())
        block = []
        for within in range(world.frame_skip):
            step = frame * world.frame_skip + within
            action = np.asarray(act(world), np.float32)
            block.append(action.ravel().copy())
            world.step(action)
            if world.success():
                if mode == "goal":
                    if frame < frames - 1:
                        return None
                else:
                    world.new_goal(goal_stream(begin, step))
                    changes.append(step)
        blocks.append(np.concatenate(block))
    state = {
        name: np.stack([np.asarray(s[name], np.float64) for s in states]) for name in states[0]
    }
    return np.stack(blocks), snapshots, state, changes


def goal_stream(begin: tuple[int, str, int], step: int) -> np.random.Generator:
    """The random stream of the goal picked after ``step`` steps: a replay draws the same goal."""
    return stream(*begin, "goal", step)


def render(world: World, snapshots: Sequence[Snapshot], size: int, batch: int = 256) -> np.ndarray:
    """Images uint8 (M, H, W, C) of many snapshots."""
    first = world.render_batch(snapshots[:1], size)
    pixels = np.empty((len(snapshots), *first.shape[1:]), np.uint8)
    for start in range(0, len(snapshots), batch):
        pixels[start : start + batch] = world.render_batch(snapshots[start : start + batch], size)
    return pixels
