"""The shapes of Push-T, and where they fit: a disc, a T of two boxes, four walls.

Sizes are those of gym-pusht 0.1.8, in units of its arena of 512 × 512, y pointing down. The T's own
frame has its origin in the middle of the bar's outer edge; its stem points along +y.
"""

from __future__ import annotations

import numpy as np

from lewm_probe.core.errors import UserError

SIZE = 512.0
AGENT_RADIUS = 15.0
COG = (0.0, 45.0)
"""The T's centre of mass in its own frame."""
BAR, STEM = ((-60.0, 0.0), (60.0, 30.0)), ((-15.0, 30.0), (15.0, 120.0))
"""Opposite corners of its two boxes."""
OUTLINE = np.array(
    [(-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30)], float
)
WALL_LOW, WALL_HIGH = 7.0, 504.0
"""Inner faces of the walls."""
CLEARANCE = 1.0
"""Units left between bodies, and to walls, wherever one is put."""
TOUCH = 0.5
"""A gap below this counts as contact; the solver leaves standing contacts overlapping by 0.1."""
DIRECTIONS = 360
"""Directions tried by a teleport of given distance."""
TRIES = 1000
"""Random places tried before a body is said to fit nowhere."""

Pose = tuple[np.ndarray, float]


def to_world(points: np.ndarray, pose: Pose) -> np.ndarray:
    """Places in the T's frame (N, 2) → in the arena."""
    (position, angle) = pose
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + position


def to_block(points: np.ndarray, pose: Pose) -> np.ndarray:
    """Places in the arena (N, 2) → in the T's frame."""
    (position, angle) = pose
    cos, sin = np.cos(angle), np.sin(angle)
    return (points - position) @ np.array([[cos, -sin], [sin, cos]])


def gap(agent: np.ndarray, pose: Pose) -> np.ndarray:
    """Distance between the disc and the T, negative where they overlap: (N, 2) → (N,)."""
    local = to_block(np.atleast_2d(agent), pose)
    distances = []
    for low, high in (BAR, STEM):
        centre, half = np.add(low, high) / 2, np.subtract(high, low) / 2
        beyond = np.abs(local - centre) - half
        outside = np.linalg.norm(np.maximum(beyond, 0), axis=1)
        distances.append(outside + np.minimum(beyond.max(axis=1), 0))
    return np.minimum(*distances) - AGENT_RADIUS


def agent_fits(agent: np.ndarray, pose: Pose) -> np.ndarray:
    """Whether the disc stands free of walls and T at each place: (N, 2) → (N,)."""
    agent = np.atleast_2d(agent)
    margin = AGENT_RADIUS + CLEARANCE
    inside = ((agent >= WALL_LOW + margin) & (agent <= WALL_HIGH - margin)).all(axis=1)
    return inside & (gap(agent, pose) >= CLEARANCE)


def block_fits(pose: Pose, agent: np.ndarray | None) -> bool:
    """Whether the T stands free of walls and, where given, of the disc."""
    corners = to_world(OUTLINE, pose)
    low, high = WALL_LOW + CLEARANCE, WALL_HIGH - CLEARANCE
    inside = bool((corners >= low).all() and (corners <= high).all())
    return inside and (agent is None or bool(gap(agent, pose)[0] >= CLEARANCE))


def anywhere(who: str, agent: np.ndarray, pose: Pose, rng: np.random.Generator) -> np.ndarray:
    """A place for one body, uniform over those where it touches nothing; the T keeps its angle.

    Raises:
        UserError: none of ``TRIES`` random places is free.
    """
    for _ in range(TRIES):
        place = rng.uniform(0.0, SIZE, 2)
        if _fits(who, place, agent, pose):
            return place
    raise UserError(
        f"No free place for the {who} was found in {TRIES} tries. Put the other body elsewhere."
    )


def at_distance(
    who: str,
    distance: float,
    origin: np.ndarray,
    away_from: np.ndarray | None,
    agent: np.ndarray,
    pose: Pose,
    rng: np.random.Generator,
) -> np.ndarray:
    """A free place at a distance from ``origin``, at least 90° off ``away_from`` where it is given.

    ``DIRECTIONS`` on a randomly turned grid over the allowed arc are tried in random order.

    Raises:
        UserError: no direction leads to a free place, or a number is not finite.
    """
    forwards = np.zeros(2) if away_from is None else np.asarray(away_from, np.float64)
    origin = np.asarray(origin, np.float64)
    if not (distance >= 0 and np.isfinite([distance, *origin, *forwards]).all()):
        raise UserError(
            f"A teleport over {distance} units from {origin.tolist()} away from "
            f"{forwards.tolist()} cannot be: expected finite numbers and a distance of at least 0."
        )
    length = np.hypot(*forwards)
    arc, middle = (np.pi, np.arctan2(*-forwards[::-1])) if length > 0 else (2 * np.pi, 0.0)
    grid = (rng.permutation(DIRECTIONS) + rng.random()) / DIRECTIONS - 0.5
    for direction in middle + arc * grid:
        place = origin + distance * np.array([np.cos(direction), np.sin(direction)])
        if _fits(who, place, agent, pose):
            return place
    raise UserError(
        f"No free place lies {distance:g} units from ({origin[0]:g}, {origin[1]:g}) for the {who}, "
        f"in any of {DIRECTIONS} directions. Choose another distance."
    )


def _fits(who: str, place: np.ndarray, agent: np.ndarray, pose: Pose) -> bool:
    if who == "agent":
        return bool(agent_fits(place, pose)[0])
    return block_fits((place, pose[1]), agent)
