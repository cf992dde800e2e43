"""Who acts in Push-T: a pusher that turns the block about, and a random walk drawn to the block.

The released data come from an expert that is not published. The pusher here serves the same
purpose, data in which the block moves and turns: it walks around the block to a random place of its
outline, pushes straight in, and chooses anew; pushes far off the centre of mass turn the block,
either way.
"""

from __future__ import annotations

from typing import Protocol, cast

import numpy as np

from lewm_probe.worlds.base import World
from lewm_probe.worlds.push_t.shapes import (
    AGENT_RADIUS,
    COG,
    OUTLINE,
    SIZE,
    Pose,
    gap,
    to_world,
)

STAND_OFF = 14.0
"""Units between disc and outline before a push."""
ARRIVED = 12.0
"""Units from the place aimed at where walking ends."""
CIRCLE = 100.0
"""Radius of the way around the block, about its centre of mass: its corners reach 76 units."""
MARGIN = 24.0
"""Units from the arena's edge that the agent's targets keep."""
CENTRE_PULL = 0.012
"""Preference for pushes towards the middle, per unit that the block is off it (softmax)."""
OUTWARDS = 150.0
"""Units off the middle at which the walk heads for the block's outer side alone."""
NEAR = 25.0
"""Units between disc and block within which a step might push it."""
WALK, PUSH = 0.9, 0.45
"""Greatest action while walking and while pushing."""


class Pushable(Protocol):
    """What a policy asks of the world."""

    def position(self, body: str) -> np.ndarray:
        """Where a body is, (2,)."""

    @property
    def pose(self) -> Pose:
        """The block's."""

    def action_towards(self, target: np.ndarray) -> np.ndarray:
        """The action that brings the agent nearest to a target (2,) in one step."""


class Pusher:
    """Walks to a place of the block's outline, pushes, and chooses another.

    Args:
        rng: source of all choices. Noise on actions is drawn once an episode, SD 0 to 0.3.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.noise_sd = rng.uniform(0.0, 0.3)
        self._place: tuple[np.ndarray, np.ndarray] | None = None  # on the outline, and inwards
        self._left = 0
        self._pushing = False

    def __call__(self, world: World) -> np.ndarray:
        """The next action, float32 (2,)."""
        push_t = cast(Pushable, world)
        agent, pose = push_t.position("agent"), push_t.pose
        if self._place is None or self._left <= 0:
            self._choose(pose)
        assert self._place is not None
        point, inwards = self._place
        stand = to_world((point - inwards * (AGENT_RADIUS + STAND_OFF))[None], pose)[0]
        if not self._pushing and np.hypot(*(stand - agent)) < ARRIVED:
            self._pushing, self._left = True, int(self.rng.integers(4, 13))
        if self._pushing:
            deep = to_world((point + inwards * 40.0)[None], pose)[0]
            step = PUSH * _unit(deep - agent)
        else:
            aim = around(agent, stand, to_world(np.array([COG]), pose)[0])
            step = np.clip((aim - agent) / 40.0, -WALK, WALK)
        self._left -= 1
        step = step + self.rng.normal(0.0, self.noise_sd, 2)
        target = agent + 100.0 * np.clip(step, -1.0, 1.0)
        return push_t.action_towards(np.clip(target, MARGIN, SIZE - MARGIN))

    def _choose(self, pose: tuple[np.ndarray, float]) -> None:
        """A place of the outline, rather one whose push leads the block towards the middle."""
        points, inwards = outline_places(self.rng.random(16))
        turned = to_world(inwards, (np.zeros(2), pose[1]))
        homewards = SIZE / 2 - to_world(np.array([COG]), pose)[0]
        reachable = to_world(points - inwards * (AGENT_RADIUS + STAND_OFF), pose)
        inside = ((reachable > MARGIN) & (reachable < SIZE - MARGIN)).all(axis=1)
        appeal = CENTRE_PULL * turned @ homewards - 1e3 * ~inside
        chance = np.exp(appeal - appeal.max())
        chosen = int(self.rng.choice(len(points), p=chance / chance.sum()))
        self._place, self._pushing, self._left = (points[chosen], inwards[chosen]), False, 25


class BiasedWalk:
    """Uniform random actions with a pull towards the block: the paper's policy for violations.

    Its strength is not published. Here actions are uniform up to ``REACH``, plus a pull of
    ``PULL``; the farther the block is off the middle, the more the pull is to its outer side, and a
    block near a wall is not pushed further: nothing stops the agent, which would push it through.
    """

    REACH, PULL = 0.8, 0.3

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def __call__(self, world: World) -> np.ndarray:
        """The next action, float32 (2,)."""
        push_t = cast(Pushable, world)
        agent = push_t.position("agent")
        centre = to_world(np.array([COG]), push_t.pose)[0]
        off = centre - SIZE / 2
        outer = centre + CIRCLE * _unit(off) * min(1.0, np.hypot(*off) / OUTWARDS) ** 2
        step = self.rng.uniform(-self.REACH, self.REACH, 2) + self.PULL * _unit(outer - agent)
        # Beside a block near a wall, a step outwards is taken inwards instead.
        outwards = (np.abs(off) > OUTWARDS) & (step * off > 0) & ((agent - centre) * off < 0)
        step[outwards & (gap(agent, push_t.pose) < NEAR)] *= -1
        target = agent + 100.0 * step
        return push_t.action_towards(np.clip(target, MARGIN, SIZE - MARGIN))


def outline_places(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places at shares 0 … 1 of the T's outline and the directions inwards there, (N, 2) each."""
    sides = np.roll(OUTLINE, -1, axis=0) - OUTLINE
    lengths = np.hypot(*sides.T)
    ends = np.cumsum(lengths)
    along = shares * ends[-1]
    side = np.searchsorted(ends, along, side="right").clip(max=len(sides) - 1)
    share = (along - (ends - lengths)[side]) / lengths[side]
    direction = sides[side] / lengths[side][:, None]
    # The outline runs with the inside on its right as y points down.
    return OUTLINE[side] + sides[side] * share[:, None], direction[:, ::-1] * [-1.0, 1.0]


def around(agent: np.ndarray, aim: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Where to head for next on the way to ``aim`` without crossing the block at ``centre``."""
    from_centre, to_aim = agent - centre, aim - centre
    turn = np.arctan2(to_aim[1], to_aim[0]) - np.arctan2(from_centre[1], from_centre[0])
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    if abs(turn) < np.pi / 5:
        return aim
    ahead = np.arctan2(from_centre[1], from_centre[0]) + np.sign(turn) * np.pi / 5
    return centre + CIRCLE * np.array([np.cos(ahead), np.sin(ahead)])


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.hypot(*vector)
    return vector / length if length > 0 else vector
