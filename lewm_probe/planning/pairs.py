"""Start–goal pairs: what is to be reached from where, the same for whoever plans.

A pair is two moments of one recorded episode. Pairs are drawn once and kept in a file whose content
hash every result names, so that later models solve the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import content_hash
from lewm_probe.worlds.base import Snapshot, World


@dataclass(frozen=True)
class Pair:
    """One task.

    Attributes:
        start: full simulator state.
        goal: full simulator state of a later moment of the same episode.
        before: the action block that led to the start, raw (A,).
        actions: what was done from start to goal, raw blocks (K, A).
    """

    start: Snapshot
    goal: Snapshot
    before: np.ndarray
    actions: np.ndarray

    @cached_property
    def id(self) -> str:
        """Hash of both moments and the actions between them: a ``trajectory_id`` of results."""
        moments = [part for one in (self.start, self.goal) for _, part in sorted(one.items())]
        return content_hash("pair", *moments, self.before, self.actions)[:16]


@dataclass(frozen=True)
class Pairs:
    """Pairs of one evaluation seed.

    Attributes:
        world: name of the world.
        seed: evaluation seed.
        policy: who acted in the episodes.
        steps: environment steps from start to goal.
        drawn: moments that were looked at, those left out included.
        solved: success rule → how many of them had it fulfilled at the start, and were left out.
        refused: how many the world refused as a goal, such as a block pushed out of the arena.
        pairs: the others.
    """

    world: str
    seed: int
    policy: str
    steps: int
    drawn: int
    solved: dict[str, int]
    refused: int
    pairs: tuple[Pair, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the pairs."""
        return tuple(pair.id for pair in self.pairs)

    @property
    def hash(self) -> str:
        """Of all that is solved."""
        return content_hash(self.world, self.seed, self.policy, self.steps, *self.ids)[:16]

    def first(self, count: int) -> Pairs:
        """Only so many of them."""
        return replace(self, pairs=self.pairs[:count])


def hash_of(ids: Iterable[str]) -> str:
    """By which a set of pairs is known: of their ids, in whatever order."""
    return content_hash("pairs", *sorted(ids))[:16]


def unit_of(world: World) -> str | None:
    """The unit of ``distances``, if the world says."""
    names = (f"{who}_position" for who in world.bodies)
    return next((world.quantities[n].unit for n in names if n in world.quantities), None)


def begin(world: World, pair: Pair) -> None:
    """Put a world at the start of a pair, with its goal to be reached.

    Raises:
        UserError: a moment that is no state of this world, or none that could be a goal.
    """
    world.aim_at(pair.start)  # looks at a stranger's state before anything trusts it
    world.restore(pair.start)
    world.aim_at(pair.goal)


def solved_at_start(world: World, pair: Pair) -> list[str]:
    """Success rules that hold before anything is done."""
    begin(world, pair)
    return [rule for rule in world.rules if world.reached(rule)]


def distances(world: World, moments: Sequence[Snapshot], pair: Pair) -> np.ndarray:
    """How far moments are from a pair's goal, (N,), in the world's unit of positions.

    The Euclidean distance of all bodies' positions together: in Push-T that of the four-vector
    (agent, block), which the released success rule bounds. Angles are not in it.

    Raises:
        UserError: the world has no body whose position it tells.
    """
    goal = _positions(world, pair.goal)
    return np.array([np.linalg.norm(_positions(world, one) - goal) for one in moments])


def _positions(world: World, moment: Snapshot) -> np.ndarray:
    if not world.bodies:
        raise UserError(
            f"The world {world.name} names no bodies, so that how far it is from a goal cannot be "
            "told. Name them in the world's bodies."
        )
    world.restore(moment)
    return np.concatenate([world.position(who) for who in world.bodies])
