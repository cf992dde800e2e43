"""What the checks of ``check_world`` share: recorded runs and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from lewm_probe.core.checks import Fails, Skips, kind
from lewm_probe.core.errors import UserError
from lewm_probe.core.seeding import stream
from lewm_probe.worlds.base import NotOffered, Policy, Snapshot, World

SMALL = 64
"""Side of the images that are compared, px, where a world draws it: a usual size to train at."""
MOMENTS = 5
"""Moments of the recorded run at which interventions are tried."""
LARGE_SEED = 2**62
"""Added to seeds: analyses draw theirs from 63 bits."""


@dataclass(frozen=True)
class Run:
    """A recorded run: T actions between T + 1 moments.

    Attributes:
        actions: each (action width,).
        seen: at every moment, copies of the physical quantities and the ``image``.
        snapshots: at every moment, as the world gave them.
        copies: the same, copied when they were taken.
    """

    actions: list[np.ndarray] = field(default_factory=list)
    seen: list[dict[str, np.ndarray]] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    copies: list[Snapshot] = field(default_factory=list)


@dataclass
class Bench:
    """A world under examination.

    Attributes:
        world: the one that all checks use and disturb.
        make: makes another; None where only one instance was given.
        seed: of starts, actions and places.
        steps: environment steps of a run.
        registered: the name that the world was asked for by, if it was.
        failed: names of the checks that failed already.
        clean: the run recorded before anything was disturbed.
    """

    world: World
    make: Callable[[], World] | None
    seed: int
    steps: int
    registered: str | None = None
    failed: set[str] = field(default_factory=set)
    clean: Run = field(default_factory=Run)

    @property
    def sizes(self) -> list[int]:
        """Sides at which images are looked at, px: native, 64 and 32 where they are drawn."""
        least, greatest = self.world.picture_sizes
        others = [size for size in (SMALL, SMALL // 2) if least <= size <= greatest]
        return list(dict.fromkeys([self.world.native_size, *others]))

    @property
    def small(self) -> int:
        """64 px, or the native size of a world that does not draw these."""
        return SMALL if SMALL in self.sizes else self.world.native_size

    def rng(self, *purpose: str | int) -> np.random.Generator:
        """A random stream for one purpose."""
        return stream(self.seed, "conformance", *purpose)

    def reset(self, world: World | None = None) -> World:
        """The world at the start of the one episode that everything here is about."""
        world = world or self.world
        world.reset(seed=LARGE_SEED + self.seed)
        return world

    def actor(self) -> Policy:
        """The expert, or uniform random actions where the world's policies are broken."""
        rng = self.rng("actions")
        if "policies" in self.failed:
            return World.expert(self.world, rng)
        return self.world.expert(rng)

    def step(self, act: Policy) -> np.ndarray:
        """Let someone act once; gives the action."""
        action = np.asarray(act(self.world), np.float32)
        self.world.step(action)
        return action

    def record(self, *, snapshots: bool = True) -> Run:
        """The expert's run from the start."""
        world, run = self.reset(), Run()
        act = self.actor()
        for step in range(self.steps + 1):
            run.seen.append(self.look(world))
            if snapshots:
                run.snapshots.append(world.snapshot())
                run.copies.append(copied(run.snapshots[-1]))
            if step < self.steps:
                run.actions.append(self.step(act))
        return run

    def look(self, world: World) -> dict[str, np.ndarray]:
        """Copies of quantities and image now."""
        return copied(world.physical_state()) | {"image": world.render(self.small).copy()}

    def replay(
        self, world: World, actions: Sequence[np.ndarray]
    ) -> Iterator[dict[str, np.ndarray]]:
        """What is seen from here on: now, and after each action."""
        yield self.look(world)
        for action in actions:
            world.step(action)
            yield self.look(world)

    def moments(self, run: Run) -> list[Snapshot]:
        """Snapshots spread over a run, its start left out: things move."""
        return [run.snapshots[int(i)] for i in np.linspace(1, self.steps, MOMENTS)]

    def interventions(self) -> dict[str, Callable[[], object]]:
        """All that this world offers and that passed its own check, by a name for it."""
        world = self.world

        def away(who: str) -> None:
            world.teleport(who, self.rng("elsewhere", who))

        kinds: list[tuple[str, Callable[[str], object], tuple[str, ...]]] = [
            ("teleport", away, world.bodies),
            ("recolor", partial(repaint, world), (*world.bodies, *world.scenery)),
            ("freeze", world.freeze, world.bodies),
            ("pass through", world.pass_through, world.permeable),
        ]
        offered: dict[str, Callable[[], object]] = {}
        for what, intervene, names in kinds:
            for who in names if what not in self.failed else ():
                self.reset()
                try:
                    intervene(who)
                except UserError:  # not offered, or no place from here
                    continue
                offered[f"{what} of '{who}'"] = partial(intervene, who)
        self.reset()
        return offered


def repaint(world: World, who: str) -> tuple[int, int, int]:
    """Paint something as differently as can be; gives the colour."""
    red, green, blue = (0 if level > 127 else 255 for level in world.color(who))
    world.recolor(who, (red, green, blue))
    return red, green, blue


def each(names: Iterable[str], check: Callable[[str], None], what: str) -> str:
    """Check all for which it is offered; gives their names.

    Raises:
        Skips: it is offered for none of them.
    """
    done, missing = [], f"there are no {what}"
    for who in names:
        try:
            check(who)
        except NotOffered as error:
            missing = str(error)
        else:
            done.append(who)
    if not done:
        raise Skips(missing)
    return ", ".join(done)


def check_numbers(what: str, value: object, shape: tuple[int, ...]) -> np.ndarray:
    """Check that something is a finite float64 array of a shape."""
    if not isinstance(value, np.ndarray) or value.dtype != np.float64:
        raise Fails(f"{what} is {kind(value)}; expected a float64 array")
    if value.shape != shape:
        raise Fails(f"{what} has the shape {value.shape}; expected {shape}")
    if not np.isfinite(value).all():
        raise Fails(f"{what} is {value.tolist()}; expected finite numbers")
    return value


def kept_apart(
    call: str, given: Iterable[tuple[Mapping[str, object], Mapping[str, object]]]
) -> None:
    """Check that what was given away earlier is still what it was."""
    for value, copy in given:
        if name := changed(copy, value):
            raise Fails(f"'{name}' that {call} gave earlier changes with the world: give a copy")


def copied(values: Mapping[str, object]) -> dict[str, np.ndarray]:
    """The same arrays, copied."""
    return {name: np.array(value, copy=True) for name, value in values.items()}


def changed(was: Mapping[str, object], now: Mapping[str, object]) -> str | None:
    """The name of something that differs, be it in a bit, the image last; None if nothing."""
    for name in sorted(was.keys() | now.keys(), key=lambda name: (name == "image", name)):
        if name not in was or name not in now or not same(was[name], now[name]):
            return name
    return None


def same(one: object, other: object) -> bool:
    """Whether two arrays agree in type, shape and every bit."""
    one, other = np.asarray(one), np.asarray(other)
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def steps_of(count: int) -> str:
    """``1 step``, ``2 steps``."""
    return f"{count} step" if count == 1 else f"{count} steps"


def shown(values: np.ndarray) -> list[float]:
    """Numbers to be read."""
    return [float(f"{value:.6g}") for value in values]
