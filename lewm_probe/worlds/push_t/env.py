"""``push-t``: a disc pushes a T, the main world of LeWM (2603.19312), on gym-pusht and pymunk.

Defaults are those of the published environment (stable-worldmodel 0.1.1, ``swm/PushT-v1``): actions
relative to the agent, a 224 px image, success by distance to a goal state. ``push-t-gym`` has
gym-pusht's own: absolute targets, 96 px, success by coverage. Both have the library's physics and
drawing, short red lines at points of contact included.

Positions are units of the 512 × 512 arena, y pointing down; velocities units a second, ten steps a
second. The block's position is its T's origin, the middle of the bar's outer edge.

>>> world = PushT()
>>> _ = world.reset(seed=1, options={"state": (100, 100, 300, 300, 0.5)})
>>> _ = world.step(np.array([1.0, 0.0], np.float32))
>>> world.physical_state()["agent_position"].round(1).tolist()
[129.6, 100.0]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.results.cards import Card
from lewm_probe.worlds.base import Policy, Quantity, Snapshot, World, checked_color
from lewm_probe.worlds.push_t import shapes
from lewm_probe.worlds.push_t.image import NATIVE, PAINT, SCREEN, Drawing, default_colors
from lewm_probe.worlds.push_t.physics import Scene, Space, moved, scene
from lewm_probe.worlds.push_t.policies import BiasedWalk, Pusher
from lewm_probe.worlds.push_t.stored import fault

REACH = 100.0
"""Units between agent and target at full action, as published."""
SUCCESS_DISTANCE, SUCCESS_ANGLE = 20.0, np.deg2rad(20.0)
"""Units of the four-vector (agent, block), and rad: the published rule."""
STRICT_DISTANCE, STRICT_ANGLE, STRICT_STEPS = 10.0, np.deg2rad(10.0), 3
"""Units and rad of the block alone, held for so many steps (CLEAR-LeWM v0.5)."""
SUCCESS_COVERAGE = 0.95
"""gym-pusht's own rule."""
DRAWN_GOAL = (np.array([256.0, 256.0]), np.pi / 4)
"""The pose of the green T, always the same; as published, it is not the goal state."""


class PushT(World):
    """A T-shaped block, a disc that pushes it, and four walls.

    Args:
        draw_goal: whether the green T is drawn.
    """

    name: ClassVar[str] = "push-t"
    card: ClassVar[Card | None] = Card("Push-T", 2)
    bodies: ClassVar[tuple[str, ...]] = ("agent", "block")
    scenery: ClassVar[tuple[str, ...]] = tuple(PAINT)[2:]
    permeable: ClassVar[tuple[str, ...]] = ("block",)
    policies: ClassVar[tuple[str, ...]] = ("expert", "random", "mixed")
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "agent_position": Quantity("units", ("x", "y")),
        "agent_velocity": Quantity("units/s", ("x", "y"), kind="velocity"),
        "block_position": Quantity("units", ("x", "y")),
        "block_angle": Quantity("rad", ("angle",), kind="angle"),
        "contact": Quantity("0 or 1", ("touching",)),
    }
    native_size: ClassVar[int] = NATIVE
    rules: ClassVar[Mapping[str, int]] = {"released": 1, "strict": STRICT_STEPS}
    arena: ClassVar[float] = shapes.SIZE
    picture_sizes: ClassVar[tuple[int, int]] = (8, SCREEN)
    reset_options: ClassVar[tuple[str, ...]] = ("state", "goal")
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}  # type: ignore[misc]

    def __init__(self, draw_goal: bool = True) -> None:
        self.render_mode = "rgb_array"
        self.draw_goal = draw_goal
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (7,), np.float64)
        self._space, self._image = Space(), Drawing()
        self._scene = scene(np.array([256, 400]), np.zeros(2), np.array([256, 300]), 0.0)
        self._goal = np.zeros(7)
        self._colors = default_colors()

    # gymnasium -----------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Start an episode: default colours, nothing frozen, bodies at rest in random free places.

        Args:
            seed: of the places drawn; without it the world goes on with its own stream.
            options: ``state`` and ``goal``: agent xy, block xy, block angle and, if given, agent
                velocity xy, in place of random ones.

        Raises:
            UsageError: an unknown option, or not five or seven finite numbers.
        """
        super().reset(seed=seed)
        options = options or {}
        for key in options:
            if key not in self.reset_options:
                raise unknown_name("reset option", str(key), self.reset_options)
        given = {key: _state_given(key, value) for key, value in options.items()}
        self._colors = default_colors()
        state = given.get("state", self._random_state(self.np_random))
        self._scene = scene(state[:2], state[5:], state[2:4], float(state[4]))
        self._goal = given.get("goal", self._random_state(self.np_random))
        return self._state(), self.columns()

    def step(
        self, action: np.ndarray
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, np.ndarray]]:
        """Draw the agent towards its target for a tenth of a second.

        Returns:
            The state (7,); the reward, minus the distance of state and goal state as published;
            terminated on success.

        Raises:
            UserError: not two finite numbers.
        """
        action = np.asarray(action)
        if action.shape != (2,) or action.dtype.kind not in "fiu" or not np.isfinite(action).all():
            shown = action.tolist() if action.size <= 4 else f"of shape {action.shape}"
            raise UserError(
                f"The action {shown} cannot be taken: {self.name} expects two finite numbers, x "
                f"and y from {self.action_space.low[0]:g} to {self.action_space.high[0]:g}. Look "
                "for NaN or a wrong shape where it was made."
            )
        clipped = np.clip(action, self.action_space.low, self.action_space.high)
        self._scene = self._space.step(self._scene, self._target(clipped.astype(np.float64)))
        success, reward = self._judge()
        return self._state(), reward, success, False, self.columns()

    def _target(self, action: np.ndarray) -> np.ndarray:
        return self._scene.agent_position + REACH * action

    def _judge(self) -> tuple[bool, float]:
        state = self._state()
        near = np.linalg.norm(state[:4] - self._goal[:4]) < SUCCESS_DISTANCE
        reward = -float(np.linalg.norm(state - self._goal))
        return bool(near and self._turned_from_goal() < SUCCESS_ANGLE), reward

    def _turned_from_goal(self) -> float:
        """Angle between the block and the goal's, rad in [0, π]."""
        return float(abs((self._state()[4] - self._goal[4] + np.pi) % (2 * np.pi) - np.pi))

    # asking --------------------------------------------------------------------------------------

    def physical_state(self) -> dict[str, np.ndarray]:
        """Positions, the agent's velocity, the block's angle in [0, 2π), and whether they touch."""
        state = self._state()
        gap = shapes.gap(state[:2], self._scene.pose)[0]
        return {
            "agent_position": state[:2],
            "agent_velocity": state[5:],
            "block_position": state[2:4],
            "block_angle": state[4:5],
            "contact": np.array([float(gap < shapes.TOUCH)]),
        }

    def position(self, who: str) -> np.ndarray:
        """Where a body is, x and y in units, float64 (2,)."""
        self.known_body(who)
        return self._scene.agent_position if who == "agent" else self._scene.block_position

    @property
    def pose(self) -> shapes.Pose:
        """Position and angle of the block."""
        return self._scene.pose

    def columns(self) -> dict[str, np.ndarray]:
        """The released columns: ``state`` is agent xy, block xy, block angle, agent velocity xy."""
        state = self._state()
        return {"state": state, "proprio": state[[0, 1, 5, 6]]}

    def _state(self) -> np.ndarray:
        now = self._scene
        angle = now.block_angle % (2 * np.pi)
        return np.r_[now.agent_position, now.block_position, angle, now.agent_velocity]

    def snapshot(self) -> Snapshot:
        """Both bodies' memory, standing contacts and impulses, goal, colours, disturbances."""
        now = self._scene
        return {
            "agent": now.agent.copy(),
            "block": now.block.copy(),
            "contacts": now.contacts.copy(),
            "lines": now.lines.copy(),
            "hashes": now.hashes.copy(),
            "frozen": np.array(now.frozen),
            "ghost": np.array(now.ghost),
            "goal": self._goal.copy(),
            "colors": self._colors.copy(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot exactly: the same actions then give the same states, bit for bit.

        Raises:
            UserError: the snapshot is another world's.
        """
        self._check_own(snapshot)
        self._scene = _scene_of(snapshot)
        self._goal = snapshot["goal"].copy()
        self._colors = snapshot["colors"].copy()

    def _check_own(self, snapshot: Snapshot) -> None:
        if snapshot.keys() != self.snapshot().keys():
            raise UserError(
                f"This snapshot holds {', '.join(sorted(snapshot)) or 'nothing'}; one of "
                f"{self.name} holds {', '.join(sorted(self.snapshot()))}. Restore it in the world "
                "it came from."
            )

    # images ------------------------------------------------------------------------------------

    def render(self, size: int | None = None, camera: str | None = None) -> np.ndarray:
        """The image now, uint8 (size, size, 3).

        Raises:
            UsageError: a size beyond 8 to 512 px, or no such camera.
        """
        side = self.picture_size(size, camera)
        goal = DRAWN_GOAL if self.draw_goal else None
        return self._image.draw(self._scene, self._colors, goal, side)

    # disturbing ----------------------------------------------------------------------------------

    def teleport(
        self,
        who: str,
        rng: np.random.Generator,
        distance: float | None = None,
        *,
        origin: np.ndarray | None = None,
        away_from: np.ndarray | None = None,
    ) -> None:
        """Put agent or block in another place where it touches nothing; the block keeps its angle.

        With ``distance``, 360 directions on a randomly turned grid are tried in random order, those
        less than 90° off ``away_from`` left out; the first free place is taken.

        Raises:
            UsageError: no such body.
            UserError: no place is free, or a number is not finite.
        """
        here, (agent, pose) = self.position(who), (self._scene.agent_position, self._scene.pose)
        if distance is None:
            place = shapes.anywhere(who, agent, pose, rng)
        else:
            start = here if origin is None else origin
            place = shapes.at_distance(who, distance, start, away_from, agent, pose, rng)
        self._scene = moved(self._scene, who, place)

    def color(self, who: str) -> tuple[int, int, int]:
        """Red, green and blue of a body or a piece of scenery now."""
        red, green, blue = self._colors[self._painted(who)].tolist()
        return red, green, blue

    def recolor(self, who: str, rgb: tuple[int, int, int]) -> None:
        """Paint agent, block, background, goal or walls until the next reset.

        Raises:
            UsageError: nothing of that name, or not three whole numbers from 0 to 255.
        """
        self._colors[self._painted(who)] = checked_color(rgb)

    def _painted(self, who: str) -> int:
        names = tuple(PAINT)
        if who not in names:
            raise unknown_name("body or scenery", who, names)
        return names.index(who)

    def freeze(self, who: str) -> None:
        """Hold a body where it is until the next reset, whatever pushes; a teleport still moves it.

        Raises:
            UsageError: no such body.
        """
        self.known_body(who)
        held = tuple(
            name == who or was for name, was in zip(self.bodies, self._scene.frozen, strict=True)
        )
        at_rest = moved(self._scene, who, self.position(who))
        self._scene = replace(at_rest, frozen=(held[0], held[1]))

    def pass_through(self, who: str) -> None:
        """Let the block and the agent pass through each other, and the block through walls too.

        Raises:
            UsageError: the agent meets nothing beside the block, so it is the block that is named.
        """
        if who not in self.permeable:
            raise unknown_name("body that can pass through others", who, self.permeable)
        self._scene = replace(self._scene, ghost=True)

    # the task ------------------------------------------------------------------------------------

    @property
    def goal(self) -> np.ndarray:
        """The goal state, as ``columns``' ``state``, float64 (7,)."""
        return self._goal.copy()

    def new_goal(self, rng: np.random.Generator) -> None:
        """Another goal state: random free places for both bodies, a random angle, at rest."""
        self._goal = self._random_state(rng)

    def success(self) -> bool:
        """Whether (agent, block) is within 20 units of the goal's and the angle within 20°."""
        return self._judge()[0]

    def aim_at(self, snapshot: Snapshot) -> None:
        """Make the state in a snapshot the goal state.

        Everything in it is looked at first: the library beneath trusts what it is given.

        Raises:
            UserError: the snapshot is another world's, or no state that push-t can be in.
        """
        self._check_own(snapshot)
        if (why := fault(snapshot)) is not None:
            raise UserError(
                f"This snapshot is no state that {self.name} can be in: {why}. Take one that the "
                "world itself gave."
            )
        at = _scene_of(snapshot)
        angle = at.block_angle % (2 * np.pi)
        self._goal = np.r_[at.agent_position, at.block_position, angle, at.agent_velocity]

    def reached(self, rule: str = "released") -> bool:
        """``released``, or ``strict``: the block alone within 10 units and 10° (CLEAR-LeWM).

        Raises:
            UsageError: no such rule.
        """
        if rule == "strict" and rule in self.rules:
            off = np.linalg.norm(self._scene.block_position - self._goal[2:4])
            return bool(off < STRICT_DISTANCE and self._turned_from_goal() < STRICT_ANGLE)
        return super().reached(rule)

    def policy(self, name: str, rng: np.random.Generator) -> Policy:
        """``expert``, ``random``, or ``mixed``: one of the two for a whole episode.

        ``expert`` pushes the block about; ``random`` walks with a bias towards it (the paper's
        policy for violations).

        Raises:
            UsageError: no such policy.
        """
        if name == "mixed":
            name = "expert" if rng.random() < 0.5 else "random"
        if name == "random":
            return BiasedWalk(rng)
        return super().policy(name, rng)

    def expert(self, rng: np.random.Generator) -> Policy:
        """The scripted pusher (``push_t_policies``)."""
        return Pusher(rng)

    def action_towards(self, target: np.ndarray) -> np.ndarray:
        """The action whose target is nearest to a place (units): float32 (2,)."""
        wanted = (np.asarray(target) - self._scene.agent_position) / REACH
        return np.clip(wanted, -1.0, 1.0).astype(np.float32)

    def _random_state(self, rng: np.random.Generator) -> np.ndarray:
        """Agent xy, block xy, angle, no velocity; both bodies free of each other and the walls."""
        angle = rng.uniform(0.0, 2 * np.pi)
        nowhere = np.full(2, -1e3)  # far off: the first body meets only walls
        block = shapes.anywhere("block", nowhere, (nowhere, angle), rng)
        agent = shapes.anywhere("agent", nowhere, (block, angle), rng)
        return np.r_[agent, block, angle, 0.0, 0.0]


class GymPushT(PushT):
    """The same with gym-pusht's own conventions: absolute targets, 96 px, success by coverage."""

    name: ClassVar[str] = "push-t-gym"
    card: ClassVar[Card | None] = None  # a name of ours, which no paper writes in another way
    native_size: ClassVar[int] = 96
    reset_options: ClassVar[tuple[str, ...]] = ("state",)
    rules: ClassVar[Mapping[str, int]] = {"released": 1}

    def __init__(self, draw_goal: bool = True) -> None:
        super().__init__(draw_goal)
        self.action_space = gym.spaces.Box(0.0, shapes.SIZE, (2,), np.float32)

    @property
    def goal(self) -> np.ndarray:
        """The green T: x and y in units, angle in rad, float64 (3,); always the same."""
        return np.array([*DRAWN_GOAL[0], DRAWN_GOAL[1]])

    def new_goal(self, rng: np.random.Generator) -> None:
        """Nothing: the green T stays where it is."""

    def success(self) -> bool:
        """Whether the block covers more than 95 % of the green T."""
        return self._judge()[0]

    def aim_at(self, snapshot: Snapshot) -> None:
        """Not offered: the green T stays where it is."""
        World.aim_at(self, snapshot)

    def _target(self, action: np.ndarray) -> np.ndarray:
        return action

    def _judge(self) -> tuple[bool, float]:
        coverage = self._space.coverage(self._scene, DRAWN_GOAL)
        return coverage > SUCCESS_COVERAGE, float(np.clip(coverage / SUCCESS_COVERAGE, 0.0, 1.0))

    def action_towards(self, target: np.ndarray) -> np.ndarray:
        """The place itself, as far from the agent as a relative action reaches."""
        here = self._scene.agent_position
        place = here + np.clip(np.asarray(target) - here, -REACH, REACH)
        return np.clip(place, 0.0, shapes.SIZE).astype(np.float32)


def _scene_of(snapshot: Snapshot) -> Scene:
    held = snapshot["frozen"].tolist()
    arrays = ("agent", "block", "contacts", "lines", "hashes")
    return Scene(
        **{name: snapshot[name].copy() for name in arrays},
        frozen=(held[0], held[1]),
        ghost=bool(snapshot["ghost"]),
    )


def _state_given(key: str, value: Any) -> np.ndarray:
    state = np.asarray(value)
    if state.shape == (5,):
        state = np.r_[state, 0.0, 0.0]
    numbers = state.shape == (7,) and state.dtype.kind in "fiu"
    if not numbers or not np.isfinite(state).all():
        raise UsageError(
            f"Reset option '{key}' is {value}: expected agent xy, block xy, block angle and, if "
            "wanted, agent velocity xy, as five or seven finite numbers. Write for example "
            "(256, 400, 256, 300, 0.5)."
        )
    return state.astype(np.float64)
