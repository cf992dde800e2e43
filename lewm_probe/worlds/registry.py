"""Worlds by name: those of this package, and those that other packages bring along.

A third party registers a class in its own ``pyproject.toml``:

    [project.entry-points."lewm_probe.worlds"]
    my-maze = "my_package.maze:Maze"

A world that exists in this process alone, such as a recorded data set, is given to
``register_world``.
"""

from __future__ import annotations

from lewm_probe.core.registry import Registry
from lewm_probe.worlds.base import World

WORLDS: Registry[type[World]] = Registry(
    "lewm_probe.worlds",
    World,
    {
        "push-t": "lewm_probe.worlds.push_t.env:PushT",
        "push-t-gym": "lewm_probe.worlds.push_t.env:GymPushT",
        "two-room": "lewm_probe.worlds.two_room.env:TwoRoom",
    },
    what="world",
    classes=True,
)
"""Classes by name; a world's simulator is imported only when its class is asked for."""


def register_world(name: str, world: type[World]) -> None:
    """Let ``make_world(name)`` make a ``world`` from now on, in this process.

    Raises:
        UsageError: the name belongs to another world, so that results would mix.
    """
    WORLDS.register(name, world)


def worlds_of_this_process() -> dict[str, type[World]]:
    """Those given to ``register_world``, by name."""
    return WORLDS.registered()


def world_names() -> tuple[str, ...]:
    """The names that ``make_world`` knows, sorted."""
    return WORLDS.names()


def make_world(name: str) -> World:
    """A new world of that name.

    Raises:
        UsageError: no such world.
        UserError: another package registered it, and it cannot be imported or is not a World.
    """
    return WORLDS.get(name)()
