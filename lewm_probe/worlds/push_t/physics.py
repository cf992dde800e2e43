"""The physics of Push-T: gym-pusht's pymunk scene, made a function of its state.

pymunk keeps more between two steps than positions and velocities: the impulses of standing
contacts, from which the solver starts again, and the speed at which overlaps are being pushed
apart. The library's own setter loses these (and steps the physics besides), so that a restored
scene drifts. Here the whole of it is a ``Scene`` of plain arrays, and every environment step begins
by building the pymunk space anew from it: what follows depends on nothing else, to the last bit.

The push-apart speed and the exact transform have no accessor in pymunk 6; they are read from and
written to the body's memory, whose layout is checked against the accessors that exist when this
module is first used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pymunk
from pymunk._chipmunk_cffi import ffi, lib

from lewm_probe.core.errors import UserError
from lewm_probe.worlds.push_t.libraries import PushTEnv
from lewm_probe.worlds.push_t.shapes import COG

SUBSTEPS = 10
DT = 0.01
"""Seconds of a physics step; ten of them are one environment step, at 10 Hz, as published."""
STIFFNESS, DAMPING = 100.0, 20.0
"""Of the controller that draws the agent to its target, as published (per s², per s)."""
_BODY = slice(8, 27)
"""Doubles of pymunk's body that change: centre of mass, velocity, force, angle, angular velocity,
torque, transform (6), a pointer, push-apart velocity and angular velocity."""
_LINE = 2.0
"""Units by which the line drawn at a contact reaches into either body, as in pymunk."""
_POINTER = 15
"""Place of the pointer in there, which is left alone."""


@dataclass(frozen=True)
class Scene:
    """Everything that the next step depends on, beside the action.

    Attributes:
        agent, block: dynamic part of each body's memory, float64 (19,).
        contacts: float64 (K, 6): places of the two shapes that touch, and normal and tangential
            impulse at each of up to two points; K standing contacts.
        lines: float64 (K, 2, 2, 2): start and end of the short line that is drawn at each point.
        hashes: uint64 (K, 3): number of points, and which corners they belong to.
        frozen, ghost: agent, block: held in place; passing through what it touches.
    """

    agent: np.ndarray
    block: np.ndarray
    contacts: np.ndarray
    lines: np.ndarray
    hashes: np.ndarray
    frozen: tuple[bool, bool] = (False, False)
    ghost: bool = False

    @property
    def agent_position(self) -> np.ndarray:
        """Units, (2,)."""
        return self.agent[:2].copy()

    @property
    def agent_velocity(self) -> np.ndarray:
        """Units a second, (2,)."""
        return self.agent[2:4].copy()

    @property
    def block_position(self) -> np.ndarray:
        """Of the T's origin, the middle of its bar's outer edge; units, (2,)."""
        return self.block[13:15].copy()

    @property
    def block_angle(self) -> float:
        """rad, not wrapped."""
        return float(self.block[6])

    @property
    def marks(self) -> np.ndarray:
        """The lines that are drawn, (M, 2, 2)."""
        return self.lines[np.arange(2) < self.hashes[:, :1].astype(int)]

    @property
    def pose(self) -> tuple[np.ndarray, float]:
        """Position and angle of the block."""
        return self.block_position, self.block_angle


def scene(agent: np.ndarray, velocity: np.ndarray, block: np.ndarray, angle: float) -> Scene:
    """A scene with the block at rest and nothing touching."""
    return Scene(
        _resting(agent, 0.0, (0.0, 0.0), velocity),
        _resting(block, angle, COG, (0.0, 0.0)),
        np.zeros((0, 6)),
        np.zeros((0, 2, 2, 2)),
        np.zeros((0, 3), np.uint64),
    )


def moved(before: Scene, who: str, position: np.ndarray) -> Scene:
    """The scene with one body elsewhere and at rest; contacts it was part of are gone."""
    if who == "agent":
        return replace(
            before,
            agent=_resting(position, 0.0, (0.0, 0.0), (0.0, 0.0)),
            **_without_contacts_of(before, (_AGENT_SHAPE,)),
        )
    return replace(
        before,
        block=_resting(position, before.block_angle, COG, (0.0, 0.0)),
        **_without_contacts_of(before, _BLOCK_SHAPES),
    )


_AGENT_SHAPE = 4
_BLOCK_SHAPES = (5, 6)
"""Places among the scene's shapes: four walls come first."""


def _without_contacts_of(before: Scene, shapes: tuple[int, ...]) -> dict[str, Any]:
    stays = ~np.isin(before.contacts[:, :2], shapes).any(axis=1)
    return {
        "contacts": before.contacts[stays],
        "lines": before.lines[stays],
        "hashes": before.hashes[stays],
    }


def _resting(
    position: Any, angle: float, centre_of_mass: tuple[float, float], velocity: Any
) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    (x, y), (off_x, off_y) = (float(v) for v in position), centre_of_mass
    memory = np.zeros(19)
    memory[:2] = x + cos * off_x - sin * off_y, y + sin * off_x + cos * off_y
    memory[2:4] = velocity
    memory[6] = angle
    memory[9:15] = cos, sin, -sin, cos, x, y
    return memory


class Space:
    """A pymunk space and the drawing of it, both from a ``Scene``."""

    def __init__(self) -> None:
        _check_layout()
        self._env = PushTEnv()
        self._build()

    def _build(self) -> None:
        self._env._setup()
        self._shapes = [*walls(self._env), *self._env.agent.shapes, *self._env._block_shapes]

    def step(self, before: Scene, target: np.ndarray) -> Scene:
        """One environment step towards a target place (units)."""
        self._build()
        self._put(before)
        env, (held_agent, held_block) = self._env, before.frozen
        if held_block:
            env.block.body_type = pymunk.Body.KINEMATIC
        if before.ghost:
            for i in _BLOCK_SHAPES:
                self._shapes[i].filter = pymunk.ShapeFilter(mask=0)  # meets nothing
        self._remember_contacts(before)
        space, agent = env.space, env.agent
        x_to, y_to = float(target[0]), float(target[1])
        if held_agent:
            agent.velocity = (0.0, 0.0)
        for _ in range(SUBSTEPS):
            if not held_agent:
                (x, y), (v_x, v_y) = agent.position, agent.velocity
                agent.velocity = (
                    v_x + (STIFFNESS * (x_to - x) - DAMPING * v_x) * DT,
                    v_y + (STIFFNESS * (y_to - y) - DAMPING * v_y) * DT,
                )
            space.step(DT)
        contacts, lines, hashes = self._contacts()
        # A held body is taken as it was: pymunk would recompute its place, other in the last bit.
        return replace(
            before,
            agent=before.agent if held_agent else _dynamic(agent),
            block=before.block if held_block else _dynamic(env.block),
            contacts=contacts,
            lines=lines,
            hashes=hashes,
        )

    def coverage(self, state: Scene, goal: tuple[np.ndarray, float]) -> float:
        """Share of the goal's T that the block covers: gym-pusht's own measure."""
        self._put(state)
        self._env.goal_pose = np.array([*goal[0], goal[1]])
        return float(self._env._get_coverage())

    def _put(self, state: Scene) -> None:
        for body, memory in ((self._env.agent, state.agent), (self._env.block, state.block)):
            raw = _memory(body)[_BODY]
            raw[:_POINTER], raw[_POINTER + 1 :] = memory[:_POINTER], memory[_POINTER + 1 :]
            self._env.space.reindex_shapes_for_body(body)

    def _remember_contacts(self, state: Scene) -> None:
        """Put standing contacts back, so that the solver starts from their impulses."""
        raw = self._env.space._space
        lib.cpSpaceSetCurrentTimeStep(raw, DT)  # else past impulses count for nothing
        for row, (count, *hashes) in zip(state.contacts, state.hashes.tolist(), strict=True):
            first, second = (self._shapes[int(i)] for i in row[:2])
            arbiter = lib.cpArbiterNew(first._shape, second._shape)
            points = lib.cpContactArrAlloc(2)  # freed by the space
            for i, impulses in enumerate(row[2:].reshape(2, 2)):
                (points[i].jnAcc, points[i].jtAcc), points[i].hash = impulses, hashes[i]
            arbiter.count, arbiter.contacts = count, points
            lib.cpSpaceAddCachedArbiter(raw, arbiter)

    def _contacts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Contacts of the last physics step, in an order that their shapes give."""
        space = self._env.space
        now = lib.cpSpaceGetTimestamp(space._space)
        places = {shape._shape: i for i, shape in enumerate(self._shapes)}
        found = []
        for arbiter in space._get_arbiters():
            if arbiter.count == 0 or arbiter.stamp != now:  # remembered, but no longer touching
                continue
            shapes = places[arbiter.a], places[arbiter.b]
            first, second = (self._centre(shape) for shape in shapes)
            impulses, lines, keys = np.zeros((2, 2)), np.zeros((2, 2, 2)), [0, 0]
            reach = _LINE * np.array([arbiter.n.x, arbiter.n.y])
            for i in range(arbiter.count):
                point = arbiter.contacts[i]
                impulses[i], keys[i] = (point.jnAcc, point.jtAcc), point.hash
                lines[i, 0] = first + (point.r1.x, point.r1.y) - reach
                lines[i, 1] = second + (point.r2.x, point.r2.y) + reach
            found.append((shapes, impulses.ravel().tolist(), lines, [arbiter.count, *keys]))
        found.sort(key=lambda one: one[0])
        contacts = [[*shapes, *impulses] for shapes, impulses, *_ in found]
        return (
            np.array(contacts, np.float64).reshape(-1, 6),
            np.array([lines for _, _, lines, _ in found], np.float64).reshape(-1, 2, 2, 2),
            np.array([keys for *_, keys in found], np.uint64).reshape(-1, 3),
        )

    def _centre(self, shape: int) -> np.ndarray:
        """Centre of mass of the body that a shape belongs to; the walls' lies at the origin."""
        body = self._shapes[shape].body
        return np.zeros(2) if body is self._env.space.static_body else _memory(body)[8:10].copy()


def walls(env: Any) -> list[Any]:
    """The four segments of the library's arena, in an order of their own."""
    return sorted(env.space.static_body.shapes, key=lambda shape: (*shape.a, *shape.b))


def _dynamic(body: Any) -> np.ndarray:
    """A copy of what changes of a body, (19,)."""
    memory = _memory(body)[_BODY].copy()
    memory[_POINTER] = 0.0
    return memory


def _memory(body: Any) -> np.ndarray:
    """The body's memory up to what is used of it, as float64 (27,); writing changes the body."""
    return np.frombuffer(ffi.buffer(ffi.cast("double *", body._body), 8 * _BODY.stop), np.float64)


@lru_cache(maxsize=1)
def _check_layout() -> None:
    """Compare the memory of a body with what pymunk says of it.

    Raises:
        UserError: this pymunk keeps its bodies otherwise.
    """
    body = pymunk.Body(2.0, 3.0)
    body.center_of_gravity = (0.5, 0.25)
    body.angle, body.position = 0.7, (11.0, 13.0)
    body.velocity, body.angular_velocity = (17.0, 19.0), 23.0
    known = _dynamic(body)
    expected = _resting((11.0, 13.0), 0.7, (0.5, 0.25), (17.0, 19.0))
    expected[7] = 23.0
    # Where nothing accelerates a body, a step carries it as far as velocity and push-apart speed.
    body.velocity_func = lambda *_: None
    space = pymunk.Space()
    space.add(body)
    _memory(body)[_BODY][16:19] = 1.0, 2.0, 3.0
    before = _dynamic(body)
    space.step(0.5)
    travelled = (_dynamic(body) - before)[[0, 1, 6]]
    if not (np.allclose(known, expected) and np.allclose(travelled, [9.0, 10.5, 13.0])):
        raise UserError(
            f"pymunk {pymunk.version} keeps the state of a body in another way than pymunk 6, "
            "which push-t reads. Install one that gym-pusht takes: `pip install 'pymunk<7'`."
        )
