"""Worlds by name: those of this package, and those that other packages bring along.

A third party registers a class in its own ``pyproject.toml``:

    [project.entry-points."lewm_probe.worlds"]
    my-maze = "my_package.maze:Maze"

A world that exists in this process alone, such as a recorded data set, is given to
``register_world``.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.worlds.base import World

GROUP = "lewm_probe.worlds"
_BUILT_IN = {
    "push-t": "lewm_probe.worlds.push_t.env:PushT",
    "push-t-gym": "lewm_probe.worlds.push_t.env:GymPushT",
    "two-room": "lewm_probe.worlds.two_room.env:TwoRoom",
}
"""Loaded like entry points, so that a world's simulator is imported only when it is made."""


_registered: dict[str, type[World]] = {}
"""Worlds of this process, by ``register_world``."""


def register_world(name: str, world: type[World]) -> None:
    """Let ``make_world(name)`` make a ``world`` from now on, in this process.

    Raises:
        UsageError: the name belongs to another world, so that results would mix.
    """
    if _registered.get(name) is world:
        return
    if name in _known() or name in _registered:
        raise UsageError(
            f"The name '{name}' belongs to another world already; results under one name must mean "
            "the same world. Give another name."
        )
    _registered[name] = world


def worlds_of_this_process() -> dict[str, type[World]]:
    """Those given to ``register_world``, by name."""
    return dict(_registered)


def world_names() -> tuple[str, ...]:
    """The names that ``make_world`` knows, sorted."""
    return tuple(sorted({*_known(), *_registered}))


def make_world(name: str) -> World:
    """A new world of that name.

    Raises:
        UsageError: no such world.
        UserError: another package registered it, and it cannot be imported or is not a World.
    """
    if name in _registered:
        return _registered[name]()
    known = _known()
    if name not in known:
        raise unknown_name("world", name, known)
    entry = known[name]
    try:
        kind = entry.load()
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"World '{name}' is registered as {entry.value}, which cannot be loaded: {error}. "
            + (
                "Install the missing package with pip: it is among the dependencies of lewm-probe."
                if name in _BUILT_IN
                else "Install what it needs, or remove the package that registers it."
            )
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, World)):
        raise UserError(
            f"World '{name}' is registered as {entry.value}, which is not a subclass of "
            "lewm_probe.worlds.World. Fix the package that registers it."
        )
    return kind()


def _known() -> dict[str, EntryPoint]:
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    # Names of this package win: results under them must mean the same everywhere.
    return known | {name: EntryPoint(name, value, GROUP) for name, value in _BUILT_IN.items()}
