"""Checks of ``check_world``: teleports, paint, freezes, and frames matched around them.

As in ``basics``; a world that offers none of these passes by being skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from lewm_probe.core.checks import Fails, Skips, refused
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.worlds.base import NotOffered, World
from lewm_probe.worlds.check.bench import (
    MOMENTS,
    Bench,
    changed,
    check_numbers,
    each,
    repaint,
    same,
    shown,
    steps_of,
)

DOSE = 0.1
"""Share of the arena over which bodies are teleported."""
EXACT = 1e-5
"""Share of the arena by which a teleport may miss its distance: room for float32 places."""
DIRECTIONS = 3
"""Directions tried at each moment."""


def position(bench: Bench) -> str:
    """Bodies say where they are."""
    run, world = bench.record(), bench.world

    def check(who: str) -> None:
        for moment in bench.moments(run):
            world.restore(moment)
            place = np.asarray(world.position(who))
            if place.shape not in ((2,), (3,)):
                raise Fails(f"of '{who}' has the shape {place.shape}; expected (2,) or (3,)")
            check_numbers(f"of '{who}'", place, place.shape)
            named = world.physical_state().get(f"{who}_position", place)
            if not same(place, named):
                raise Fails(
                    f"of '{who}' is {shown(place)}, but the quantity '{who}_position' is "
                    f"{shown(named)}"
                )

    return f"of {each(world.bodies, check, 'bodies')}"


def teleport(bench: Bench) -> str:
    """A teleport moves one body, stops it, and leaves all others as they are."""
    run, world = bench.record(), bench.world

    def check(who: str) -> None:
        done = 0
        for number, moment in enumerate(bench.moments(run)):
            before = _restored(world, moment)
            if not _teleported(world, who, bench.rng("teleport", who, number)):
                continue
            done += 1
            after = _asked(world)
            if same(before[f"{who}_position"], after[f"{who}_position"]):
                raise Fails(f"of '{who}' left it where it was")
            for name, value in after.items():
                if not np.isfinite(value).all():
                    raise Fails(f"of '{who}' makes '{name}' {value.tolist()}")
            speed = after.get(f"{who}_velocity")
            if speed is not None and speed.any():
                raise Fails(f"of '{who}' leaves it a velocity of {shown(speed)}; expected 0")
            for other in world.bodies:
                for name in (f"{other}_position", f"{other}_velocity"):
                    if other != who and name in before and not same(before[name], after[name]):
                        raise Fails(f"of '{who}' changes '{name}' too")
            world.restore(moment)
            world.teleport(who, bench.rng("teleport", who, number))
            if other_now := changed(after, _asked(world)):
                raise Fails(
                    f"of '{who}' with the same rng gave another '{other_now}'; draw from that rng "
                    "alone"
                )
        _some(done, who)

    return f"moves {each(world.bodies, check, 'bodies')} alone, which then is at rest"


def teleport_distance(bench: Bench) -> str:
    """Over a distance, from where the body is or from another origin."""
    run, world = bench.record(), bench.world
    distance = DOSE * world.arena

    def check(who: str) -> None:
        done = 0
        world.restore(run.snapshots[0])
        elsewhere = world.position(who)
        for number, moment in enumerate(bench.moments(run)):
            for origin in (None, elsewhere):
                world.restore(moment)
                start = world.position(who) if origin is None else origin
                rng = bench.rng("distance", who, number)
                if not _teleported(world, who, rng, distance, origin=origin):
                    continue
                done += 1
                went = float(np.linalg.norm(world.position(who) - start))
                if abs(went - distance) > EXACT * world.arena:
                    given = "" if origin is None else " with an origin given"
                    raise Fails(f"of '{who}' over {distance:g}{given} went {went:g}")
        _some(done, who)

    return f"{each(world.bodies, check, 'bodies')} over {distance:g}, from any origin"


def teleport_direction(bench: Bench) -> str:
    """At least 90° off the direction that a teleport has to avoid."""
    run, world = bench.record(), bench.world
    distance = DOSE * world.arena

    def check(who: str) -> None:
        done = 0
        for number, moment in enumerate(bench.moments(run)):
            for turn in range(DIRECTIONS):
                world.restore(moment)
                start, rng = world.position(who), bench.rng("direction", who, number, turn)
                avoid = rng.normal(size=start.shape)
                if not _teleported(world, who, rng, distance, away_from=avoid):
                    continue
                done += 1
                along = float((world.position(who) - start) @ avoid / np.linalg.norm(avoid))
                if along > EXACT * world.arena:
                    raise Fails(
                        f"of '{who}' with away_from went {along:g} along it; expected a direction "
                        "at least 90° off"
                    )
        _some(done, who)

    return f"{each(world.bodies, check, 'bodies')} at least 90° off away_from"


def teleport_shows(bench: Bench) -> str:
    """A teleported body is seen elsewhere."""

    def disturb(who: str, number: int) -> bool:
        return _teleported(bench.world, who, bench.rng("shows", who, number))

    return _shows(bench, bench.world.bodies, "bodies", disturb)


def recolor(bench: Bench) -> str:
    """Paint stays, and changes nothing but the image."""
    run, world, middle = bench.record(), bench.world, bench.steps // 2

    def check(who: str) -> None:
        world.restore(run.snapshots[middle])
        rgb = repaint(world, who)
        if tuple(world.color(who)) != rgb:
            raise Fails(f"of '{who}' to {rgb}: color() then says {world.color(who)}")
        for step, was in enumerate(run.seen[middle:]):
            if step:
                world.step(run.actions[middle + step - 1])
            now = world.physical_state()
            if name := changed({n: v for n, v in was.items() if n != "image"}, now):
                raise Fails(
                    f"of '{who}' changes '{name}' {steps_of(step)} later; expected paint alone"
                )
        if tuple(world.color(who)) != rgb:
            raise Fails(f"of '{who}' does not last: later color() says {world.color(who)}")
        wrong = (256, 0, 0)
        refused(f"of '{who}' to {wrong}", lambda: world.recolor(who, wrong), UsageError)

    painted = each((*world.bodies, *world.scenery), check, "bodies and no scenery")
    return f"paints {painted}, and nothing moves otherwise"


def recolor_shows(bench: Bench) -> str:
    """Paint is seen."""

    def disturb(who: str, number: int) -> bool:
        repaint(bench.world, who)
        return True

    painted = (*bench.world.bodies, *bench.world.scenery)
    return _shows(bench, painted, "bodies and no scenery", disturb)


def freeze(bench: Bench) -> str:
    """A frozen body stays to the last bit."""
    run, world, middle = bench.record(), bench.world, bench.steps // 2

    def check(who: str) -> None:
        world.restore(run.snapshots[middle])
        place = world.position(who).copy()
        world.freeze(who)
        for step, action in enumerate(run.actions[middle:]):
            if not same(place, world.position(who)):
                off = float(np.linalg.norm(world.position(who) - place))
                raise Fails(f"of '{who}' lets it move {off:g} in {steps_of(step)}; expected no bit")
            world.step(action)

    return f"holds {each(world.bodies, check, 'bodies')}"


def pass_through(bench: Bench) -> str:
    """Permeable bodies can be let through, and others cannot."""
    run, world, seen = bench.record(), bench.world, []

    def check(who: str) -> None:
        differs = False
        for start in (0, bench.steps // 2):
            world.restore(run.snapshots[start])
            world.pass_through(who)
            for later, now in enumerate(bench.replay(world, run.actions[start:])):
                for name, value in now.items():
                    if not np.isfinite(value).all():
                        raise Fails(f"of '{who}' makes '{name}' {value.tolist()}")
                differs |= changed(run.seen[start + later], now) is not None
        seen.append(f"{who} ({'seen' if differs else 'nothing was met'})")

    each(world.permeable, check, "permeable bodies")
    for who in set(world.bodies) - set(world.permeable):
        attempt = partial(world.pass_through, who)
        refused(f"of '{who}', which is not permeable,", attempt, UsageError)
    return ", ".join(seen)


def matched_frames(bench: Bench) -> str:
    """Frames before an intervention are those without it, and going back leaves no trace of it."""
    run, world, onset = bench.record(), bench.world, bench.steps // 2
    offered, before = bench.interventions(), "nothing"
    for label, intervene in [*offered.items(), ("nothing", lambda: None)]:
        world.restore(run.snapshots[0])
        for step, now in enumerate(bench.replay(world, run.actions[:onset])):
            if name := changed(run.seen[step], now):
                raise Fails(
                    f"after a run with {before}, going back to the start gives another '{name}' "
                    f"at step {step}; restore() has to undo every disturbance"
                )
        _anyhow(intervene)
        last = list(bench.replay(world, run.actions[onset:]))[-1]
        before = label
    if name := changed(run.seen[-1], last):
        raise Fails(f"a run that was not disturbed again ends with another '{name}'")
    return f"the same bytes before {_named(list(offered))}"


def disturbed_snapshot(bench: Bench) -> str:
    """Snapshots hold what was done to the world."""
    run, world, onset = bench.record(), bench.world, bench.steps // 2
    offered = bench.interventions()
    for label, intervene in offered.items():
        world.restore(run.snapshots[onset])
        _anyhow(intervene)
        disturbed = world.snapshot()
        first = list(bench.replay(world, run.actions[onset:]))
        world.restore(run.snapshots[0])
        world.restore(disturbed)
        for later, now in enumerate(bench.replay(world, run.actions[onset:])):
            if name := changed(first[later], now):
                raise Fails(
                    f"{label} is not in the snapshot taken after it: restored, '{name}' is "
                    f"another {steps_of(later)} later"
                )
    if not offered:
        raise Skips("this world offers no interventions")
    return f"holds {_named(list(offered))}"


def reset(bench: Bench) -> str:
    """A reset undoes every disturbance."""
    run, offered = bench.clean, bench.interventions()
    bench.reset()
    for intervene in offered.values():
        _anyhow(intervene)
    bench.step(bench.actor())
    for step, now in enumerate(bench.replay(bench.reset(), run.actions)):
        if name := changed(run.seen[step], now):
            raise Fails(
                f"does not undo all of {_named(list(offered))}: {steps_of(step)} later '{name}' is "
                "another than in an undisturbed episode from the same seed"
            )
    return f"undoes {_named(list(offered))}"


def _restored(world: World, moment: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    world.restore(moment)
    return _asked(world)


def _asked(world: World) -> dict[str, np.ndarray]:
    """Copies of the quantities, and of every body's position."""
    places = {f"{who}_position": world.position(who) for who in world.bodies}
    return {name: value.copy() for name, value in (world.physical_state() | places).items()}


def _teleported(
    world: World,
    who: str,
    rng: np.random.Generator,
    distance: float | None = None,
    *,
    origin: np.ndarray | None = None,
    away_from: np.ndarray | None = None,
) -> bool:
    """Whether there was a place to teleport to."""
    try:
        world.teleport(who, rng, distance, origin=origin, away_from=away_from)
    except NotOffered:
        raise
    except UsageError as error:
        raise Fails(f"of '{who}', one of the bodies, was refused: {error}") from error
    except UserError:
        return False
    return True


def _some(done: int, who: str) -> None:
    if not done:
        raise Fails(f"of '{who}' found no valid place at any of {MOMENTS} moments")


def _anyhow(intervene: Callable[[], object]) -> None:
    """Intervene, or find that there is no place for it at this moment."""
    try:
        intervene()
    except UserError:
        return


def _named(labels: list[str]) -> str:
    kinds: dict[str, list[str]] = {}
    for label in labels:
        what, who = label.split(" of ", 1)
        kinds.setdefault(what, []).append(who.strip("'"))
    return "; ".join(f"{what} of {', '.join(who)}" for what, who in kinds.items()) or "nothing"


def _shows(
    bench: Bench, names: Sequence[str], what: str, disturb: Callable[[str, int], bool]
) -> str:
    """Check that a disturbance changes the image, at some moment, in each size."""
    run, world = bench.record(), bench.world
    sizes = tuple(dict.fromkeys([world.native_size, bench.small]))

    def check(who: str) -> None:
        for size in sizes:
            for number, moment in enumerate(bench.moments(run)):
                world.restore(moment)
                before = world.render(size).copy()
                if disturb(who, number) and not same(before, world.render(size)):
                    break
            else:
                raise Fails(f"of '{who}' changes nothing in the image at {size} px")

    shown_in = " and ".join(f"{size} px" for size in sizes)
    return f"{each(names, check, what)} at {shown_in}"
