"""Choosing places on the two-room floor: starts, goals, and where a teleport lands.

Every place is float32 (2,), x and y in px, as the world stores it.
"""

from __future__ import annotations

from math import hypot
from typing import Any

import numpy as np

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.worlds.two_room.floor import (
    DOOR_CENTRE,
    FAR,
    HIGH,
    LOW,
    NEAR,
    START_HIGH,
    START_LOW,
    WALL_CENTRE,
    is_free,
)

MIN_PATH = 125.0
"""px from the agent through the door to a new goal, at least: the published 25 steps at 5 px."""
DIRECTIONS = 360
"""Directions tried by a teleport of given distance."""
RIGHT_ANGLE_MARGIN = 1e-3
"""rad kept from a right angle, so that rounding a place to float32 cannot undercut 90°."""


def anywhere(rng: np.random.Generator, doorway: bool) -> np.ndarray:
    """A place uniform over both rooms and, when asked, the doorway."""
    while True:  # about nine of ten draws are free
        place = rng.uniform(LOW, HIGH, 2).astype(np.float32)
        if not NEAR < place[0] < FAR or (doorway and is_free(*place)):
            return place


def goal_for(agent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A place in the other room, ``MIN_PATH`` or more of way through the door from the agent."""
    to_door = hypot(agent[0] - WALL_CENTRE, agent[1] - DOOR_CENTRE)
    while True:  # the far corners of both rooms are 179 px from the door: some are always left
        place = anywhere(rng, doorway=False)
        other_room = (place[0] > WALL_CENTRE) != (agent[0] > WALL_CENTRE)
        path = to_door + hypot(place[0] - WALL_CENTRE, place[1] - DOOR_CENTRE)
        if other_room and path >= MIN_PATH:
            return place


def at_distance(
    distance: float,
    origin: np.ndarray,
    away_from: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """A free place at a distance from ``origin``, at least 90° off ``away_from`` where it is given.

    ``DIRECTIONS`` on a randomly turned grid over the allowed arc are tried in random order, and the
    first free place is taken: every free direction is equally likely.

    Raises:
        UserError: no direction leads to a free place, or a number is not finite.
    """
    x, y = np.asarray(origin, np.float64)
    forwards = np.zeros(2) if away_from is None else np.asarray(away_from, np.float64)
    if not (distance >= 0 and np.isfinite([distance, x, y, *forwards]).all()):
        raise UserError(
            f"A teleport over {distance} px from ({x:g}, {y:g}) away from {forwards.tolist()} "
            "cannot be: expected finite numbers and a distance of 0 or more. Leave the distance "
            "out for a place anywhere."
        )
    turns = (rng.permutation(DIRECTIONS) + rng.random()) / DIRECTIONS
    wrong_way = bool(forwards.any())
    if wrong_way:
        begin = np.arctan2(forwards[1], forwards[0]) + np.pi / 2 + RIGHT_ANGLE_MARGIN
        angles = begin + turns * (np.pi - 2 * RIGHT_ANGLE_MARGIN)
    else:
        angles = turns * 2 * np.pi
    places = np.stack([x + distance * np.cos(angles), y + distance * np.sin(angles)], -1)
    places = places.astype(np.float32)
    free = np.flatnonzero(is_free(places[:, 0], places[:, 1]))
    if len(free) == 0:
        raise UserError(
            f"No free place lies {distance:g} px from ({x:g}, {y:g})"
            f"{' at 90° or more from the motion' if wrong_way else ''}: all {DIRECTIONS} "
            "directions tried end in a wall or beyond the border of two-room. Choose another "
            "distance or another moment."
        )
    return places[free[0]]


def given(key: str, value: Any) -> np.ndarray:
    """The place that a reset option asks for.

    Raises:
        UsageError: not two finite numbers.
        UserError: beyond the border lines, or an agent in the wall.
    """
    place = np.asarray(value)
    if place.shape != (2,) or place.dtype.kind not in "fiu" or not np.isfinite(place).all():
        raise UsageError(
            f"Reset option '{key}' is {value}: expected a place, x and y as finite numbers in px. "
            "Write for example (60, 112)."
        )
    x, y = map(float, place)
    inside = min(x, y) >= START_LOW and max(x, y) <= START_HIGH
    in_wall = key == "agent" and NEAR < x < FAR and not is_free(x, y)
    if not inside or in_wall:
        raise UserError(
            f"The {key} cannot start at ({x:g}, {y:g}): expected a place within the border lines "
            f"({START_LOW:g} to {START_HIGH:g} px) and, for the agent, out of the wall (x up to "
            f"{NEAR:g} or from {FAR:g} px, or in the doorway). Choose another place."
        )
    return place.astype(np.float32)
