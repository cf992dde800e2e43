"""Checks of ``check_world``: what a world says of itself, its images, and its time.

Each takes a ``Bench`` and returns what it saw in a few words; it raises ``Fails`` with what was
wrong, or ``Skips`` with what the world does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import gymnasium as gym
import numpy as np

from lewm_probe.core.checks import Fails, kind, refused
from lewm_probe.core.errors import UsageError
from lewm_probe.worlds.base import NotOffered, Quantity, are_choices
from lewm_probe.worlds.check.bench import (
    Bench,
    changed,
    check_numbers,
    copied,
    kept_apart,
    same,
    steps_of,
)

NOBODY = "no such body"
RESERVED = ("pixels", "action", "ep_idx", "episode_idx", "ep_offset", "ep_len", "step_idx")
"""Columns that a data set file has of its own."""


def declaration(bench: Bench) -> str:
    """What the class says of itself."""
    world = bench.world
    if not isinstance(world.name, str) or not world.name:
        raise Fails(f"name is {world.name!r}; expected the name that the world is registered by")
    if bench.registered is not None and world.name != bench.registered:
        raise Fails(
            f"name is '{world.name}', but the world is registered as '{bench.registered}'; data "
            "and results go by the name, so make them the same"
        )
    for what in ("bodies", "scenery", "permeable", "policies", "cameras"):
        names = getattr(world, what)
        if not isinstance(names, tuple) or not all(isinstance(n, str) and n for n in names):
            raise Fails(f"{what} is {names!r}; expected a tuple of names, e.g. ('agent',)")
    if not set(world.permeable) <= set(world.bodies):
        raise Fails(f"permeable {world.permeable!r} are not all among the bodies {world.bodies!r}")
    if set(world.bodies) & set(world.scenery):
        raise Fails(f"bodies {world.bodies!r} and scenery {world.scenery!r} share a name")
    if "expert" not in world.policies:
        raise Fails(f"policies is {world.policies!r}; expected 'expert' among them")
    least, greatest = world.picture_sizes
    for what, value, low, high in (
        ("native_size", world.native_size, least, greatest),
        ("frame_skip", world.frame_skip, 1, 10_000),
    ):
        if not isinstance(value, int) or not low <= value <= high:
            raise Fails(f"{what} is {value!r}; expected a whole number from {low} to {high}")
    if not (np.isfinite(world.arena) and world.arena > 0):
        raise Fails(f"arena is {world.arena}; expected a positive width in position units")
    space = getattr(world, "action_space", None)
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1 or not space.is_bounded():
        raise Fails(
            f"action_space is {space}; expected a gymnasium Box of one axis with finite bounds"
        )
    if not world.quantities:
        raise Fails("quantities is empty; expected at least one: there is nothing to probe for")
    for name, quantity in world.quantities.items():
        if not isinstance(quantity, Quantity):
            raise Fails(f"quantity '{name}' is {kind(quantity)}; expected a worlds.Quantity")
        if not quantity.unit.strip():
            raise Fails(f"quantity '{name}' has no unit; write '1' for a plain number")
        axes = quantity.axes
        if not isinstance(axes, tuple) or not axes or not all(isinstance(a, str) for a in axes):
            raise Fails(f"quantity '{name}' has the axes {axes!r}; expected a tuple of names")
    bodies = f"bodies {', '.join(world.bodies)}" if world.bodies else "no bodies"
    return f"quantities {', '.join(world.quantities)}; {bodies}"


def quantities(bench: Bench) -> str:
    """``physical_state`` matches the declaration at every moment, and is the caller's."""
    world, given = bench.reset(), []
    act = bench.actor()
    for step in range(bench.steps):
        state = world.physical_state()
        if state.keys() != world.quantities.keys():
            raise Fails(
                f"physical_state() has {', '.join(sorted(state)) or 'nothing'}; declared are "
                f"{', '.join(sorted(world.quantities))}"
            )
        for name, quantity in world.quantities.items():
            check_numbers(f"'{name}' at step {step}", state[name], (len(quantity.axes),))
        given.append((state, copied(state)))
        bench.step(act)
    kept_apart("physical_state()", given)
    return "float64, finite, of the declared shapes"


def columns(bench: Bench) -> str:
    """``columns`` keep their names, shapes and types, and are the caller's."""
    world, given = bench.reset(), []
    form: dict[str, str] = {}
    for episode in range(2):
        act = bench.actor()
        for step in range(bench.steps // 2):
            row = world.columns()
            now = {n: f"{np.asarray(v).dtype} {np.shape(v)}" for n, v in row.items()}
            form = form or now
            for name in sorted(form.keys() | now):
                if form.get(name) != now.get(name):
                    raise Fails(
                        f"'{name}' is {now.get(name, 'missing')} at step {step} of episode "
                        f"{episode}, and was {form.get(name, 'missing')} at first"
                    )
            given.append((row, copied(row)))
            bench.step(act)
        world.reset(seed=bench.seed)
    for name in form:
        if np.asarray(row[name]).dtype.kind not in "biuf":
            raise Fails(f"'{name}' is {form[name]}; a data set holds numbers only")
        if name in RESERVED:
            raise Fails(f"'{name}' is a name that data sets use themselves; choose another")
    kept_apart("columns()", given)
    return ", ".join(form) or "none"


def policies(bench: Bench) -> str:
    """Every policy gives valid actions, and the same ones from the same random stream."""
    world, space = bench.world, bench.world.action_space
    for name in world.policies:
        bench.reset()
        act, twin = (world.policy(name, bench.rng("policy", name)) for _ in range(2))
        for step in range(bench.steps):
            action = act(world)
            what = f"'{name}' at step {step}"
            if not isinstance(action, np.ndarray) or action.dtype != np.float32:
                raise Fails(f"{what} gave {kind(action)}; expected a float32 array")
            if action.shape != space.shape:
                raise Fails(f"{what} gave the shape {action.shape}; expected {space.shape}")
            if not ((action >= space.low) & (action <= space.high)).all():
                raise Fails(f"{what} gave {action.tolist()}, which is outside of {space}")
            if are_choices(space) and (action != np.rint(action)).any():
                raise Fails(f"{what} gave {action.tolist()}; expected whole numbers: choices")
            if not same(action, twin(world)):
                raise Fails(
                    f"{what} gave another action for the same random stream; draw from the rng "
                    "that policy() is given, and from nothing else"
                )
            world.step(action)
    unknown = "no such policy"
    refused(f"policy('{unknown}')", lambda: world.policy(unknown, bench.rng()), UsageError)
    return ", ".join(world.policies)


def errors(bench: Bench) -> str:
    """Unknown names are answered with a UsageError."""
    world, rng = bench.reset(), bench.rng("errors")
    calls: dict[str, Callable[[], object]] = {
        "position": lambda: world.position(NOBODY),
        "teleport": lambda: world.teleport(NOBODY, rng),
        "color": lambda: world.color(NOBODY),
        "recolor": lambda: world.recolor(NOBODY, (0, 0, 255)),
        "freeze": lambda: world.freeze(NOBODY),
        "pass_through": lambda: world.pass_through(NOBODY),
    }
    for name, call in calls.items():
        refused(f"{name}() of '{NOBODY}'", call, UsageError)
    return "unknown names are refused with a UsageError"


def images(bench: Bench) -> str:
    """Images have the size, shape and type asked for; what cannot be drawn is refused."""
    world = bench.reset()
    for camera in (None, *world.cameras):
        for size in bench.sizes:
            image = world.render(size, camera)
            if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
                raise Fails(f"render({size}) gave {kind(image)}; expected a uint8 array")
            if image.shape != (size, size, 3):
                raise Fails(
                    f"render({size}) gave the shape {image.shape}; expected {(size, size, 3)}"
                )
            kept = image.copy()
            if not same(world.render(size, camera), kept):
                raise Fails(f"render({size}) twice at one moment gave two different images")
    shown = world.render()
    if shown.shape != (world.native_size, world.native_size, 3):
        raise Fails(f"render() gave the shape {shown.shape}; native_size is {world.native_size}")
    given = {"image": shown}, copied({"image": shown})
    bench.step(bench.actor())
    world.render()
    kept_apart("render()", [given])
    for wrong in (0, -1):
        refused(f"render({wrong})", partial(world.render, wrong), UsageError)
    camera = "no such camera"
    refused(f"render(camera='{camera}')", lambda: world.render(camera=camera), UsageError)
    return f"uint8, {', '.join(map(str, bench.sizes))} px; other sizes and cameras are refused"


def determinism(bench: Bench) -> str:
    """The same seed and actions give the same states and images, byte for byte."""
    bench.clean = run = bench.record(snapshots=False)
    other = bench.reset(bench.make() if bench.make else bench.world)
    for step, now in enumerate(bench.replay(other, run.actions)):
        if name := changed(run.seen[step], now):
            raise Fails(
                f"the same seed and actions gave another '{name}' at step {step}; reset(seed) has "
                "to decide all chance, and nothing may be left from before"
            )
    how = "two instances" if bench.make else "one instance reset twice (a name compares two)"
    return f"the same bytes for {bench.steps} steps in {how}"


def snapshot(bench: Bench) -> str:
    """From a snapshot, the same actions lead to the same bytes, in any instance, any time."""
    run = bench.record()
    for name, value in run.snapshots[0].items():
        if not isinstance(value, np.ndarray):
            raise Fails(f"snapshot()['{name}'] is {kind(value)}; expected a numpy array")
    kept_apart("snapshot()", zip(run.snapshots, run.copies, strict=True))
    worlds = [(bench.world, "")]
    if bench.make:
        fresh = bench.make()
        fresh.reset(seed=bench.seed + 1)
        worlds.append((fresh, " in another instance"))
    for start in (bench.steps // 2, 0, bench.steps - 3):
        for world, where in worlds:
            world.restore(run.snapshots[start])
            if other := changed(run.copies[start], world.snapshot()):
                raise Fails(f"right after restore(){where}, snapshot() has another '{other}'")
            for later, now in enumerate(bench.replay(world, run.actions[start:])):
                if other := changed(run.seen[start + later], now):
                    raise Fails(
                        f"{steps_of(later)} after restore(){where}, '{other}' is another than "
                        "when the same actions were first taken; snapshot() has to hold all that "
                        "the next steps depend on"
                    )
    kept_apart("snapshot()", zip(run.snapshots, run.copies, strict=True))
    where = ", in another instance too" if bench.make else ""
    return f"the same bytes again from 3 moments{where}"


def goal(bench: Bench) -> str:
    """``success`` is a bool, and goals are part of the snapshot."""
    world = bench.reset()
    act = bench.actor()
    for step in range(bench.steps):
        reached: object = world.success()
        if not isinstance(reached, bool):
            raise Fails(f"success() gave {kind(reached)} at step {step}; expected True or False")
        bench.step(act)
    before, here = world.goal, world.snapshot()
    kept = np.array(before, copy=True)
    world.new_goal(bench.rng("goal"))
    world.restore(here)
    if not same(world.goal, kept):
        raise Fails("restore() does not bring the goal back; put it into snapshot()")
    said = "success() is a bool; " + ("no goal" if before is None else "goals are in snapshots")
    try:
        world.aim_at(here)
    except NotOffered:
        return said
    for rule in world.rules:
        if not isinstance(found := world.reached(rule), bool):
            raise Fails(f"reached('{rule}') gave {kind(found)}; expected True or False")
        if not found:
            raise Fails(
                f"after aim_at() of the state that the world is in, reached('{rule}') is False; "
                "whatever is aimed at has to count as reached when it is there"
            )
    at = {who: world.position(who) for who in world.bodies}
    world.restore(here)
    if who := changed(at, {who: world.position(who) for who in world.bodies}):
        raise Fails(f"aim_at() moves '{who}'; a goal is something to be reached")
    return f"{said}, and states can be goals"


def render(bench: Bench) -> str:
    """Looking changes nothing."""
    run, world, middle = bench.record(), bench.world, bench.steps // 2
    world.restore(run.snapshots[middle])
    for size in bench.sizes:
        world.render(size)
    if name := changed(run.copies[middle], world.snapshot()):
        raise Fails(f"render() changes '{name}' of the snapshot; looking must change nothing")
    world.restore(run.snapshots[0])
    for step, action in enumerate(run.actions):
        world.step(action)
        if name := changed(world.physical_state(), _without_image(run.seen[step + 1])):
            raise Fails(
                f"without render() in between, '{name}' is another after {steps_of(step + 1)}"
            )
    return "leaves the state alone"


def _without_image(seen: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value for name, value in seen.items() if name != "image"}


def render_batch(bench: Bench) -> str:
    """Many images at once are those taken one by one."""
    run, world = bench.record(), bench.world
    here, chosen = copied(world.snapshot()), bench.moments(run)
    for size in bench.sizes:
        batch = world.render_batch(chosen, size)
        if name := changed(here, world.snapshot()):
            raise Fails(f"it changes '{name}' of the world's own snapshot")
        if batch.dtype != np.uint8 or batch.shape != (len(chosen), size, size, 3):
            raise Fails(
                f"it gave {kind(batch)} of the shape {batch.shape}; expected uint8 "
                f"{(len(chosen), size, size, 3)}"
            )
        for number, one in enumerate(chosen):
            world.restore(one)
            if not same(world.render(size), batch[number]):
                raise Fails(f"image {number} at {size} px is another than that of render()")
        world.restore(here)
    return "equals render() and leaves the world alone"
