"""Matched cases: the same trajectory with and without one intervention at a known frame.

A case shares seed, start and actions with its reference. The intervention at frame t0 comes after
the last step of block t0 − 1 and before frame t0 is photographed; ``frozen`` and ``pass_through``
take hold at the start of block t0 − 1, so that their first affected frame is t0 as well;
``action_swap`` gives another trajectory's blocks from block t0 − 1 on, the one that leads to frame
t0. Recorded actions are then replayed from the intervened simulator state.

Some interventions change nothing at some moments: an object that rests can be frozen, and one that
touches nothing can pass through things, without a trace. Where at a case's t0 no body would be
``VISIBLE`` far from where it was, these conditions take another t0 of the same trajectory, drawn
from those that would show; a case without any is left out.

Frames before t0 are taken from the reference, and so are its actions before block t0 − 1. That
this is what a simulation from the start would show is asserted for every case (``check_sham``):
the whole trajectory is simulated again from its first snapshot, with a save and a restore at the
intervention, and every image must come out byte for byte as recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import (
    Trajectories,
    goal_stream,
    render,
    suite_trajectories,
)
from lewm_probe.analyses.voe.conditions import pixels as images
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.core.seeding import stream
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import Snapshot, World

IMAGE_KINDS = ("brightness", "noise", "blur")
"""Kinds that are functions of the image."""

EVENT_KINDS = ("frozen", "pass_through", "step_teleport", "fast_forward")
"""Kinds that show only where something happens."""

VISIBLE = 0.01
"""Share of the arena by which a body must be displaced for an intervention to count as one."""


@dataclass(frozen=True)
class Stimuli:
    """What one condition changes: images of frames ≥ t0, or the actions.

    Attributes:
        case, frame: int (M,): which frame of which case each image replaces, in order.
        pixels: uint8 (M, H, W, C).
        actions: raw blocks (N, T, A).
        kept: bool (N,): False where the intervention was impossible (no valid place, nothing that
            would show); the frames of such a case are missing here.
        onset: t0 of each case under this condition, int (N,).
    """

    case: np.ndarray
    frame: np.ndarray
    pixels: np.ndarray
    actions: np.ndarray
    kept: np.ndarray
    onset: np.ndarray


class Impossible(Exception):
    """An intervention that cannot be made, or would not show, at this moment."""


class MatchedPairs:
    """A reference set of trajectories, an onset for each, and every condition on demand.

    Args:
        reference: unperturbed trajectories.
        onset: t0 of each, int (N,).
        conditions: what can be asked for.
        seed: of interventions.

    Raises:
        UsageError: a condition about a body or scenery that the world does not have.
        UserError: the sham intervention changed an image.
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
        self._places: dict[str, np.ndarray] = {}
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
    def action_sources(self) -> np.ndarray:
        """Whose actions each case gets under ``action_swap``: a derangement, int (N,)."""
        n = len(self)
        order = stream(self._seed, "voe", "donors").permutation(n)
        action_sources = np.empty(n, dtype=np.int64)
        action_sources[order] = np.roll(
            order, 1
        )  # each one's neighbour in a random circle: never itself
        return action_sources

    def dosed(self, condition: Condition) -> Stimuli:
        """Frame t0 alone of a condition that need not be among ``conditions``.

        Raises:
            UsageError: a body or scenery that the world does not have.
        """
        self._check(condition)
        return self._simulated(condition, onset_only=True)

    def changed(self, name: str) -> Stimuli:
        """The frames and actions that a condition changes.

        Raises:
            UsageError: no such condition.
        """
        if name not in self.conditions:
            raise unknown_name("condition", name, self.conditions)
        condition = self.conditions[name]
        if condition.kind == "action_swap":
            return self._swapped()
        if condition.kind in IMAGE_KINDS:
            return self._repainted(condition)
        return self._simulated(condition)

    def swapped_actions(self) -> np.ndarray:
        """Raw blocks (N, T, A): the donor's from block t0 − 1 on."""
        late = np.arange(self.reference.frames)[None] >= self.onset[:, None] - 1  # (N, T)
        actions = self.reference.actions
        return np.where(late[..., None], actions[self.action_sources], actions)

    def condition(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Whole images uint8 (N, T, H, W, C) and actions (N, T, A) of a condition.

        Cases whose intervention was impossible come back as their reference.
        """
        changed = self.changed(name)
        pixels = self.reference.pixels.copy()
        pixels[changed.case, changed.frame] = changed.pixels
        return pixels, changed.actions

    def at_size(self, size: int) -> MatchedPairs:
        """The same cases photographed at another size."""
        if size == self.reference.size:
            return self
        reference = self.reference.at_size(size)
        return MatchedPairs(reference, self.onset, list(self.conditions.values()), self._seed)

    def check_sham(self) -> None:
        """Assert that simulating again, with a save and a restore at t0, changes no image.

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
                    f"restored at frame {at}, gives another image at frame {where[0]}. Matched "
                    "cases need a deterministic world whose snapshot() holds its whole state."
                )

    # ---- one kind each

    def _swapped(self) -> Stimuli:
        none = np.zeros(0, dtype=np.int64)
        pixels = np.zeros((0, *self.reference.pixels.shape[2:]), np.uint8)
        everyone = np.ones(len(self), bool)
        return Stimuli(none, none, pixels, self.swapped_actions(), everyone, self.onset)

    def _repainted(self, condition: Condition) -> Stimuli:
        assert condition.amount is not None
        case, frame = np.nonzero(self.affected)
        pixels = np.empty((len(case), *self.reference.pixels.shape[2:]), np.uint8)
        for number in range(len(self)):
            rows = case == number
            clean = self.reference.pixels[number, self.onset[number] :]
            if condition.kind == "brightness":
                pixels[rows] = images.brightness(clean, condition.amount)
            elif condition.kind == "blur":
                pixels[rows] = images.blur(clean, condition.amount)
            else:
                pixels[rows] = images.noise(clean, condition.amount, self._rng(condition, number))
        everyone = np.ones(len(self), bool)
        return Stimuli(case, frame, pixels, self.reference.actions, everyone, self.onset)

    def _simulated(self, condition: Condition, *, onset_only: bool = False) -> Stimuli:
        kept, onset = np.ones(len(self), bool), self.onset.copy()
        snapshots: list[Snapshot] = []
        case_of: list[int] = []
        for case in range(len(self)):
            for at in self._moments(condition, case):
                try:
                    self._intervene(condition, case, at)
                except Impossible:
                    continue
                onset[case] = at
                states = [self._world.snapshot()]
                for frame in range(at, at if onset_only else self.reference.frames - 1):
                    self._block(case, frame)
                    states.append(self._world.snapshot())
                snapshots += states
                case_of += [case] * len(states)
                break
            else:
                kept[case] = False
        of = np.array(case_of, dtype=np.int64)
        counted = np.arange(len(of)) - np.searchsorted(of, of)  # frames since each case's t0
        if not snapshots:
            pixels = np.zeros((0, *self.reference.pixels.shape[2:]), np.uint8)
        else:
            pixels = render(self._world, snapshots, self.reference.size)
        return Stimuli(of, onset[of] + counted, pixels, self.reference.actions, kept, onset)

    def _moments(self, condition: Condition, case: int) -> list[int]:
        """The case's t0, and for conditions that need an event the others, in random order."""
        at = int(self.onset[case])
        if condition.kind not in EVENT_KINDS:
            return [at]
        others = np.arange(self.onset.min(), self.onset.max() + 1)
        rng = stream(self._seed, "voe", "moments", condition.name, case)
        return [at, *rng.permutation(others[others != at]).tolist()]

    def _intervene(self, condition: Condition, case: int, at: int) -> None:
        """Bring the world into the state of frame ``at`` after the intervention.

        Raises:
            Impossible: no valid place, or nothing would show.
        """
        world = self._world
        recorded = self.reference.snapshots[case]
        bodies = _bodies(condition)
        if condition.kind in ("frozen", "pass_through"):
            world.restore(recorded[at - 1])
            for who in bodies:
                world.freeze(who) if condition.kind == "frozen" else world.pass_through(who)
            self._block(case, at - 1)
            moved = [self._distance(body, case, at) for body in world.bodies]
            if max(moved) < VISIBLE * world.arena:
                raise Impossible
            return
        if condition.kind == "fast_forward":
            self._fast_forward(condition, case, at)
            return
        world.restore(recorded[at])
        rng = self._rng(condition, case)
        for who in bodies:
            if condition.kind in ("color", "background_color"):
                assert condition.rgb is not None
                world.recolor(who, mixed(world.color(who), condition.rgb, condition.dose or 1.0))
            elif condition.kind == "step_teleport":
                places = self._positions(who)[case]
                step = places[at] - places[at - 1]
                length = float(np.linalg.norm(step))
                if length < VISIBLE * world.arena:
                    raise Impossible
                self._teleport(who, rng, length, origin=places[at - 1], away_from=step)
            else:
                distance = None if condition.dose is None else condition.dose * world.arena
                self._teleport(who, rng, distance)

    def _teleport(
        self, who: str, rng: np.random.Generator, distance: float | None, **more: np.ndarray
    ) -> None:
        try:
            self._world.teleport(who, rng, distance, **more)
        except UsageError:
            raise
        except UserError as error:  # no valid place
            raise Impossible from error

    def _fast_forward(self, condition: Condition, case: int, at: int) -> None:
        """Go on as recorded until a body is ``dose`` · arena away from where it was at ``at``."""
        world, (who,) = self._world, _bodies(condition)
        assert condition.dose is not None
        places = self._positions(who)[case]
        distance = condition.dose * world.arena
        if np.linalg.norm(places[at:] - places[at], axis=-1).max() < distance:
            raise Impossible
        world.restore(self.reference.snapshots[case][at])
        for frame in range(at, self.reference.frames):
            for within in range(world.frame_skip):
                self._step(case, frame, within)
                if np.linalg.norm(world.position(who) - places[at]) >= distance:
                    return

    def _positions(self, who: str) -> np.ndarray:
        """Recorded places of a body, (N, T, 2 or 3)."""
        if who not in self._places:
            found = []
            for snapshot in (s for one in self.reference.snapshots for s in one):
                self._world.restore(snapshot)
                found.append(self._world.position(who))
            self._places[who] = np.array(found).reshape(len(self), self.reference.frames, -1)
        return self._places[who]

    def _distance(self, who: str, case: int, frame: int) -> float:
        """How far a body is from where it was recorded."""
        return float(np.linalg.norm(self._world.position(who) - self._positions(who)[case, frame]))

    def _block(self, case: int, frame: int) -> None:
        """Replay one recorded action block, new goals included."""
        for within in range(self._world.frame_skip):
            self._step(case, frame, within)

    def _step(self, case: int, frame: int, within: int) -> None:
        world = self._world
        action = self.reference.actions[case, frame].reshape(world.frame_skip, -1)[within]
        world.step(action.reshape(world.action_space.shape))
        step = frame * world.frame_skip + within
        if step in self.reference.goal_changes[case]:
            world.new_goal(goal_stream(self.reference.origin[case], step))

    def _rng(self, condition: Condition, case: int) -> np.random.Generator:
        return stream(self._seed, "voe", condition.name, case)

    def _check(self, condition: Condition) -> None:
        world = self._world
        named = {
            "body": (("teleport", "step_teleport", "frozen", "fast_forward"), world.bodies),
            "body that can pass through others": (("pass_through",), world.permeable),
            "body or scenery": (("color", "background_color"), (*world.bodies, *world.scenery)),
        }
        for what, (kinds, known) in named.items():
            for who in _bodies(condition) if condition.kind in kinds else ():
                if who not in known:
                    raise unknown_name(what, who, known)


def mixed(
    before: tuple[int, int, int], after: tuple[int, int, int], share: float
) -> tuple[int, int, int]:
    """The colour a share of the way from one to the other, in whole levels of red, green, blue."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(before, after, strict=True))
    return red, green, blue


def _bodies(condition: Condition) -> tuple[str, ...]:
    who = condition.who
    return who if isinstance(who, tuple) else (str(who),)


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


def matched_pairs(suite: Suite, size: int, history: int) -> MatchedPairs:
    """The matched cases of a suite at one image size; ``history``: the longest of the models'.

    Raises:
        UserError: trajectories too short, or the sham check failed.
    """
    voe = suite.voe
    onset = draw_onsets(voe.trajectories, voe.frames, history, suite.seed)
    reference = suite_trajectories(suite, size, "voe")
    return MatchedPairs(reference, onset, voe.conditions, suite.seed)
