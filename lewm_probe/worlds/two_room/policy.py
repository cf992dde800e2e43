"""The scripted policy of the released two-room data: to the door, then to the target, very noisily.

Noise of SD 2.0 on each axis of a unit direction before clipping to [−1, 1], and 5 % repeats of the
action before, as the data set is described. (The policy of stable-worldmodel 0.1.1 takes a chance
of repeats but never remembers an action, so that none happen there.) The noise exceeds the action
range: the agent meanders, and advances some 2 px a step.
"""

from __future__ import annotations

from math import hypot

import numpy as np

from lewm_probe.worlds.base import World
from lewm_probe.worlds.two_room.floor import DOOR_CENTRE, WALL_CENTRE

NOISE_SD = 2.0
REPEAT_PROBABILITY = 0.05
DOOR_REACHED = 10.5
"""Distance in px from the door's centre at which the target becomes the aim, as published."""


class TwoRoomExpert:
    """A Policy that remembers one action, the one it may repeat.

    Args:
        rng: source of noise and repeats; three numbers are drawn for every action.
        noise_sd: SD of the noise in units of the action.
        repeat_probability: chance of returning the action before once more.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        noise_sd: float = NOISE_SD,
        repeat_probability: float = REPEAT_PROBABILITY,
    ) -> None:
        self.rng = rng
        self.noise_sd = noise_sd
        self.repeat_probability = repeat_probability
        self._before: np.ndarray | None = None

    def __call__(self, world: World) -> np.ndarray:
        """The next action, float32 (2,) in [−1, 1]."""
        agent = world.position("agent")
        towards = aim(agent, np.asarray(world.goal, np.float64)) - agent
        length = hypot(*towards)
        direction = towards / length if length > 0 else towards
        noisy = direction + self.rng.normal(0.0, self.noise_sd, 2)
        repeats = self.rng.random() < self.repeat_probability
        if self._before is None or not repeats:
            self._before = np.minimum(np.maximum(noisy, -1.0), 1.0).astype(np.float32)
        return self._before.copy()


def aim(agent: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Where to head for (px): the door's centre while the target is in the other room."""
    door = np.array([WALL_CENTRE, DOOR_CENTRE])
    other_room = (agent[0] > WALL_CENTRE) != (target[0] > WALL_CENTRE)
    return door if other_room and hypot(*(door - agent)) > DOOR_REACHED else target
