"""A ball in a box, which falls, bounces and can be pushed."""

import numpy as np
from gymnasium.spaces import Box

from lewm_probe.worlds import Quantity, World

RADIUS, GRAVITY, PUSH, BOUNCE = 0.08, -0.002, 0.001, 0.8
"""Shares of the box, per step and step²; BOUNCE is the share of speed that a wall gives back."""


class FallingBall(World):
    name, bodies, arena = "falling-ball", ("ball",), 1.0 - 2 * RADIUS
    action_space = Box(-1.0, 1.0, (2,), np.float32)
    quantities = {
        "ball_position": Quantity("box", ("x", "y")),
        "ball_velocity": Quantity("box/step", ("x", "y"), kind="velocity"),
    }

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed, options=options)
        self._place = self.np_random.uniform(RADIUS, 1 - RADIUS, 2)
        self._speed = self.np_random.uniform(-0.02, 0.02, 2)
        self._gravity, self._goal = GRAVITY, np.full(2, 0.5)
        return self._place.copy(), {}

    def step(self, action):
        self._speed = self._speed + np.asarray(action, np.float64) * PUSH + (0.0, self._gravity)
        place = self._place + self._speed
        inside = np.clip(place, RADIUS, 1 - RADIUS)
        self._speed = np.where(place == inside, self._speed, -BOUNCE * self._speed)
        self._place = inside
        return self._place.copy(), 0.0, False, False, {}

    def flip_gravity(self, strength):
        self._gravity = -strength * self._gravity

    def aim_at(self, snapshot):
        self._goal = snapshot["ball_position"].copy()

    def success(self):
        return bool(np.hypot(*(self._place - self._goal)) < RADIUS)

    def physical_state(self):
        return {"ball_position": self._place.copy(), "ball_velocity": self._speed.copy()}

    def snapshot(self):
        return self.physical_state() | {"gravity": np.array(self._gravity), "goal": self._goal}

    def restore(self, snapshot):
        self._place, self._speed = (snapshot[f"ball_{n}"].copy() for n in ("position", "velocity"))
        self._gravity, self._goal = float(snapshot["gravity"]), snapshot["goal"]

    def render(self, size=None, camera=None):
        side = self.picture_size(size, camera)
        middle = (np.arange(side) + 0.5) / side
        away = np.hypot(middle - self._place[0], (1 - middle)[:, None] - self._place[1])
        covered = np.clip((RADIUS - away) * side + 0.5, 0, 1)[..., None]  # (H, W, 1), soft edge
        return np.rint(255 + covered * ((220, 20, 60) - np.array(255))).astype(np.uint8)
