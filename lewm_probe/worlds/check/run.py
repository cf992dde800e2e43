"""Whether a world keeps what the ``World`` interface promises: ``check_world``.

For worlds of one's own and of others, before data are collected and models are judged in them.
Every promise that an analysis leans on is tried on one short episode: the same bytes from the same
seed, exact snapshots, looking without changing, interventions that change what they should and
nothing else. What a world does not offer is skipped, and said so.

>>> print(str(check_world("two-room", steps=12)).splitlines()[0])
two-room: 23 of 23 checks passed
"""

from __future__ import annotations

from collections.abc import Callable

from lewm_probe.core.checks import CheckList, Conformance
from lewm_probe.core.errors import UsageError
from lewm_probe.worlds.base import World
from lewm_probe.worlds.check import basics as checks
from lewm_probe.worlds.check import disturbances
from lewm_probe.worlds.check.bench import Bench
from lewm_probe.worlds.registry import make_world

STEPS = 40
"""Environment steps of the episode that is examined; a check plays it a few times."""
LEAST_STEPS = 10

CHECKS = {
    "declaration": (checks.declaration, ()),
    "quantities": (checks.quantities, ("declaration",)),
    "columns": (checks.columns, ("declaration",)),
    "policies": (checks.policies, ("declaration",)),
    "errors": (checks.errors, ("declaration",)),
    "images": (checks.images, ("declaration",)),
    "determinism": (checks.determinism, ("quantities", "images")),
    "snapshot": (checks.snapshot, ("quantities", "images")),
    "goal": (checks.goal, ("snapshot",)),
    "render": (checks.render, ("snapshot",)),
    "render batch": (checks.render_batch, ("render",)),
    "position": (disturbances.position, ("snapshot",)),
    "teleport": (disturbances.teleport, ("position",)),
    "teleport distance": (disturbances.teleport_distance, ("teleport",)),
    "teleport direction": (disturbances.teleport_direction, ("teleport distance",)),
    "teleport shows": (disturbances.teleport_shows, ("teleport",)),
    "recolor": (disturbances.recolor, ("snapshot",)),
    "recolor shows": (disturbances.recolor_shows, ("recolor",)),
    "freeze": (disturbances.freeze, ("position",)),
    "pass through": (disturbances.pass_through, ("snapshot",)),
    "matched frames": (disturbances.matched_frames, ("snapshot",)),
    "disturbed snapshot": (disturbances.disturbed_snapshot, ("matched frames",)),
    "reset": (disturbances.reset, ("determinism", "matched frames")),
}
"""Each check and those that have to pass first: one fault is told once, at its root."""

_CHECK_LIST = CheckList(CHECKS, "world", "the world", "data are collected in it", "check_world")


def check_world(
    world: str | World | Callable[[], World],
    *,
    seed: int = 0,
    steps: int = STEPS,
    report_only: bool = False,
) -> Conformance:
    """Try everything that the ``World`` interface promises.

    Args:
        world: a registered name, a class or another callable that makes a world, or a world
            itself. The last is used up, and cannot be compared with a second one.
        seed: of starts, actions and places.
        steps: environment steps of the episode that is examined.
        report_only: return the report even if something failed.

    Returns:
        The report; ``print`` it for one line a check.

    Raises:
        UsageError: no such world, or too few steps.
        UserError: a check failed, unless ``report_only``; every failure is named.
    """
    if steps < LEAST_STEPS:
        raise UsageError(
            f"An episode of {steps} steps is too short to check a world: at least {LEAST_STEPS} "
            f"are needed. Leave steps out for {STEPS}."
        )
    bench = _bench(world, seed, steps)
    name = str(bench.world.name)
    return _CHECK_LIST.run(name, bench, failed=bench.failed, report_only=report_only)


def _bench(world: str | World | Callable[[], World], seed: int, steps: int) -> Bench:
    if isinstance(world, str):
        name = world
        return Bench(make_world(name), lambda: make_world(name), seed, steps, registered=name)
    if isinstance(world, World):
        return Bench(world, None, seed, steps)
    made = world() if callable(world) else world
    if not isinstance(made, World):
        raise UsageError(
            f"check_world was given {world!r}, which is not a world and makes none: expected a "
            "registered name, a subclass of lewm_probe.worlds.World, or one of its instances."
        )
    return Bench(made, world, seed, steps)
