"""Matched cases: the same trajectory with and without one intervention at a known frame.

A case shares seed, start and actions with its reference. The intervention at frame t0 comes after
the last step of block t0 − 1 and before frame t0 is photographed; ``frozen`` takes hold at the
start of block t0 − 1, so that its first affected frame is t0 as well; ``action_swap`` gives another
trajectory's blocks from block t0 − 1 on, the one that leads to frame t0. Recorded actions are then
replayed from the intervened simulator state.

Frames before t0 are taken from the reference, and so are its actions before block t0 − 1. That
this is what a simulation from the start would show is asserted for every case (``check_sham``):
the whole trajectory is simulated again from its first snapshot, with a save and a restore at the
intervention, and every picture must come out byte for byte as recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lewm_probe.analyses import pictures
from lewm_probe.analyses.evaluation import Trajectories, goal_stream, render, suite_trajectories
from lewm_probe.analyses.suite import Condition, Suite
from lewm_probe.errors import UsageError, UserError, unknown_name
from lewm_probe.seeding import stream
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import Snapshot, World

PICTURE_KINDS = ("brightness", "noise", "blur")
"""Kinds that are functions of the picture."""


@dataclass(frozen=True)
class Changed:
    """What one condition changes: pictures of frames ≥ t0, or the actions.

    Attributes:
        case, frame: int (M,): which frame of which case each picture replaces, in order.
        pixels: uint8 (M, H, W, C).
        actions: raw blocks (N, T, A).
        kept: bool (N,): False where the intervention was impossible (no valid place); the frames of
            such a case are missing here.
    """

    case: np.ndarray
    frame: np.ndarray
    pixels: np.ndarray
    actions: np.ndarray
    kept: np.ndarray


class MatchedCases:
    """A reference set of trajectories, an onset for each, and every condition on demand.

    Args:
        reference: unperturbed trajectories.
        onset: t0 of each, int (N,).
        conditions: what can be asked for.
        seed: of interventions.

    Raises:
        UsageError: a condition about a body or scenery that the world does not have.
        UserError: the sham intervention changed a picture.
    """

    def __init__(
        self,
        reference: Trajectories,
        onset: np.ndarray,
        conditions: Sequence[Condition],
        seed: int,
    ) -> None:
        self.reference = reference
        self.onset = np.asarray(onset, dtype=np.int64)
        self.conditions = {c.name: c for c in conditions}
        self._seed = seed
        self._world: World = make_world(reference.world)
        self._world.reset(seed=0)
        for condition in conditions:
            self._check(condition)
        self.check_sham()

    def __len__(self) -> int:
        return len(self.reference)

    @property
    def affected(self) -> np.ndarray:
        """Which frames are t0 or later: bool (N, T)."""
        return np.arange(self.reference.frames)[None] >= self.onset[:, None]

    @property
    def donors(self) -> np.ndarray:
        """Whose actions each case gets under ``action_swap``: a derangement, int (N,)."""
        n = len(self)
        order = stream(self._seed, "voe", "donors").permutation(n)
        donors = np.empty(n, dtype=np.int64)
        donors[order] = np.roll(order, 1)  # each one's neighbour in a random circle: never itself
        return donors

    def changed(self, name: str) -> Changed:
        """The frames and actions that a condition changes.

        Raises:
            UsageError: no such condition.
        """
        if name not in self.conditions:
            raise unknown_name("condition", name, self.conditions)
        condition = self.conditions[name]
        if condition.kind == "action_swap":
            return self._swapped()
        if condition.kind in PICTURE_KINDS:
            return self._repainted(condition)
        return self._simulated(condition)

    def swapped_actions(self) -> np.ndarray:
        """Raw blocks (N, T, A): the donor's from block t0 − 1 on."""
        late = np.arange(self.reference.frames)[None] >= self.onset[:, None] - 1  # (N, T)
        actions = self.reference.actions
        return np.where(late[..., None], actions[self.donors], actions)

    def condition(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Whole pictures uint8 (N, T, H, W, C) and actions (N, T, A) of a condition.

        Cases whose intervention was impossible come back as their reference.
        """
        changed = self.changed(name)
        pixels = self.reference.pixels.copy()
        pixels[changed.case, changed.frame] = changed.pixels
        return pixels, changed.actions

    def at_size(self, size: int) -> MatchedCases:
        """The same cases photographed at another size."""
        if size == self.reference.size:
            return self
        reference = self.reference.at_size(size)
        return MatchedCases(reference, self.onset, list(self.conditions.values()), self._seed)

    def check_sham(self) -> None:
        """Assert that simulating again, with a save and a restore at t0, changes no picture.

        Raises:
            UserError: it does, so this world's cases would not be matched.
        """
        frames, size = self.reference.frames, self.reference.size
        for case in range(len(self)):
            at = int(self.onset[case])
            self._world.restore(self.reference.snapshots[case][0])
            seen = [self._world.snapshot()]
            for frame in range(frames - 1):
                if frame == at:
                    saved = self._world.snapshot()
                    self._block(case, frame)  # wander off, then come back
                    self._world.restore(saved)
                self._block(case, frame)
                seen.append(self._world.snapshot())
            again = render(self._world, seen, size)
            if not np.array_equal(again, self.reference.pixels[case]):
                where = np.flatnonzero((again != self.reference.pixels[case]).any(axis=(1, 2, 3)))
                raise UserError(
                    f"The world {self.reference.world} failed the sham check: simulating "
                    f"trajectory {self.reference.ids[case]} again, with its state saved and "
                    f"restored at frame {at}, gives another picture at frame {where[0]}. Matched "
                    "cases need a deterministic world whose snapshot() holds its whole state."
                )

    # ---- one kind each

    def _swapped(self) -> Changed:
        none = np.zeros(0, dtype=np.int64)
        pixels = np.zeros((0, *self.reference.pixels.shape[2:]), np.uint8)
        everyone = np.ones(len(self), bool)
        return Changed(none, none, pixels, self.swapped_actions(), everyone)

    def _repainted(self, condition: Condition) -> Changed:
        assert condition.amount is not None
        case, frame = np.nonzero(self.affected)
        pixels = np.empty((len(case), *self.reference.pixels.shape[2:]), np.uint8)
        for number in range(len(self)):
            rows = case == number
            clean = self.reference.pixels[number, self.onset[number] :]
            if condition.kind == "brightness":
                pixels[rows] = pictures.brightness(clean, condition.amount)
            elif condition.kind == "blur":
                pixels[rows] = pictures.blur(clean, condition.amount)
            else:
                pixels[rows] = pictures.noise(clean, condition.amount, self._rng(condition, number))
        everyone = np.ones(len(self), bool)
        return Changed(case, frame, pixels, self.reference.actions, everyone)

    def _simulated(self, condition: Condition) -> Changed:
        kept = np.ones(len(self), bool)
        snapshots: list[Snapshot] = []
        for case in range(len(self)):
            try:
                snapshots += self._intervene(condition, case)
            except UsageError:
                raise
            except UserError:  # no valid place for this one
                kept[case] = False
        case_of, frame_of = np.nonzero(self.affected & kept[:, None])
        size = self.reference.size
        if not snapshots:
            pixels = np.zeros((0, *self.reference.pixels.shape[2:]), np.uint8)
        else:
            pixels = render(self._world, snapshots, size)
        return Changed(case_of, frame_of, pixels, self.reference.actions, kept)

    def _intervene(self, condition: Condition, case: int) -> list[Snapshot]:
        """Simulator states of frames t0 … T − 1 after the intervention."""
        world, who = self._world, condition.who
        assert who is not None
        at = int(self.onset[case])
        recorded = self.reference.snapshots[case]
        if condition.kind == "frozen":
            world.restore(recorded[at - 1])
            world.freeze(who)
            self._block(case, at - 1)
        else:
            world.restore(recorded[at])
            if condition.kind == "teleport":
                world.teleport(who, self._rng(condition, case))
            elif condition.kind == "step_teleport":
                world.restore(recorded[at - 1])
                before = world.position(who)
                world.restore(recorded[at])
                step = world.position(who) - before
                world.teleport(
                    who,
                    self._rng(condition, case),
                    float(np.linalg.norm(step)),
                    origin=before,
                    away_from=step,
                )
            else:
                assert condition.rgb is not None
                world.recolor(who, condition.rgb)
        states = [world.snapshot()]
        for frame in range(at, self.reference.frames - 1):
            self._block(case, frame)
            states.append(world.snapshot())
        return states

    def _block(self, case: int, frame: int) -> None:
        """Replay one recorded action block, new goals included."""
        world = self._world
        blocks = self.reference.actions[case, frame].reshape(world.frame_skip, -1)
        changes = self.reference.goal_changes[case]
        for within, action in enumerate(blocks):
            step = frame * world.frame_skip + within
            world.step(action.reshape(world.action_space.shape))
            if step in changes:
                world.new_goal(goal_stream(self.reference.origin[case], step))

    def _rng(self, condition: Condition, case: int) -> np.random.Generator:
        return stream(self._seed, "voe", condition.name, case)

    def _check(self, condition: Condition) -> None:
        who, bodies = str(condition.who), self._world.bodies
        paintable = (*bodies, *self._world.scenery)
        if condition.kind in ("teleport", "step_teleport", "frozen") and who not in bodies:
            raise unknown_name("body", who, bodies)
        if condition.kind in ("color", "background_color") and who not in paintable:
            raise unknown_name("body or scenery", who, paintable)


def draw_onsets(count: int, frames: int, history: int, seed: int) -> np.ndarray:
    """t0 of each case, uniform over frames with ``history`` before and 2·``history`` after it.

    Raises:
        UserError: trajectories are too short for that.
    """
    last = frames - 1 - 2 * history
    if last < history:
        raise UserError(
            f"Trajectories of {frames} frames are too short for models that see {history}: an "
            f"intervention needs {history} frames before it and {2 * history} after, "
            f"{3 * history + 1} in all. Raise voe.frames in the suite."
        )
    return stream(seed, "voe", "onset").integers(history, last, size=count, endpoint=True)


def matched_cases(suite: Suite, size: int, history: int) -> MatchedCases:
    """The matched cases of a suite at one picture size; ``history``: the longest of the models'.

    Raises:
        UserError: trajectories too short, or the sham check failed.
    """
    voe = suite.voe
    onset = draw_onsets(voe.trajectories, voe.frames, history, suite.seed)
    reference = suite_trajectories(suite, size, "voe")
    return MatchedCases(reference, onset, voe.conditions, suite.seed)
