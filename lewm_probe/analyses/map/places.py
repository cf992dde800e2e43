"""A regular grid of places of one body, all else in the scene as it was.

A world need offer nothing new for it: ``teleport`` over distance 0 from a place puts a body there,
or refuses. How far the grid reaches is asked of the world as well, by teleports to random places.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lewm_probe.analyses.engine.asked.trajectories import render
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.worlds.base import NotOffered, Snapshot, World

DRAWS = 2000
"""Random places whose extent the grid spans: its border misses 1/2000 of the reach on average."""

SLACK = 0.1
"""Of a step: sides that differ by less, as far as draws tell them, have equally many places."""

NEAR_ENOUGH = 1e-3
"""Of the grid's step: worlds keep places in float32."""


class Grid(NamedTuple):
    """Places that the world accepted, in rows from the smallest y.

    Attributes:
        body: whose places.
        places: x and y, float64 (N, 2), in the world's unit.
        pixels: the scene with the body there, uint8 (N, H, W, C).
        refused: places of the grid that the world refused, such as those in a wall.
        unit: of places, if the world says.
    """

    body: str
    places: np.ndarray
    pixels: np.ndarray
    refused: int
    unit: str | None


def bodies_of(world: World, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The bodies to move: those asked for, else all of the world.

    Raises:
        UsageError: no such body, a world without any, or one of recorded episodes.
    """
    if world.replays:
        raise UsageError(
            f"A map moves bodies about, and {world.name} holds recorded episodes without a "
            "simulator. Leave the analysis map out, or ask it in the simulated world with --world."
        )
    if not world.bodies:
        raise UsageError(
            f"A map moves bodies about, and the world {world.name} has none. Leave the analysis "
            "map out, or name them in the world's bodies and give its class a method teleport()."
        )
    for who in asked:
        world.known_body(who)
    return tuple(dict.fromkeys(asked)) or world.bodies


def grid_of(world: World, body: str, side: int, size: int, seed: int) -> Grid:
    """Put ``body`` at each place of a grid of square cells, and photograph what the world accepts.

    Args:
        world: its state afterwards is anybody's guess.
        body: who is moved; in a world of three dimensions across the first two.
        side: places along the longer side of what the body reaches.
        size: side of the images, px.
        seed: of the scene that the body is moved in, and of the places that find its extent.

    Raises:
        UsageError: the world does not offer to teleport the body.
        UserError: it puts the body elsewhere than asked.
    """
    world.reset(seed=torch_seed(seed, "map"))
    scene = world.snapshot()
    rng = stream(seed, "map", body)
    drawn = []
    for _ in range(DRAWS):
        world.restore(scene)
        _teleport(world, body, rng)
        drawn.append(world.position(body)[:2])
    low, high = np.min(drawn, axis=0), np.max(drawn, axis=0)
    reach = high - low
    if not reach.max() > 0:
        raise UserError(
            f"A map needs a body that can be at several places, and {DRAWS} teleports of "
            f"'{body}' in {world.name} led to a single one. Name other bodies in the suite's "
            "map.bodies, or with --body."
        )
    steps = np.floor(reach / (reach.max() / (side - 1)) + SLACK)
    step = float((reach[steps > 0] / steps[steps > 0]).min())
    counts = steps.astype(int) + 1
    first = (low + high - step * (counts - 1)) / 2
    world.restore(scene)
    beyond = world.position(body)[2:]  # a height stays
    accepted: list[Snapshot] = []
    places = []
    for row in range(counts[1]):
        for column in range(counts[0]):
            place = first + step * np.array([column, row])
            world.restore(scene)
            if _put(world, body, np.concatenate([place, beyond]), step, rng):
                accepted.append(world.snapshot())
                places.append(place)
    refused = int(np.prod(counts)) - len(places)
    if not places:
        raise UserError(
            f"The world {world.name} refused all {refused} places of the grid for '{body}'. Give "
            "the map another --seed or a finer --grid."
        )
    quantity = world.quantities.get(f"{body}_position")
    unit = quantity.unit if quantity is not None else None
    return Grid(body, np.array(places), render(world, accepted, size), refused, unit)


def _teleport(world: World, body: str, rng: np.random.Generator) -> None:
    try:
        world.teleport(body, rng)
    except NotOffered as error:
        raise UsageError(
            f"A map puts bodies at given places, and the world {world.name} does not offer to "
            f"teleport '{body}'. Leave the analysis map out, name other bodies in the suite's "
            "map.bodies or with --body, or give the world's class a method teleport()."
        ) from error


def _put(world: World, body: str, place: np.ndarray, step: float, rng: np.random.Generator) -> bool:
    """Whether the world let the body be put at a place."""
    try:
        world.teleport(body, rng, 0.0, origin=place)
    except UsageError:
        raise
    except UserError:
        return False
    there = world.position(body)
    if np.abs(there - place).max() > NEAR_ENOUGH * step:
        raise UserError(
            f"The world {world.name} was asked to put '{body}' at {place.tolist()} (a teleport of "
            f"distance 0 from there), and it is at {there.tolist()}. Let its method teleport() "
            "put a body at the distance asked for from origin, or raise a UserError."
        )
    return True
