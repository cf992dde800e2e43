"""The floor plan of two-room, and how a point moves on it without ever passing a wall.

The free space of the agent's centre is three rectangles side by side: the left room, the doorway
and the right room, each narrower than what is drawn by the agent's radius (one SD of its dot).
All numbers are pixels of the 224 px image, y pointing down. They are those of the published
environment (stable-worldmodel 0.1.1, ``swm/TwoRoom-v1``), read there as facts.

The published collision rule looks at the end of a step only: a long step passes the wall, and a
sideways step inside the doorway throws the agent back into its room, up to 17 px. Here motion is
continuous: the agent slides along whatever it touches for as long as it pushes against it, at any
speed. Wherever the published rule is continuous too (rooms, borders, and the wall with its 0.5 px
rebound) both give the same place; of the expert's steps, 3 % differ, nearly all in the doorway.
"""

from __future__ import annotations

import numpy as np

IMAGE = 224
LOW, HIGH = 21.0, 203.0
"""Reach of the agent's centre: the border lines end at 14 px, plus the agent's radius of 7 px."""
RADIUS = 7.0
WALL_CENTRE = 112.0
WALL_LEFT, WALL_RIGHT = 107.0, 117.0
DOOR_CENTRE = 49.0
DOOR_HALF = 14.0
NEAR, FAR = WALL_LEFT - RADIUS, WALL_RIGHT + RADIUS
"""Where the agent's centre touches the wall: x = 100 from the left room, 124 from the right."""
DOOR_TOP, DOOR_BOTTOM = DOOR_CENTRE - DOOR_HALF - 1.75, DOOR_CENTRE + DOOR_HALF + 1.75
"""The doorway for the centre: the drawn door and the published margin of 1.75 px."""
REBOUND = 0.5
"""A push against the wall's face ends this far from contact, as published."""
START_LOW, START_HIGH = 14.0, 209.0
"""Published start and goal places reach up to the border lines; the first step leads inside."""


def is_free(x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
    """Whether the agent's centre may be at (x, y): boolean, broadcast over both."""
    x, y = np.asarray(x), np.asarray(y)
    inside = (x >= LOW) & (x <= HIGH) & (y >= LOW) & (y <= HIGH)
    doorway = (y >= DOOR_TOP) & (y <= DOOR_BOTTOM)
    return inside & ((x <= NEAR) | (x >= FAR) | doorway)


def slide(start: tuple[float, float], displacement: tuple[float, float]) -> tuple[float, float]:
    """Where a point ends that is pushed by ``displacement`` at constant speed during one step.

    It slides along borders, wall faces and door jambs. While it is held by a wall face it goes
    through the door as soon as it comes by it.

    Args:
        start: a free place (px), or one beyond the reach that episodes may start at.
        displacement: px, of any length.

    Returns:
        A free place (px).
    """
    (x, y), (dx, dy) = start, displacement
    if dx < 0:  # the floor is its own mirror image about x = 112
        mirrored, y = slide((IMAGE - x, y), (-dx, dy))
        return IMAGE - mirrored, y

    left = 1.0  # share of the step not yet walked
    if x <= NEAR:
        walked = _reaches_door(x, y, dx, dy)
        if walked is None:
            end = x + dx
            return (
                _clip(end, LOW, NEAR) if end <= NEAR else NEAR - REBOUND,
                _clip(y + dy, LOW, HIGH),
            )
        x, y = NEAR, _clip(y + dy * walked, DOOR_TOP, DOOR_BOTTOM)
        left -= walked
    if x < FAR:
        walked = (FAR - x) / dx if dx > 0 else np.inf
        if walked >= left:
            return min(x + dx * left, FAR), _clip(y + dy * left, DOOR_TOP, DOOR_BOTTOM)
        x, y = FAR, _clip(y + dy * walked, DOOR_TOP, DOOR_BOTTOM)
        left -= walked
    return _clip(x + dx * left, FAR, HIGH), _clip(y + dy * left, LOW, HIGH)


def _reaches_door(x: float, y: float, dx: float, dy: float) -> float | None:
    """The share of the step after which a point in the left room enters the doorway, if it does."""
    if x + dx <= NEAR:
        return None
    touches = (NEAR - x) / dx
    if dy == 0:
        return touches if DOOR_TOP <= y <= DOOR_BOTTOM else None
    first, last = sorted(((DOOR_TOP - y) / dy, (DOOR_BOTTOM - y) / dy))
    enters = max(touches, first)
    return enters if enters <= min(last, 1.0) else None


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
