"""The World interface: a simulated scene one can ask, photograph and disturb.

A world of one's own needs a name, its quantities, an action space and six methods: ``reset``,
``step``, ``physical_state``, ``snapshot``, ``restore`` and ``render``. Everything else has a
default here. ``README.md`` in this folder has a whole one in under 40 lines, and ``check_world``
says whether it keeps what this interface promises.
"""

from __future__ import annotations

import contextlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, SupportsFloat

import gymnasium as gym
import numpy as np

from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.core.files import content_hash
from lewm_probe.results.cards import Card

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


class NotOffered(UsageError):
    """Something optional was asked of a world that does not have it."""


class Policy(Protocol):
    """Chooses actions; may read the world and set its goal."""

    def __call__(self, world: World) -> np.ndarray:
        """The next action (action width,), float32, within the world's action space.

        Choices are whole numbers of this type.
        """


class World(gym.Env[np.ndarray, np.ndarray], ABC):
    """A gymnasium environment that can also be asked and disturbed.

    Deterministic: the same seed and actions give the same states and images, byte for byte.
    Positions are in the world's own unit. ``step`` advances one environment step; images for
    world models are taken every ``frame_skip`` steps. What is returned is the caller's: later
    steps do not change it.

    Raises:
        UserError: the class lacks something that no world can do without.
    """

    name: ClassVar[str]
    """As registered."""
    card: ClassVar[Card | None] = None
    """How readers see it; without one by its name. A subclass of another name has another one."""
    quantities: ClassVar[Mapping[str, Quantity]]
    """What ``physical_state`` gives. Those of a body are named ``<body>_position`` and so on."""
    action_space: gym.spaces.Box
    """One axis, finite bounds. Where its type is whole numbers, they are choices: discrete actions,
    e.g. ``Box(0, 3, (1,), np.int64)``. They are given to ``step`` as floats all the same."""

    bodies: ClassVar[tuple[str, ...]] = ()
    """What can be teleported, recoloured and frozen, as far as the world offers it."""
    scenery: ClassVar[tuple[str, ...]] = ()
    """What can only be recoloured, e.g. ``background``."""
    permeable: ClassVar[tuple[str, ...]] = ()
    """Bodies that can be made to pass through what they touch."""
    policies: ClassVar[tuple[str, ...]] = ("expert",)
    """Names that ``policy`` takes; ``expert`` is always among them."""
    cameras: ClassVar[tuple[str, ...]] = ("default",)
    native_size: ClassVar[int] = 224
    picture_sizes: ClassVar[tuple[int, int]] = (8, 512)
    """Least and greatest side of an image, px."""
    frame_skip: ClassVar[int] = 5
    replays: ClassVar[bool] = False
    """Whether episodes were recorded, not simulated: ``reset`` then takes the option
    ``trajectory``, (seed, purpose, number, steps); two purposes never share an episode."""
    rules: ClassVar[Mapping[str, int]] = {"released": 1}
    """Success rules that planners are judged by: name → successive steps that one has to hold for.
    ``released`` is that of ``success``."""
    arena: ClassVar[float] = 1.0
    """Width of the reachable area in position units: the scale of teleport doses."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse an unfinished class in words."""
        lacking = sorted(cls.__abstractmethods__)
        lacking += [name for name in ("name", "quantities") if not hasattr(cls, name)]
        if lacking:
            raise UserError(
                f"The world class {cls.__module__}.{cls.__qualname__} lacks {', '.join(lacking)}: "
                "no world can do without. See 'Your own world' in lewm_probe/worlds/README.md for "
                "an example."
            )
        return super().__new__(cls)

    @property
    def fingerprint(self) -> str:
        """The world's part of every cache key: a hash of its class' source, bases included.

        A world that depends on more than its code, on a file say, adds that.
        """
        files = set()
        for kind in type(self).__mro__:
            # A class written at a prompt or in a notebook has no source to look at.
            with contextlib.suppress(TypeError, OSError):
                files.add(inspect.getfile(kind))
        sources = [Path(file).read_bytes() for file in sorted(files)]
        return content_hash(type(self).__qualname__, *sources)

    # gymnasium -----------------------------------------------------------------------------------

    @abstractmethod
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode, undisturbed: the seed alone decides how.

        Args:
            seed: any whole number from 0 up, 64 bits included; None goes on with the world's own
                random stream.
            options: the world's own.
        """
        return super().reset(seed=seed, options=options)

    @abstractmethod
    def step(
        self, action: np.ndarray
    ) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take one action (action width,), float32. Chance in here must be part of ``snapshot``."""
        return super().step(action)

    # asking --------------------------------------------------------------------------------------

    @abstractmethod
    def physical_state(self) -> dict[str, np.ndarray]:
        """Each of ``quantities`` as float64 (axes,), finite."""

    def position(self, who: str) -> np.ndarray:
        """Position of a body, float64 (2,) or (3,), in the world's unit.

        By default the quantity ``<who>_position``.

        Raises:
            UsageError: no such body.
        """
        self.known_body(who)
        if f"{who}_position" not in self.quantities:
            raise NotOffered(
                f"{self.name} does not say where '{who}' is: it has no quantity '{who}_position'. "
                "Give it one, or a method position()."
            )
        return self.physical_state()[f"{who}_position"]

    def columns(self) -> dict[str, np.ndarray]:
        """What a data set keeps of this moment beside pixels and action; by default the quantities.

        Names, shapes and types are always the same.
        """
        return self.physical_state()

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """The full simulator state, velocities, colours, freezes and goal included."""

    @abstractmethod
    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot exactly."""

    # images ------------------------------------------------------------------------------------

    @abstractmethod
    def render(self, size: int | None = None, camera: str | None = None) -> np.ndarray:
        """The image now: uint8 (H, W, 3), H = W = ``size`` (default: native size).

        Raises:
            UsageError: as ``picture_size``.
        """

    def picture_size(self, size: int | None, camera: str | None = None) -> int:
        """The side of the image asked for, px.

        Raises:
            UsageError: a size beyond ``picture_sizes``, or no such camera.
        """
        least, greatest = self.picture_sizes
        size = self.native_size if size is None else size
        if not (isinstance(size, int | np.integer) and least <= size <= greatest):
            raise UsageError(
                f"An image of {size} px cannot be drawn: {self.name} draws squares of {least} to "
                f"{greatest} px. Choose a size in between."
            )
        if camera is not None and camera not in self.cameras:
            raise unknown_name("camera", camera, self.cameras)
        return int(size)

    def render_batch(
        self, snapshots: Sequence[Snapshot], size: int | None = None, camera: str | None = None
    ) -> np.ndarray:
        """Images of many snapshots, uint8 (N, H, W, 3); the world's own state is left alone."""
        if not len(snapshots):
            side = self.picture_size(size, camera)
            return np.zeros((0, side, side, 3), np.uint8)
        here = self.snapshot()
        frames = []
        try:
            for snapshot in snapshots:
                self.restore(snapshot)
                frames.append(self.render(size, camera))
        finally:
            self.restore(here)
        return np.stack(frames)

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
        """Put a body somewhere else that is valid; only that body loses its velocity.

        Without ``distance``, the place is uniform over the valid ones. With it, the place lies at
        that distance from ``origin`` (default: where the body is), and, when ``away_from`` is
        given, in a direction at least 90° from it: a step of the right length the wrong way.

        Raises:
            UsageError: no such body.
            UserError: no valid place was found.
        """
        self.known_body(who)
        raise self.not_offered("teleport", who)

    def color(self, who: str) -> tuple[int, int, int]:
        """Red, green and blue, 0–255, of a body or a piece of scenery now."""
        self.known_body(who, self.scenery)
        raise self.not_offered("color", who)

    def recolor(self, who: str, rgb: tuple[int, int, int]) -> None:
        """Paint a body or a piece of scenery; it stays painted until the next reset."""
        self.known_body(who, self.scenery)
        raise self.not_offered("recolor", who)

    def freeze(self, who: str) -> None:
        """Hold a body where it is, whatever the actions, until the next reset."""
        self.known_body(who)
        raise self.not_offered("freeze", who)

    def pass_through(self, who: str) -> None:
        """Let one of ``permeable`` pass through other bodies and walls until the next reset.

        Raises:
            UsageError: this body cannot.
        """
        if self.permeable and who not in self.permeable:
            raise unknown_name("body that can pass through others", who, self.permeable)
        self.known_body(who)
        raise self.not_offered("pass_through", who)

    def known_body(self, who: str, besides: Sequence[str] = ()) -> None:
        """Check a name.

        Raises:
            UsageError: neither one of ``bodies`` nor ``besides``.
        """
        known = (*self.bodies, *besides)
        if not known:
            raise NotOffered(
                f"{self.name} has nothing that can be disturbed, and '{who}' was asked for. Leave "
                "it out, or name it in the world's bodies."
            )
        if who not in known:
            raise unknown_name("body or scenery" if besides else "body", who, known)

    def not_offered(self, what: str, who: str) -> NotOffered:
        """The error for a method that this world does not have for a body."""
        return NotOffered(
            f"{self.name} does not offer {what} for '{who}'. Leave it out, or give the world's "
            f"class a method {what}()."
        )

    # the task ------------------------------------------------------------------------------------

    @property
    def goal(self) -> Any:
        """What success is measured against; None by default."""
        return None

    def new_goal(self, rng: np.random.Generator) -> None:
        """Pick another goal (fixed-length episodes go on after an arrival)."""

    def success(self) -> bool:
        """Whether the goal is reached now, by the released success rule; never, by default."""
        return False

    def aim_at(self, snapshot: Snapshot) -> None:
        """Make the state in a snapshot the goal; all else stays as it is.

        Raises:
            NotOffered: by default.
            UserError: the snapshot is another world's, or no state to be reached.
        """
        raise NotOffered(
            f"{self.name} does not offer goals that are states: planning needs them. Give the "
            "world's class a method aim_at()."
        )

    def reached(self, rule: str = "released") -> bool:
        """Whether one of ``rules`` holds now; for how long it has to is not looked at.

        Raises:
            UsageError: no such rule.
        """
        if rule not in self.rules:
            raise unknown_name("success rule", rule, self.rules)
        return self.success()

    def expert(self, rng: np.random.Generator) -> Policy:
        """The scripted policy that data is collected with; by default uniform random actions.

        Choices are drawn with equal chances.

        Raises:
            UsageError: by default, if the action space is no Box with finite bounds.
        """
        space = self.action_space
        if not (isinstance(space, gym.spaces.Box) and space.is_bounded()):
            raise UsageError(
                f"{self.name} has the action space {space}, in which no action can be drawn at "
                "random: expected a Box with finite bounds. Give the world's class one, or a "
                "method expert()."
            )

        def act(world: World) -> np.ndarray:
            return rng.uniform(space.low, space.high).astype(np.float32)

        def choose(world: World) -> np.ndarray:
            low, high = space.low.astype(np.int64), space.high.astype(np.int64)
            return rng.integers(low, high, endpoint=True).astype(np.float32)

        return choose if are_choices(space) else act

    def policy(self, name: str, rng: np.random.Generator) -> Policy:
        """One of ``policies``.

        Raises:
            UsageError: no such policy.
        """
        if name != "expert":
            raise unknown_name("policy", name, self.policies)
        return self.expert(rng)


def are_choices(space: gym.Space[Any]) -> bool:
    """Whether actions of a space are discrete: a Box of whole numbers, or a space of choices."""
    return space.dtype is None or space.dtype.kind not in "fc" or not space.shape


def checked_color(rgb: Sequence[int]) -> np.ndarray:
    """A colour as uint8 (3,).

    Raises:
        UsageError: not three whole numbers from 0 to 255.
    """
    color = np.asarray(rgb)
    if (
        color.shape != (3,)
        or color.dtype.kind not in "iu"
        or (color < 0).any()
        or (color > 255).any()
    ):
        raise UsageError(
            f"{rgb} is not a colour: expected red, green and blue as whole numbers from 0 to 255. "
            "Write for example (0, 0, 255) for blue."
        )
    return color.astype(np.uint8)
