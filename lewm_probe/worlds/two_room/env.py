"""``two-room``: a dot in two rooms joined by a door, the simplest world of LeWM (2603.19312).

Native numpy counterpart of the published environment (stable-worldmodel 0.1.1,
``swm/TwoRoom-v1``): the same image, actions, speed and success rule. It differs on purpose in
collisions, which are continuous here (``two_room_floor``). Goals are drawn as in the released data,
not as in 0.1.1 (``TwoRoom.new_goal``).

Positions are px of the 224 px image, y pointing down. State is float32, as published.

>>> world = TwoRoom()
>>> _ = world.reset(seed=1, options={"agent": (60, 112)})
>>> _ = world.step(np.array([1.0, -0.5], np.float32))
>>> world.physical_state()["agent_position"].tolist()
[65.0, 109.5]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.results.cards import Card
from lewm_probe.worlds.base import Policy, Quantity, Snapshot, World, checked_color
from lewm_probe.worlds.two_room import places
from lewm_probe.worlds.two_room.floor import DOOR_CENTRE, HIGH, IMAGE, LOW, WALL_CENTRE, slide
from lewm_probe.worlds.two_room.image import draw
from lewm_probe.worlds.two_room.policy import TwoRoomExpert

SPEED = 5.0
"""px a step at full action."""
SUCCESS_RADIUS = 16.0
"""px; closer than this to the target is success."""
STRICT_RADIUS = 8.0
"""px, of the strict rule (CLEAR-LeWM v0.5)."""
_DEFAULT_COLORS = ((255, 0, 0), (255, 255, 255), (0, 0, 0))


class TwoRoom(World):
    """Two rooms, a wall with a door, and one agent.

    Args:
        speed: px a step at full action; the published 5 by default.

    Raises:
        UsageError: ``speed`` is not a positive number.
    """

    name: ClassVar[str] = "two-room"
    card: ClassVar[Card | None] = Card("TwoRoom", 1)
    bodies: ClassVar[tuple[str, ...]] = ("agent",)
    scenery: ClassVar[tuple[str, ...]] = ("background", "wall")
    permeable: ClassVar[tuple[str, ...]] = ("agent",)
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "agent_position": Quantity("px", ("x", "y")),
        "agent_velocity": Quantity("px/step", ("x", "y"), kind="velocity"),
        "goal_position": Quantity("px", ("x", "y")),
    }
    picture_sizes: ClassVar[tuple[int, int]] = (1, IMAGE)
    rules: ClassVar[Mapping[str, int]] = {"released": 1, "strict": 1}
    arena: ClassVar[float] = HIGH - LOW
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}  # type: ignore[misc]

    def __init__(self, speed: float = SPEED) -> None:
        if not (np.isfinite(speed) and speed > 0):
            raise UsageError(
                f"A speed of {speed} px a step cannot be: two-room expects a positive number. "
                f"Leave it out for the published {SPEED:g}."
            )
        self.render_mode = "rgb_array"
        self.speed = np.float32(speed)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = gym.spaces.Box(0.0, float(IMAGE), (10,), np.float64)
        self._agent = np.array([60, 112], np.float32)
        self._goal = np.array([164, 112], np.float32)
        self._undisturb()

    def _undisturb(self) -> None:
        self._moves = np.zeros((self.frame_skip, 2))  # displacements, the latest last
        self._colors = np.array(_DEFAULT_COLORS, np.uint8)  # agent, background, wall
        self._frozen = np.zeros(1, bool)
        self._ghost = np.zeros(1, bool)

    # gymnasium -----------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Start an episode: default colours, nothing frozen, agent at rest in a random place.

        Args:
            seed: of the places drawn; without it the world goes on with its own stream.
            options: ``agent`` and ``goal``, x and y in px, in place of random ones. As in released
                data, both may lie up to the border lines, 14 to 209 px; the first step leads the
                agent inside its reach.

        Raises:
            UsageError: an unknown option, or not two numbers.
            UserError: a place beyond the border lines, or an agent in the wall.
        """
        super().reset(seed=seed)
        options = options or {}
        for key in options:
            if key not in ("agent", "goal"):
                raise unknown_name("reset option", str(key), ("agent", "goal"))
        start = {key: places.given(key, value) for key, value in options.items()}
        self._undisturb()
        self._agent = start.get("agent", places.anywhere(self.np_random, doorway=False))
        self._goal = start.get("goal", places.goal_for(self._agent, self.np_random))
        return self._observation(), self.columns()

    def step(
        self, action: np.ndarray
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, np.ndarray]]:
        """Move by ``speed`` · action, clipped to [−1, 1]; reward 0, terminated on success.

        Raises:
            UserError: not two finite numbers.
        """
        action = np.asarray(action)
        if action.shape != (2,) or action.dtype.kind not in "fiu" or not np.isfinite(action).all():
            raise UserError(
                f"The action {_shown(action)} cannot be taken: two-room expects two finite "
                "numbers, x and y from -1 to 1. Look for NaN or a wrong shape where it was made."
            )
        before = self._agent
        if not self._frozen[0]:
            # In float32 up to the collision, as published, so that free motion agrees bit for bit.
            push = np.minimum(np.maximum(action, -1), 1).astype(np.float32) * self.speed
            (x, y), (to_x, to_y) = before.tolist(), (before + push).tolist()
            if self._ghost[0]:
                self._agent = np.clip(before + push, LOW, HIGH).astype(np.float32)
            else:
                self._agent = np.array(slide((x, y), (to_x - x, to_y - y)), np.float32)
        self._moves[:-1] = self._moves[1:]
        self._moves[-1] = self._agent.astype(np.float64) - before
        columns = self.columns()
        success = bool(columns["distance_to_target"] < SUCCESS_RADIUS)
        return columns["observation"].copy(), 0.0, success, False, columns

    # asking --------------------------------------------------------------------------------------

    def physical_state(self) -> dict[str, np.ndarray]:
        """Positions, and velocity as the mean displacement over the last ``frame_skip`` steps."""
        return {
            "agent_position": self._agent.astype(np.float64),
            "agent_velocity": self._moves.mean(0),
            "goal_position": self._goal.astype(np.float64),
        }

    def position(self, who: str) -> np.ndarray:
        """Where a body is, x and y in px, float64 (2,)."""
        self.known_body(who)
        return self._agent.astype(np.float64)

    def columns(self) -> dict[str, np.ndarray]:
        """The released columns; ``observation`` is agent, target and room for three doors' xy."""
        return {
            "proprio": self._agent.copy(),
            "pos_agent": self._agent.copy(),
            "pos_target": self._goal.copy(),
            "observation": self._observation(),
            "distance_to_target": np.asarray(self._distance()),
        }

    def _observation(self) -> np.ndarray:
        doors = [WALL_CENTRE, DOOR_CENTRE, 0.0, 0.0, 0.0, 0.0]  # two of three doors are not there
        return np.array([*self._agent.tolist(), *self._goal.tolist(), *doors])

    def _distance(self) -> float:
        (x, y), (goal_x, goal_y) = self._agent.tolist(), self._goal.tolist()
        return hypot(x - goal_x, y - goal_y)

    def snapshot(self) -> Snapshot:
        """Agent, goal, the last ``frame_skip`` displacements, colours and disturbances."""
        return {
            "agent": self._agent.copy(),
            "goal": self._goal.copy(),
            "moves": self._moves.copy(),
            "colors": self._colors.copy(),
            "frozen": self._frozen.copy(),
            "ghost": self._ghost.copy(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot exactly.

        Raises:
            UserError: the snapshot is another world's.
        """
        self._check_own(snapshot)
        self._agent = snapshot["agent"].copy()
        self._goal = snapshot["goal"].copy()
        self._moves = snapshot["moves"].copy()
        self._colors = snapshot["colors"].copy()
        self._frozen = snapshot["frozen"].copy()
        self._ghost = snapshot["ghost"].copy()

    def _check_own(self, snapshot: Snapshot) -> None:
        if snapshot.keys() != self.snapshot().keys():
            raise UserError(
                f"This snapshot holds {', '.join(sorted(snapshot)) or 'nothing'}; one of two-room "
                f"holds {', '.join(sorted(self.snapshot()))}. Restore it in the world it came from."
            )

    # images ------------------------------------------------------------------------------------

    def render(self, size: int | None = None, camera: str | None = None) -> np.ndarray:
        """The image now, uint8 (size, size, 3); see ``render_batch``."""
        return self.render_batch([self.snapshot()], size, camera)[0]

    def render_batch(
        self, snapshots: Sequence[Snapshot], size: int | None = None, camera: str | None = None
    ) -> np.ndarray:
        """Images of many snapshots at once, uint8 (N, size, size, 3), as if drawn one by one.

        Raises:
            UsageError: a size beyond 1 to 224 px, or no such camera.
        """
        side = self.picture_size(size, camera)
        positions = np.array([s["agent"] for s in snapshots], np.float64).reshape(-1, 2)
        colors = np.array([s["colors"] for s in snapshots], np.uint8).reshape(-1, 3, 3)
        return draw(positions, colors, side)

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
        """Put the agent in another free place, doorway included, whatever lies in between.

        With ``distance``, 360 directions on a randomly turned grid are tried in random order, those
        less than 90° off ``away_from`` left out; the first free place is taken.

        Raises:
            UsageError: no such body.
            UserError: no direction leads to a free place, or a number is not finite.
        """
        self.known_body(who)
        if distance is None:
            self._agent = places.anywhere(rng, doorway=True)
        else:
            start = self._agent if origin is None else origin
            self._agent = places.at_distance(distance, start, away_from, rng)
        self._moves = np.zeros_like(self._moves)

    def recolor(self, who: str, rgb: tuple[int, int, int]) -> None:
        """Paint agent, background or wall (border lines included) until the next reset.

        Raises:
            UsageError: nothing of that name, or not three whole numbers from 0 to 255.
        """
        self._colors[self._painted(who)] = checked_color(rgb)

    def color(self, who: str) -> tuple[int, int, int]:
        """Red, green and blue of agent, background or wall now."""
        red, green, blue = self._colors[self._painted(who)].tolist()
        return red, green, blue

    def _painted(self, who: str) -> int:
        paintable = (*self.bodies, *self.scenery)
        if who not in paintable:
            raise unknown_name("body or scenery", who, paintable)
        return paintable.index(who)

    def freeze(self, who: str) -> None:
        """Hold a body where it is until the next reset; a teleport still moves it.

        Raises:
            UsageError: no such body.
        """
        self.known_body(who)
        self._frozen[0] = True

    def pass_through(self, who: str) -> None:
        """Let the agent walk through the wall until the next reset; the border lines still hold it.

        Raises:
            UsageError: no such body.
        """
        self.known_body(who)
        self._ghost[0] = True

    # the task ------------------------------------------------------------------------------------

    @property
    def goal(self) -> np.ndarray:
        """The target, x and y in px, float64 (2,)."""
        return self._goal.astype(np.float64)

    def new_goal(self, rng: np.random.Generator) -> None:
        """A target in the other room, at least 125 px of path through the door away.

        So the released data were drawn, as far as their lengths tell: capped at 100 steps, episodes
        of our expert have 91 rows on average, theirs 92. Version 0.1.1 has the rule switched off.
        """
        self._goal = places.goal_for(self._agent, rng)

    def success(self) -> bool:
        """Whether the agent is closer than 16 px to the target, walls not regarded."""
        return self._distance() < SUCCESS_RADIUS

    def aim_at(self, snapshot: Snapshot) -> None:
        """Make the agent's place in a snapshot the target.

        Raises:
            UserError: the snapshot is another world's, or its place is beyond the arena.
        """
        self._check_own(snapshot)
        self._goal = places.given("agent", snapshot["agent"])

    def reached(self, rule: str = "released") -> bool:
        """``released``, or ``strict``: closer than 8 px (CLEAR-LeWM).

        That every crossing be legal, which the strict rule asks as well, is the world's own doing:
        here no step passes a wall.

        Raises:
            UsageError: no such rule.
        """
        if rule == "strict":
            return self._distance() < STRICT_RADIUS
        return super().reached(rule)

    def expert(self, rng: np.random.Generator) -> Policy:
        """The scripted policy of the released data (``two_room_expert``)."""
        return TwoRoomExpert(rng)


def _shown(values: np.ndarray) -> str:
    if values.size <= 4:
        return str(values.tolist())
    return f"of shape {values.shape}"
