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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import (
    Trajectories,
    goal_stream,
    render,
    suite_trajectories,
)
from lewm_probe.analyses.voe.conditions.action_swap import swapped
from lewm_probe.analyses.voe.conditions.kind import VISIBLE, Impossible, Pair, Stimulus
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.core.errors import UserError, unknown_name
from lewm_probe.core.seeding import stream
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import Snapshot, World


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


class MatchedPairs:
    """A reference set of trajectories, an onset for each, and every condition on demand.

    Args:
        reference: unperturbed trajectories.
        onset: t0 of each, int (N,).
        conditions: what can be asked for.
        seed: of interventions.
        purpose: where their random streams start: other sets draw other ones.
        sham: run ``check_sham``, which one set of trajectories of a world has to pass.

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
        *,
        purpose: str = "voe",
        sham: bool = True,
    ) -> None:
        self.reference = reference
        self.onset = np.asarray(onset, dtype=np.int64)
        self.conditions = {c.name: c for c in conditions}
        self._seed, self._purpose, self._sham = seed, purpose, sham
        self._world: World = make_world(reference.world)
        self._world.reset(seed=0)
        self._places: dict[str, np.ndarray] = {}
        for condition in conditions:
            condition.how.check(condition, self._world)
        if sham:
            self.check_sham()

    def __len__(self) -> int:
        return len(self.reference)

    @cached_property
    def action_sources(self) -> np.ndarray:
        """Whose actions each case gets under ``action_swap``: a derangement, int (N,)."""
        n = len(self)
        order = stream(self._seed, self._purpose, "donors").permutation(n)
        action_sources = np.empty(n, dtype=np.int64)
        # Each one's neighbour in a random circle: never itself.
        action_sources[order] = np.roll(order, 1)
        return action_sources

    def dosed(self, condition: Condition, first: int | None = None) -> Stimuli:
        """Frame t0 alone of a condition that need not be among ``conditions``.

        ``first``: only so many of the cases are made, the others are as if they could not be.

        Raises:
            UsageError: a body or scenery that the world does not have.
        """
        condition.how.check(condition, self._world)
        return self._made(condition, onset_only=True, first=first)

    def moments(self, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
        """Which cases a condition can be made in, bool (N,), and at which t0, (N,): no images."""
        kept, onset = np.zeros(len(self), bool), self.onset.copy()
        for case, pair, _ in self._interventions(condition, True, None):
            kept[case], onset[case] = True, pair.t0
        return kept, onset

    def changed(self, name: str) -> Stimuli:
        """The frames and actions that a condition changes.

        Raises:
            UsageError: no such condition.
        """
        if name not in self.conditions:
            raise unknown_name("condition", name, self.conditions)
        return self._made(self.conditions[name])

    def swapped_actions(self) -> np.ndarray:
        """Raw blocks (N, T, A): another trajectory's from block t0 − 1 on."""
        actions, others = self.reference.actions, self.reference.actions[self.action_sources]
        pairs = zip(actions, others, self.onset, strict=True)
        return np.stack([swapped(own, other, int(t0)) for own, other, t0 in pairs])

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
        return MatchedPairs(
            reference,
            self.onset,
            list(self.conditions.values()),
            self._seed,
            purpose=self._purpose,
            sham=self._sham,
        )

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

    # ---- making a condition

    def _interventions(
        self, condition: Condition, onset_only: bool, first: int | None
    ) -> Iterator[tuple[int, Pair, Stimulus]]:
        """Each case that a condition can be made in, the world standing as it was left."""
        for case in range(len(self) if first is None else min(first, len(self))):
            for at in self._moments(condition, case):
                pair = self._pair(case, at, onset_only)
                rng = stream(self._seed, self._purpose, condition.name, case)
                try:
                    stimulus = condition.how.apply(condition, self._world, pair, rng)
                except Impossible:
                    continue
                yield case, pair, stimulus
                break

    def _made(
        self, condition: Condition, *, onset_only: bool = False, first: int | None = None
    ) -> Stimuli:
        kept, onset = np.zeros(len(self), bool), self.onset.copy()
        actions = self.reference.actions
        snapshots: list[Snapshot] = []
        parts: list[tuple[int, int, np.ndarray | None]] = []  # case, frames, images if not rendered
        for case, pair, stimulus in self._interventions(condition, onset_only, first):
            kept[case], onset[case] = True, pair.t0
            if stimulus.actions is not None:
                if actions is self.reference.actions:
                    actions = actions.copy()
                actions[case] = stimulus.actions
            if stimulus.from_state:
                states = self._states(pair, onset_only)
                snapshots += states
                parts.append((case, len(states), None))
            elif stimulus.images is not None:
                images = stimulus.images[:1] if onset_only else stimulus.images
                parts.append((case, len(images), images))
        case_of = np.repeat([case for case, *_ in parts], [count for _, count, _ in parts])
        of = case_of.astype(np.int64)
        counted = np.arange(len(of)) - np.searchsorted(of, of)  # frames since each case's t0
        pixels = self._pixels(snapshots, parts)
        return Stimuli(of, onset[of] + counted, pixels, actions, kept, onset)

    def _states(self, pair: Pair, onset_only: bool) -> list[Snapshot]:
        """From the world's present state at t0 on, as the recorded actions continue it."""
        states = [self._world.snapshot()]
        for frame in range(pair.t0, pair.t0 if onset_only else self.reference.frames - 1):
            pair.block(frame)
            states.append(self._world.snapshot())
        return states

    def _pixels(
        self, snapshots: list[Snapshot], parts: list[tuple[int, int, np.ndarray | None]]
    ) -> np.ndarray:
        """All changed images in order, (M, H, W, C); states are rendered together."""
        shape = self.reference.pixels.shape[2:]
        if not parts:
            return np.zeros((0, *shape), np.uint8)
        drawn = render(self._world, snapshots, self.reference.size) if snapshots else None
        if drawn is not None and len(drawn) == sum(count for _, count, _ in parts):
            return drawn
        pixels = np.empty((sum(count for _, count, _ in parts), *shape), np.uint8)
        place = used = 0
        for _, count, images in parts:
            if images is None:
                assert drawn is not None
                images, used = drawn[used : used + count], used + count
            pixels[place : place + count] = images
            place += count
        return pixels

    def _moments(self, condition: Condition, case: int) -> list[int]:
        """The case's t0, and for conditions that need an event the others, in random order."""
        at = int(self.onset[case])
        if not condition.how.needs_event:
            return [at]
        others = np.arange(self.onset.min(), self.onset.max() + 1)
        rng = stream(self._seed, self._purpose, "moments", condition.name, case)
        return [at, *rng.permutation(others[others != at]).tolist()]

    def _pair(self, case: int, at: int, onset_only: bool) -> Pair:
        """A case with an intervention at a moment of it."""
        world, reference = self._world, self.reference

        def shows() -> bool:
            recorded = {who: self._positions(who)[case, at] for who in world.bodies}
            away = [np.linalg.norm(world.position(who) - place) for who, place in recorded.items()]
            return bool(max(away) >= VISIBLE * world.arena)

        return Pair(
            snapshots=reference.snapshots[case],
            images=reference.pixels[case, : at + 1 if onset_only else None],
            actions=reference.actions[case],
            other_actions=reference.actions[self.action_sources[case]],
            t0=at,
            frame_skip=world.frame_skip,
            step=partial(self._step, case),
            positions=lambda who: self._positions(who)[case],
            shows=shows,
        )

    def _positions(self, who: str) -> np.ndarray:
        """Recorded places of a body, (N, T, 2 or 3).

        Looked up in a world of its own: an intervention may be under way in the other one.
        """
        if who not in self._places:
            found = []
            for snapshot in (s for one in self.reference.snapshots for s in one):
                self._lookup.restore(snapshot)
                found.append(self._lookup.position(who))
            self._places[who] = np.array(found).reshape(len(self), self.reference.frames, -1)
        return self._places[who]

    @cached_property
    def _lookup(self) -> World:
        world = make_world(self.reference.world)
        world.reset(seed=0)
        return world

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


def draw_onsets(
    count: int, frames: int, history: int, seed: int, purpose: str = "voe"
) -> np.ndarray:
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
    return stream(seed, purpose, "onset").integers(history, last, size=count, endpoint=True)


def matched_pairs(suite: Suite, size: int, history: int) -> MatchedPairs:
    """The matched cases of a suite at one image size; ``history``: the longest of the models'.

    Raises:
        UserError: trajectories too short, or the sham check failed.
    """
    voe = suite.voe
    onset = draw_onsets(voe.trajectories, voe.frames, history, suite.seed)
    reference = suite_trajectories(suite, size, "voe")
    return MatchedPairs(reference, onset, voe.conditions, suite.seed)


def disjoint_pairs(suite: Suite, size: int, history: int) -> MatchedPairs:
    """The disjoint trajectories as matched cases, with moments and interventions of their own.

    Thresholds, normalisation, the directions of baselines and strengths come from them.
    """
    voe, purpose = suite.voe, "disjoint pairs"
    onset = draw_onsets(voe.disjoint, voe.frames, history, suite.seed, purpose)
    reference = suite_trajectories(suite, size, "disjoint")
    return MatchedPairs(reference, onset, voe.conditions, suite.seed, purpose=purpose, sham=False)
