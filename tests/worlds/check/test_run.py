"""A world that keeps every promise, and one mutant for each that it could break."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.worlds import NotOffered, Quantity, World, check_world
from lewm_probe.worlds.base import checked_color
from lewm_probe.worlds.check.run import CHECKS
from lewm_probe.worlds.two_room.env import TwoRoom
from tests.fixtures.conformance import Mutants, altered

STEPS = 16


class Balls(World):
    """A red square that is pushed and a blue one that drifts, in a box of 1 m, bouncing off."""

    name = "balls"
    bodies: tuple[str, ...] = ("red", "blue")
    scenery = ("background",)
    permeable = ("red",)
    native_size = 96
    quantities = {
        f"{who}_{what}": Quantity(unit, ("x", "y"), kind=what)
        for who in ("red", "blue")
        for what, unit in (("position", "m"), ("velocity", "m/s"))
    }

    def __init__(self) -> None:
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.places, self.speeds = np.full((2, 2), 0.5), np.zeros((2, 2))
        self.target = np.zeros(2)
        self.undisturb()

    def undisturb(self) -> None:
        self.frozen, self.ghost = np.zeros(2, bool), np.zeros(1, bool)
        self.paint = np.array([(200, 0, 0), (0, 0, 200), (250, 250, 250)], np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.undisturb()
        self.places = self.np_random.uniform(0.3, 0.7, (2, 2))
        self.speeds = self.np_random.uniform(-0.04, 0.04, (2, 2))
        self.target = self.np_random.uniform(0, 1, 2)
        return self.places[0].copy(), {}

    def step(self, action):
        self.speeds[0] = 0.9 * self.speeds[0] + 0.03 * np.asarray(action)
        self.speeds[self.frozen] = 0
        places = self.places + self.speeds
        walled = np.array([not self.ghost[0], True])
        beyond = ((places < 0.1) | (places > 0.9)) & walled[:, None]
        self.speeds = np.where(beyond, -self.speeds, self.speeds)
        self.places = np.where(beyond, self.places, places)
        return self.places[0].copy(), 0.0, False, False, {}

    def physical_state(self):
        found = {}
        for index, who in enumerate(("red", "blue")):
            found[f"{who}_position"] = self.places[index].copy()
            found[f"{who}_velocity"] = self.speeds[index].copy()
        return found

    def columns(self):
        return {"state": np.r_[self.places.ravel(), self.speeds.ravel()]}

    SAVED = ("places", "speeds", "frozen", "ghost", "paint", "target")

    def snapshot(self):
        return {name: getattr(self, name).copy() for name in self.SAVED}

    def restore(self, snapshot):
        for name in self.SAVED:
            setattr(self, name, snapshot[name].copy())

    def render(self, size=None, camera=None):
        side = self.picture_size(size, camera)
        image = np.empty((side, side, 3), np.uint8)
        image[:] = self.paint[2]
        for place, rgb in zip(self.drawn()[::-1], self.paint[1::-1], strict=True):
            low, high = np.rint((place - 0.08) * side), np.rint((place + 0.08) * side)
            (x, y), (right, below) = low.astype(int).clip(0), high.astype(int).clip(0)
            image[y:below, x:right] = rgb
        return image

    def drawn(self):
        return self.places

    def index(self, who, *more):
        self.known_body(who, more)
        return ("red", "blue", *more).index(who)

    def teleport(self, who, rng, distance=None, *, origin=None, away_from=None):
        body = self.index(who)
        start = self.places[body] if origin is None else origin
        for _ in range(500):
            place = rng.uniform(0.1, 0.9, 2)
            if distance is not None:
                angle = rng.uniform(0, 2 * np.pi)
                place = start + distance * np.array([np.cos(angle), np.sin(angle)])
            ahead = away_from is not None and (place - start) @ away_from > 0
            if not ahead and place.min() >= 0.1 and place.max() <= 0.9:
                break
        else:
            raise UserError("No place.")
        self.places[body], self.speeds[body] = place, 0

    def color(self, who):
        return tuple(self.paint[self.index(who, "background")].tolist())

    def recolor(self, who, rgb):
        self.paint[self.index(who, "background")] = checked_color(rgb)

    def freeze(self, who):
        self.frozen[self.index(who)] = True

    def pass_through(self, who):
        if who not in self.permeable:
            raise unknown_name("body that can pass through others", who, self.permeable)
        self.ghost[0] = True

    @property
    def goal(self):
        return self.target.copy()

    def new_goal(self, rng):
        self.target = rng.uniform(0, 1, 2)

    def success(self):
        return bool(np.hypot(*(self.places[0] - self.target)) < 0.1)


# Mutants: the check that finds each, and what it says ---------------------------------------------

CHANCE = np.random.default_rng(0)

MUTANTS = Mutants(
    {
        "declaration: quantity 'red_position' has no unit; write '1' for a plain number": altered(
            Balls, quantities=Balls.quantities | {"red_position": Quantity(" ", ("x", "y"))}
        ),
        "declaration: bodies is 'red'; expected a tuple of names, e.g. ('agent',)": altered(
            Balls, bodies="red"
        ),
        "declaration: action_space is Discrete(3); expected a gymnasium Box of one "
        "axis with finite bounds": altered(Balls, action_space=gym.spaces.Discrete(3)),
        "quantities: 'red_position' at step 0 is a float32 array; expected a float64 "
        "array": altered(
            Balls, physical_state=lambda s: {n: v.astype(np.float32) for n, v in s.items()}
        ),
        "quantities: 'red_velocity' at step 0 has the shape (4,); expected (2,)": altered(
            Balls, physical_state=lambda s: s | {"red_velocity": np.zeros(4)}
        ),
        "columns: 'pixels' is a name that data sets use themselves; choose another": altered(
            Balls, columns=lambda _: {"pixels": np.zeros(3)}
        ),
        "policies: 'expert' at step 0 gave [2.0, 2.0], which is outside of Box(-1.0, "
        "1.0, (2,), float32)": altered(
            Balls, expert=lambda *_: lambda world: np.full(2, 2.0, np.float32)
        ),
        "policies: 'expert' at step 0 gave [0.5, 0.5]; expected whole numbers: choices": altered(
            Balls,
            action_space=gym.spaces.Box(-1, 1, (2,), np.int64),
            expert=lambda *_: lambda world: np.full(2, 0.5, np.float32),
        ),
        "policies: 'expert' at step 0 gave a float64 array; expected a float32 array": altered(
            Balls, expert=lambda _, rng: lambda world: rng.uniform(-1, 1, 2)
        ),
        "policies: 'expert' at step 0 gave another action for the same random "
        "stream; draw from the rng that policy() is given, and from nothing else": altered(
            Balls, expert=lambda *_: lambda world: CHANCE.uniform(-1, 1, 2).astype(np.float32)
        ),
        "images: render(96) gave the shape (96, 96, 4); expected (96, 96, 3)": altered(
            Balls, render=lambda image, *_: np.concatenate([image, image[..., :1]], -1)
        ),
        "goal: restore() does not bring the goal back; put it into snapshot()": altered(
            Balls, SAVED=tuple(name for name in Balls.SAVED if name != "target")
        ),
        "render batch: image 0 at 96 px is another than that of render()": altered(
            Balls, render_batch=lambda images, *_: images[::-1]
        ),
        "position: of 'blue' is [0.0, 0.0], but the quantity 'blue_position' is "
        "[0.51674, 0.311142]": altered(
            Balls, position=lambda place, who: place * 0 if who == "blue" else place
        ),
        "teleport shows: of 'blue' changes nothing in the image at 96 px": altered(
            Balls, drawn=lambda places: np.stack([places[0], np.full(2, 0.5)])
        ),
        "matched frames: after a run with recolor of 'red', going back to the start "
        "gives another 'image' at step 0; restore() has to undo every disturbance": altered(
            Balls, SAVED=tuple(name for name in Balls.SAVED if name != "paint")
        ),
        "disturbed snapshot: freeze of 'red' is not in the snapshot taken after it: "
        "restored, 'red_position' is another 1 step later": altered(
            Balls, snapshot=lambda kept: kept | {"frozen": np.zeros(2, bool)}
        ),
        "render batch: the world raised ZeroDivisionError: division by zero": altered(
            Balls, render_batch=lambda *_: 1 / 0
        ),
    }
)

finds = MUTANTS.finds


@finds(
    "quantities",
    "'red_velocity' that physical_state() gave earlier changes with the world: give a copy",
)
class View(Balls):
    def physical_state(self):
        return super().physical_state() | {"red_velocity": self.mutable()}

    def mutable(self):
        if not hasattr(self, "buffer"):
            self.buffer = np.zeros(2)
        self.buffer[:] = self.speeds[0]
        return self.buffer


@finds(
    "columns",
    "'state' is float64 (4,) at step 3 of episode 0, and was float64 (8,) at first",
)
class Growing(Balls):
    count = 0

    def columns(self):
        self.count += 1
        row = super().columns()["state"]
        return {"state": row if self.count <= 3 else row[:4]}


@finds(
    "errors",
    "teleport() of 'no such body' raised KeyError: 'no such body'; expected a UsageError",
)
class KeyErrors(Balls):
    def teleport(self, who, rng, distance=None, **where):
        {"red": 0, "blue": 1}[who]
        super().teleport(who, rng, distance, **where)


@finds("errors", "freeze() of 'no such body' was taken; expected a UsageError")
class Indulgent(Balls):
    def freeze(self, who):
        if who in self.bodies:
            super().freeze(who)


@finds("images", "render(0) was taken; expected a UsageError")
class AnySize(Balls):
    def picture_size(self, size, camera=None):
        return 1 if size is not None and size < 1 else super().picture_size(size, camera)


@finds(
    "determinism",
    "the same seed and actions gave another 'blue_position' at step 0; reset(seed) has to decide "
    "all chance, and nothing may be left from before",
)
class Unseeded(Balls):
    chance = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        answer = super().reset(seed=seed)
        self.places = self.chance.uniform(0.3, 0.7, (2, 2))
        return answer


@finds(
    "snapshot",
    "1 step after restore(), 'red_position' is another than when the same actions were first "
    "taken; snapshot() has to hold all that the next steps depend on",
)
class HiddenWind(Balls):
    wind = 0.0

    def reset(self, *, seed=None, options=None):
        self.wind = 0.0
        return super().reset(seed=seed)

    def step(self, action):
        self.wind += 0.01
        self.speeds[0] += self.wind * np.array([1.0, 0.0])
        return super().step(action)


@finds("snapshot", "'speeds' that snapshot() gave earlier changes with the world: give a copy")
class SharedSnapshot(Balls):
    def snapshot(self):
        return super().snapshot() | {"speeds": self.speeds}


@finds("goal", "success() gave an int at step 0; expected True or False")
class Number(Balls):
    def success(self):
        return 1


@finds("render", "render() changes 'target' of the snapshot; looking must change nothing")
class LookingCounts(Balls):
    def render(self, size=None, camera=None):
        self.target = self.target + 1
        return super().render(size, camera)


@finds("render batch", "it changes 'places' of the world's own snapshot")
class LeftElsewhere(Balls):
    def render_batch(self, snapshots, size=None, camera=None):
        images = super().render_batch(snapshots, size, camera)
        self.restore(snapshots[-1] | {"places": self.places + 0.01})
        return images


@finds("teleport", "of 'red' changes 'blue_position' too")
class TakesAlong(Balls):
    def teleport(self, who, rng, distance=None, **where):
        super().teleport(who, rng, distance, **where)
        self.places[1] += 0.01 * (who == "red")


@finds("teleport", "of 'red' leaves it a velocity of [0.01, 0.0]; expected 0")
class Unstoppable(Balls):
    def teleport(self, who, rng, distance=None, **where):
        super().teleport(who, rng, distance, **where)
        self.speeds[self.index(who)] = (0.01, 0.0)


@finds("teleport", "of 'red' left it where it was")
class Rooted(Balls):
    def teleport(self, who, rng, distance=None, **where):
        self.known_body(who)


@finds(
    "teleport", "of 'red' with the same rng gave another 'red_position'; draw from that rng alone"
)
class OwnPlaces(Balls):
    chance = np.random.default_rng(0)

    def teleport(self, who, rng, distance=None, **where):
        super().teleport(who, self.chance, distance, **where)


@finds("teleport", "of 'red' found no valid place at any of 5 moments")
class Nowhere(Balls):
    def teleport(self, who, rng, distance=None, **where):
        self.known_body(who)
        raise UserError("No place.")


@finds("teleport distance", "of 'red' over 0.1 went 0.2")
class TooFar(Balls):
    def teleport(self, who, rng, distance=None, **where):
        super().teleport(who, rng, None if distance is None else 2 * distance, **where)


@finds("teleport distance", "of 'red' over 0.1 with an origin given went 0.0881216")
class NoOrigin(Balls):
    def teleport(self, who, rng, distance=None, *, origin=None, away_from=None):
        super().teleport(who, rng, distance, away_from=away_from)


@finds(
    "teleport direction",
    "of 'red' with away_from went 0.0457355 along it; expected a direction at least 90° off",
)
class Ahead(Balls):
    def teleport(self, who, rng, distance=None, *, origin=None, away_from=None):
        super().teleport(who, rng, distance, origin=origin)


@finds("recolor", "of 'red' changes 'red_velocity' 0 steps later; expected paint alone")
class HeavyPaint(Balls):
    def recolor(self, who, rgb):
        super().recolor(who, rgb)
        self.speeds[0] *= 0.5


@finds("recolor", "of 'red' to (256, 0, 0) was taken; expected a UsageError")
class AnyColor(Balls):
    def recolor(self, who, rgb):
        super().recolor(who, tuple(min(level, 255) for level in rgb))


@finds("recolor shows", "of 'background' changes nothing in the image at 96 px")
class WhiteGround(Balls):
    def render(self, size=None, camera=None):
        kept = self.paint.copy()
        self.paint[2] = 255
        image = super().render(size, camera)
        self.paint = kept
        return image


@finds("freeze", "of 'red' lets it move 0.0451179 in 1 step; expected no bit")
class Thawing(Balls):
    def freeze(self, who):
        self.index(who)


@finds("pass through", "of 'blue', which is not permeable, was taken; expected a UsageError")
class AllGhosts(Balls):
    def pass_through(self, who):
        self.index(who)
        self.ghost[0] = True


@finds(
    "reset",
    "does not undo all of teleport of red, blue; recolor of red, blue, background; freeze of red, "
    "blue; pass through of red: 0 steps later 'image' is another than in an undisturbed episode "
    "from the same seed",
)
class KeepsPaint(Balls):
    def undisturb(self) -> None:
        paint = getattr(self, "paint", None)
        super().undisturb()
        self.paint = self.paint if paint is None else paint


@finds(
    "reset",
    "does not undo all of teleport of red, blue; recolor of red, blue, background; freeze of red, "
    "blue; pass through of red: 1 step later 'blue_position' is another than in an undisturbed "
    "episode from the same seed",
)
class KeepsFreezes(Balls):
    def undisturb(self) -> None:
        frozen = getattr(self, "frozen", None)
        super().undisturb()
        self.frozen = self.frozen if frozen is None else frozen


@pytest.mark.parametrize("said", MUTANTS)
def test_each_mutant_fails_its_own_check_and_no_other(said: str) -> None:
    with pytest.raises(UserError) as error:
        check_world(MUTANTS[said], steps=STEPS)
    assert str(error.value) == (
        f"The world balls fails 1 of {len(CHECKS)} checks:\n  {said}.\n"
        "Fix it and check again, before data are collected in it. What was skipped for these is "
        "in the report that check_world gives with report_only=True."
    )
    assert not isinstance(error.value, UsageError)


def test_every_check_finds_a_mutant() -> None:
    assert MUTANTS.checks() == set(CHECKS)


# Worlds that keep their promises ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two-room", "push-t", "push-t-gym"])
def test_shipped_worlds_pass_every_check(name: str) -> None:
    report = check_world(name, steps=10)
    assert report.name == name
    assert [f.check for f in report.findings] == list(CHECKS)
    assert {f.outcome for f in report.findings} == {"ok"}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_healthy_world_passes_every_check(seed: int) -> None:
    report = check_world(Balls, seed=seed, steps=STEPS)
    assert report.failed == ()
    assert {f.outcome for f in report.findings} == {"ok"}


def test_the_report_has_one_line_a_check() -> None:
    lines = str(check_world(Balls, steps=STEPS)).splitlines()
    assert len(lines) == 1 + len(CHECKS)
    assert lines[0] == "balls: 23 of 23 checks passed"
    assert lines[1] == (
        "ok       declaration         quantities red_position, red_velocity, blue_position, "
        "blue_velocity; bodies red, blue"
    )
    assert lines[-1] == (
        "ok       reset               undoes teleport of red, blue; recolor of red, blue, "
        "background; freeze of red, blue; pass through of red"
    )


def test_what_needs_a_failed_check_is_skipped() -> None:
    report = check_world(Rooted, steps=STEPS, report_only=True)
    assert str(report).splitlines()[0] == "balls: 19 of 23 checks passed, 1 failed, 3 skipped"
    reported = {f.check: (f.outcome, f.detail) for f in report.findings}
    assert reported["teleport"] == ("failed", "of 'red' left it where it was")
    assert reported["teleport distance"] == ("skipped", "it needs 'teleport', which failed")
    assert reported["teleport direction"] == ("skipped", "it needs 'teleport', which failed")
    assert reported["reset"] == (
        "ok",
        "undoes recolor of red, blue, background; freeze of red, blue; pass through of red",
    )


def test_several_failures_are_told_together() -> None:
    class Both(Rooted, Number):
        pass

    with pytest.raises(UserError) as error:
        check_world(Both, steps=STEPS)
    assert str(error.value) == (
        "The world balls fails 2 of 23 checks:\n"
        "  goal: success() gave an int at step 0; expected True or False.\n"
        "  teleport: of 'red' left it where it was.\n"
        "Fix it and check again, before data are collected in it. What was skipped for these is "
        "in the report that check_world gives with report_only=True."
    )


class OnlyBlue(Balls):
    """Teleports for one body, nothing else."""

    permeable = ()

    def teleport(self, who, rng, distance=None, **where):
        if who == "red":
            raise NotOffered("balls: red stays.")
        super().teleport(who, rng, distance, **where)

    color, recolor, freeze, pass_through = (
        World.color,
        World.recolor,
        World.freeze,
        World.pass_through,
    )


def test_what_is_not_offered_is_skipped_and_said() -> None:
    report = check_world(OnlyBlue, steps=STEPS)
    reported = {f.check: (f.outcome, f.detail) for f in report.findings}
    assert reported["teleport"] == ("ok", "moves blue alone, which then is at rest")
    assert reported["freeze"] == (
        "skipped",
        "balls does not offer freeze for 'blue'. Leave it out, or give the world's class a method "
        "freeze().",
    )
    assert reported["pass through"] == ("skipped", "there are no permeable bodies")
    assert reported["recolor"][0] == "skipped"
    assert reported["disturbed snapshot"] == ("ok", "holds teleport of blue")


def test_an_instance_is_compared_with_itself() -> None:
    report = check_world(TwoRoom(speed=8.0), steps=STEPS)
    reported = {f.check: f.detail for f in report.findings}
    assert reported["determinism"] == (
        "the same bytes for 16 steps in one instance reset twice (a name compares two)"
    )
    assert reported["snapshot"] == "the same bytes again from 3 moments"
    assert check_world(lambda: TwoRoom(speed=8.0), steps=STEPS).failed == ()


def test_another_name_than_the_registered_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TwoRoom, "name", "rooms")
    report = check_world("two-room", steps=STEPS, report_only=True)
    (failed,) = report.failed
    assert failed.detail == (
        "name is 'rooms', but the world is registered as 'two-room'; data and results go by the "
        "name, so make them the same"
    )
    assert all(f.outcome == "skipped" for f in report.findings[1:])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: check_world("two-rooms"),
            "Unknown world 'two-rooms'. Did you mean 'two-room'? ",
        ),
        (
            lambda: check_world("two-room", steps=9),
            "An episode of 9 steps is too short to check a world: at least 10 are needed. Leave "
            "steps out for 40.",
        ),
        (
            lambda: check_world(7),
            "check_world was given 7, which is not a world and makes none: expected a registered "
            "name, a subclass of lewm_probe.worlds.World, or one of its instances.",
        ),
    ],
)
def test_usage_errors(call, message: str) -> None:
    with pytest.raises(UsageError) as error:
        call()
    known = "Known: push-t, push-t-gym, two-room."
    assert str(error.value) in (message, message + known)
