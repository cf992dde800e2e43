"""What a way to break an expectation is: a card, its settings, and one intervention on one pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np

from lewm_probe.core.config import Config
from lewm_probe.core.errors import unknown_name
from lewm_probe.results.cards import Card

if TYPE_CHECKING:
    from lewm_probe.worlds.base import Snapshot, World

VISIBLE = 0.01
"""Share of the arena by which a body must be displaced for an intervention to count as one."""


class Impossible(Exception):
    """An intervention that cannot be made, or would not show, at this moment."""


@dataclass(frozen=True)
class Pair:
    """One reference trajectory, a moment t0 in it, and what replays it.

    Attributes:
        snapshots: the world's state at each frame, T of them.
        images: uint8 (T, H, W, C).
        actions: raw blocks (T, A); block t leads from frame t to frame t + 1.
        other_actions: those of another trajectory, (T, A).
        t0: the first frame that is to differ.
        frame_skip: environment steps of a block.
        step: (frame, within) → takes that recorded environment step of that block.
        positions: name of a body → its recorded places, (T, 2 or 3).
        shows: whether any body of the world now is ``VISIBLE`` of the arena away from where it was
            recorded at t0.
    """

    snapshots: Sequence[Snapshot]
    images: np.ndarray
    actions: np.ndarray
    other_actions: np.ndarray
    t0: int
    frame_skip: int
    step: Callable[[int, int], None]
    positions: Callable[[str], np.ndarray]
    shows: Callable[[], bool]

    def block(self, frame: int) -> None:
        """Replay one recorded action block from the world's present state, new goals included."""
        for within in range(self.frame_skip):
            self.step(frame, within)

    def must_show(self) -> None:
        """Refuse an intervention that left every body where it was recorded at t0.

        Raises:
            Impossible: none is ``VISIBLE`` of the arena away.
        """
        if not self.shows():
            raise Impossible


@dataclass(frozen=True)
class Strength:
    """Which key of a kind makes its images differ more or less, so that it can be set by that.

    Attributes:
        key: ``dose`` or ``amount``.
        weakest: its value where (next to) nothing changes.
        strongest: where most changes; between the two the change grows.
    """

    key: Literal["dose", "amount"]
    weakest: float
    strongest: float


@dataclass(frozen=True)
class Stimulus:
    """What one condition changes in one pair; None: as in the reference.

    Attributes:
        from_state: the world now stands at frame t0, disturbed: it is replayed and rendered.
        images: of frames t0 and later, uint8 (T − t0, H, W, C).
        actions: all blocks, (T, A).
    """

    from_state: bool = False
    images: np.ndarray | None = None
    actions: np.ndarray | None = None


class Condition(Protocol):
    """What a suite says of one condition; ``settings`` is of its kind's schema.

    The other four are keys that several kinds read, None where they were not given.
    """

    @property
    def name(self) -> str:
        """Subject in the results."""

    @property
    def who(self) -> str | tuple[str, ...] | None:
        """Whom it concerns."""

    @property
    def rgb(self) -> tuple[int, int, int] | None:
        """Target colour, 0–255."""

    @property
    def amount(self) -> float | None:
        """How much of it."""

    @property
    def dose(self) -> float | None:
        """A share, of the arena or of the way."""

    @property
    def settings(self) -> Any:
        """The kind's own keys."""


@runtime_checkable
class ConditionKind(Protocol):
    """One way to break an expectation.

    A kind may also have ``dose_unit``, what its doses are shares of (the arena without one), and
    ``strength``, a ``Strength``: suites may then ask for it with ``matched_to`` a violation, whose
    change of the image it gets.

    Attributes:
        card: how readers see it, its verdict's question and rule.
        settings: schema of the suite's keys beside ``name``, ``kind`` and ``expected``; a kind with
            a key ``dose`` can be asked at growing doses.
        alternative: of its tests: ``greater`` where only more surprise is expected.
        needs_event: it shows only where something happens, so that it may take another t0 of the
            trajectory.
    """

    card: Card
    settings: type[Config]
    alternative: Literal["greater", "two-sided"]
    needs_event: bool

    def check(self, condition: Condition, world: World) -> None:
        """Refuse what this world cannot do.

        Raises:
            UsageError: a body or capability that is not there.
        """

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """State, images or actions from t0 on.

        Args:
            condition: what the suite says; ``condition.settings`` is of the kind's schema.
            world: in any state; state is restored from ``pair.snapshots``.
            pair: the trajectory and t0.
            rng: of this condition and trajectory alone.

        Raises:
            Impossible: it cannot be made at t0, or nothing would show.
        """


class NoSettings(Config):
    """Nothing to say."""


class OfBodies(Config):
    """Whom it concerns: a body, or several one after the other."""

    who: str | tuple[str, ...]


def bodies(condition: Condition) -> tuple[str, ...]:
    """Whom a condition concerns, one or several."""
    who = condition.who
    return who if isinstance(who, tuple) else (str(who),)


class FromBlockBefore:
    """A kind that takes hold at the start of block t0 − 1, so that frame t0 is the first affected.

    A subclass adds ``card``, ``check`` and what it does to a body.
    """

    settings = OfBodies
    alternative: Literal["greater", "two-sided"] = "two-sided"
    needs_event = True

    def hold(self, world: World, who: str) -> None:
        """Take hold of one body."""
        raise NotImplementedError

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """Take hold, then take the block that leads to t0.

        Raises:
            Impossible: nothing would show.
        """
        world.restore(pair.snapshots[pair.t0 - 1])
        for who in bodies(condition):
            self.hold(world, who)
        pair.block(pair.t0 - 1)
        pair.must_show()
        return Stimulus(from_state=True)


def check_known(condition: Condition, what: str, known: Iterable[str]) -> None:
    """Refuse a condition about what is not there.

    Raises:
        UsageError: with the nearest that is.
    """
    there = tuple(known)
    for who in bodies(condition):
        if who not in there:
            raise unknown_name(what, who, there)
