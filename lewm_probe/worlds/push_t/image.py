"""Images of Push-T, drawn by gym-pusht's own code.

The 512 px screen holds what the library draws. From 224 px up it is scaled bilinearly, as
published; smaller images are area averages of the screen, where plain bilinear scaling would
leave gaps.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pygame
from pymunk.space_debug_draw_options import SpaceDebugColor

from lewm_probe.worlds.push_t.libraries import DrawOptions, PushTEnv, cv2
from lewm_probe.worlds.push_t.physics import Scene, walls
from lewm_probe.worlds.push_t.shapes import AGENT_RADIUS, Pose, to_world

SCREEN, NATIVE = 512, 224
PAINT = {
    "agent": "RoyalBlue",
    "block": "LightSlateGray",
    "background": "White",
    "goal": "LightGreen",
    "walls": "LightGray",
}
"""What can be painted, and the library's colours by pygame's names."""


def default_colors() -> np.ndarray:
    """Red, green, blue of all that can be painted, in the order of ``PAINT``: uint8 (5, 3)."""
    return np.array([tuple(pygame.Color(name))[:3] for name in PAINT.values()], np.uint8)


class Drawing:
    """Draws scenes on one screen, body by body in a fixed order.

    The library's own order follows memory addresses, which would show where a body passes through
    another.
    """

    def __init__(self) -> None:
        env = PushTEnv()
        env._setup()
        self._boxes = [np.array(shape.get_vertices()) for shape in env._block_shapes]
        self._walls = walls(env)
        self._screen = pygame.Surface((SCREEN, SCREEN), depth=32)
        self._brush = DrawOptions(self._screen)

    def draw(self, scene: Scene, colors: np.ndarray, goal: Pose | None, size: int) -> np.ndarray:
        """The image of a scene, uint8 (size, size, 3).

        Args:
            scene: where everything is.
            colors: as ``default_colors`` gives them, (5, 3).
            goal: pose of the T that is drawn as the goal, or None for none.
            size: height and width, 1 to 512.
        """
        agent, block, background, target, wall = (
            SpaceDebugColor(red, green, blue, 255) for red, green, blue in colors.tolist()
        )
        brush = self._brush
        self._screen.fill(background.as_int())
        if goal is not None:
            for box in self._boxes:
                corners = [(round(x), round(y)) for x, y in to_world(box, goal).tolist()]
                pygame.draw.polygon(self._screen, target.as_int(), [*corners, corners[0]])
        for box in self._boxes:
            brush.draw_polygon(to_world(box, scene.pose).tolist(), 0.0, block, block)
        x, y = scene.agent_position.tolist()
        brush.draw_circle((x, y), 0.0, AGENT_RADIUS, agent, agent)
        for shape in self._walls:
            brush.draw_fat_segment(shape.a, shape.b, shape.radius, wall, wall)
        for start, end in scene.marks.tolist():
            brush.draw_segment(start, end, brush.collision_point_color)
        return self._scaled(size)

    def _scaled(self, size: int) -> np.ndarray:
        sweep = np.frombuffer(cast("memoryview", self._screen.get_buffer()), np.uint8)
        sweep = sweep.reshape(SCREEN, SCREEN, 4)  # blue, green, red, nothing
        if size == SCREEN:
            return np.ascontiguousarray(sweep[..., 2::-1])
        how = cv2.INTER_AREA if size < NATIVE else cv2.INTER_LINEAR
        return np.ascontiguousarray(cv2.resize(sweep, (size, size), interpolation=how)[..., 2::-1])
