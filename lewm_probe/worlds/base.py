"""The World interface: a simulated scene one can ask, photograph and disturb."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import gymnasium as gym
import numpy as np

from lewm_probe.errors import UsageError, unknown_name

Snapshot = dict[str, np.ndarray]
"""A full simulator state as named arrays; ``restore`` gives back exactly what was saved."""


@dataclass(frozen=True)
class Quantity:
    """A physical quantity a world can be asked for.

    Attributes:
        unit: unit of every axis, e.g. ``px``, ``px/step``, ``rad``.
        axes: a name for each axis, e.g. ``("x", "y")``.
        kind: ``position`` and other scalars or vectors; ``velocity`` (read from three successive
            latents); ``angle`` (read as sine and cosine of symmetry × angle).
        symmetry: the object looks the same after a turn by 2π / symmetry (angles only).
    """

    unit: str
    axes: tuple[str, ...]
    kind: Literal["position", "velocity", "angle"] = "position"
    symmetry: int = 1


class Policy(Protocol):
    """Chooses actions; may read the world and set its goal."""

    def __call__(self, world: World) -> np.ndarray:
        """The next action (action width,), float32, within the world's action space."""


class World(gym.Env[np.ndarray, np.ndarray]):
    """A gymnasium environment that can also be asked and disturbed.

    Deterministic: the same seed and actions give the same states and pictures, byte for byte.
    Positions are in the world's own unit. ``step`` advances one environment step; pictures for
    world models are taken every ``frame_skip`` steps.
    """

    name: ClassVar[str]
    bodies: ClassVar[tuple[str, ...]]
    """What can be teleported, recoloured and frozen."""
    scenery: ClassVar[tuple[str, ...]] = ()
    """What can only be recoloured, e.g. ``background``."""
    permeable: ClassVar[tuple[str, ...]] = ()
    """Bodies that can be made to pass through what they touch."""
    policies: ClassVar[tuple[str, ...]] = ("expert",)
    """Names that ``policy`` takes; ``expert`` is always among them."""
    quantities: ClassVar[Mapping[str, Quantity]]
    cameras: ClassVar[tuple[str, ...]] = ("default",)
    native_size: ClassVar[int] = 224
    frame_skip: ClassVar[int] = 5
    arena: ClassVar[float]
    """Width of the reachable area in position units: the scale of teleport doses."""

    @abstractmethod
    def physical_state(self) -> dict[str, np.ndarray]:
        """Each of ``quantities`` as float64 (axes,)."""

    @abstractmethod
    def position(self, who: str) -> np.ndarray:
        """Position of a body, float64 (2,) or (3,), in the world's unit."""

    @abstractmethod
    def columns(self) -> dict[str, np.ndarray]:
        """The released data set's columns for this moment, beside pixels and action."""

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """The full simulator state, velocities, colours, freezes and goal included."""

    @abstractmethod
    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot exactly."""

    @abstractmethod
    def render(self, size: int | None = None, camera: str | None = None) -> np.ndarray:
        """The picture now: uint8 (H, W, 3), H = W = ``size`` (default: native size)."""

    def render_batch(
        self, snapshots: Sequence[Snapshot], size: int | None = None, camera: str | None = None
    ) -> np.ndarray:
        """Pictures of many snapshots, uint8 (N, H, W, 3); the world's own state is left alone."""
        here = self.snapshot()
        frames = []
        for snapshot in snapshots:
            self.restore(snapshot)
            frames.append(self.render(size, camera))
        self.restore(here)
        return np.stack(frames)

    @abstractmethod
    def teleport(
        self,
        who: str,
        rng: np.random.Generator,
        distance: float | None = None,
        *,
        origin: np.ndarray | None = None,
        away_from: np.ndarray | None = None,
    ) -> None:
        """Put a body somewhere else that is valid; only that body loses its velocity.

        Without ``distance``, the place is uniform over the valid ones. With it, the place lies at
        that distance from ``origin`` (default: where the body is), and, when ``away_from`` is
        given, in a direction at least 90° from it: a step of the right length the wrong way.

        Raises:
            UsageError: no such body.
            UserError: no valid place was found.
        """

    @abstractmethod
    def color(self, who: str) -> tuple[int, int, int]:
        """Red, green and blue, 0–255, of a body or a piece of scenery now."""

    @abstractmethod
    def recolor(self, who: str, rgb: tuple[int, int, int]) -> None:
        """Paint a body or a piece of scenery; it stays painted until the next reset."""

    @abstractmethod
    def freeze(self, who: str) -> None:
        """Hold a body where it is, whatever the actions, until the next reset."""

    def pass_through(self, who: str) -> None:
        """Let one of ``permeable`` pass through other bodies and walls until the next reset.

        Raises:
            UsageError: this body cannot.
        """
        raise unknown_name("body that can pass through others", who, self.permeable)

    @property
    @abstractmethod
    def goal(self) -> Any:
        """What success is measured against."""

    @abstractmethod
    def new_goal(self, rng: np.random.Generator) -> None:
        """Pick another goal (fixed-length episodes go on after an arrival)."""

    @abstractmethod
    def success(self) -> bool:
        """Whether the goal is reached now, by the released success rule."""

    @abstractmethod
    def expert(self, rng: np.random.Generator) -> Policy:
        """The scripted policy that data is collected with."""

    def policy(self, name: str, rng: np.random.Generator) -> Policy:
        """One of ``policies``.

        Raises:
            UsageError: no such policy.
        """
        if name != "expert":
            raise unknown_name("policy", name, self.policies)
        return self.expert(rng)


def checked_color(rgb: Sequence[int]) -> np.ndarray:
    """A colour as uint8 (3,).

    Raises:
        UsageError: not three whole numbers from 0 to 255.
    """
    color = np.asarray(rgb)
    if color.shape != (3,) or color.dtype.kind not in "iu" or (color < 0).any() or (color > 255).any():
        raise UsageError(
            f"{rgb} is not a colour: expected red, green and blue as whole numbers from 0 to 255. "
            "Write for example (0, 0, 255) for blue."
        )
    return color.astype(np.uint8)
