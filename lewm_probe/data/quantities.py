"""Which physical quantities a data set holds: column names turned into names, axes and units.

Three sources, the first that applies:

1. the data set's own words, its attribute ``quantities`` (``Declared`` for each name, as JSON),
   which folders get from ``quantities.yaml`` and which ``data convert`` carries along;
2. the released layouts (stable-worldmodel 0.1.1), told apart by their columns; the same names and
   units as in the simulated world, where there is one;
3. otherwise every column of numbers is a quantity without a unit, a velocity if its name says so.

Quaternions come with sign and symmetry resolved: q and −q are one rotation, and a single-coloured
cube looks alike after a quarter turn about its own z axis, so of these eight the one with the
greatest w is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from lewm_probe.core.config import Config, parse
from lewm_probe.core.errors import UserError
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.hdf5.layout import EPISODE_COLUMNS
from lewm_probe.worlds.base import Quantity

Kind = Literal["position", "velocity", "angle"]
Rule = Literal["stored", "moved", "quaternion"]
ATTRIBUTE = "quantities"
WIDEST = 64
"""Axes beyond which a column without a declaration is no quantity but raw numbers."""
_NO_QUANTITIES = ("pixels", "action", "step_idx", *EPISODE_COLUMNS)


class Declared(Config):
    """What a data set says of one quantity, in ``quantities.yaml`` or its attributes.

    Attributes:
        unit: of every axis; empty where nobody knows.
        column: the column it stands in (default: the one of the quantity's name).
        first: the first of the column's numbers that belong to it.
        axes: a name for each axis (default: all from ``first`` on, ``x y z`` up to three).
        kind: ``position``, ``velocity`` or ``angle`` (radians).
        symmetry: an angle's object looks the same after a turn by 2π / symmetry.
    """

    unit: str = Field("", max_length=40)
    column: str | None = None
    first: int = Field(0, ge=0)
    axes: tuple[str, ...] | None = Field(None, min_length=1, max_length=WIDEST)
    kind: Kind = "position"
    symmetry: int = Field(1, ge=1, le=360)


class _Declarations(Config):
    quantities: dict[str, Declared]


@dataclass(frozen=True)
class Source:
    """Where a quantity stands: numbers ``first`` to ``first + len(axes)`` of a column's rows.

    ``moved`` is the mean displacement a row over the last frame-skip rows (fewer rows count as
    rest), as the simulated worlds give velocity; ``quaternion`` resolves sign and quarter turns.
    """

    quantity: Quantity
    column: str
    first: int = 0
    rule: Rule = "stored"

    def values(self, column: np.ndarray, frame_skip: int) -> np.ndarray:
        """The quantity, float64 (L, axes), from an episode's rows of the column, (L, …)."""
        flat = np.asarray(column, np.float64).reshape(len(column), -1)
        own = flat[:, self.first : self.first + len(self.quantity.axes)]
        if self.rule == "quaternion":
            return resolved(own)
        if self.rule == "moved":
            before = np.maximum(np.arange(len(own)) - frame_skip, 0)
            return (own - own[before]) / frame_skip
        return own

    def words(self) -> str:
        """In one line, e.g. ``x, y in px, from pos_agent``."""
        quantity = self.quantity
        unit = f" in {quantity.unit}" if quantity.unit else ", no unit given"
        turn = f", symmetry {quantity.symmetry}" if quantity.symmetry > 1 else ""
        kind = "" if quantity.kind == "position" else f" ({quantity.kind}{turn})"
        rule = {"stored": "from", "moved": "displacement in", "quaternion": "sign resolved, from"}
        return f"{', '.join(quantity.axes)}{unit}{kind}, {rule[self.rule]} {self.column}"


Layout = Mapping[str, Source]


def _source(
    unit: str,
    axes: str,
    column: str,
    first: int = 0,
    kind: Kind = "position",
    symmetry: int = 1,
    rule: Rule = "stored",
) -> Source:
    return Source(Quantity(unit, tuple(axes.split()), kind, symmetry), column, first, rule)


_CUBE, _JOINTS = "privileged_block_0_", "shoulder_pan shoulder_lift elbow wrist_1 wrist_2 wrist_3"
RELEASED: Mapping[str, Layout] = {
    "push-t": {
        "agent_position": _source("units", "x y", "state"),
        "agent_velocity": _source("units/s", "x y", "state", 5, "velocity"),
        "block_position": _source("units", "x y", "state", 2),
        "block_angle": _source("rad", "angle", "state", 4, "angle"),
    },
    "two-room": {
        "agent_position": _source("px", "x y", "pos_agent"),
        "agent_velocity": _source("px/step", "x y", "pos_agent", 0, "velocity", rule="moved"),
        "goal_position": _source("px", "x y", "pos_target"),
    },
    "ogb-cube": {
        "joint_position": _source("rad", _JOINTS, "proprio_joint_pos"),
        "joint_velocity": _source("rad/s", _JOINTS, "proprio_joint_vel", 0, "velocity"),
        "effector_position": _source("m", "x y z", "proprio_effector_pos"),
        "effector_yaw": _source("rad", "yaw", "proprio_effector_yaw", 0, "angle"),
        "gripper_opening": _source("0 to 1", "opening", "proprio_gripper_opening"),
        "gripper_velocity": _source("rad/s", "driver", "proprio_gripper_vel", 0, "velocity"),
        "gripper_contact": _source("0 to 1", "contact", "proprio_gripper_contact"),
        "block_position": _source("m", "x y z", _CUBE + "pos"),
        "block_quaternion": _source("1", "w x y z", _CUBE + "quat", rule="quaternion"),
        "block_yaw": _source("rad", "yaw", _CUBE + "yaw", 0, "angle", 4),
    },
    "reacher": {
        "joint_angle": _source("rad", "shoulder wrist", "qpos", 0, "angle"),
        "joint_velocity": _source("rad/s", "shoulder wrist", "qvel", 0, "velocity"),
        "finger_position": _source("m", "x y", "finger_pos"),
        "target_position": _source("m", "x y", "target_pos"),
    },
}
"""Column → quantity in each released layout (the data of arXiv 2603.19312)."""

WIDTHS: Mapping[str, Mapping[str, int]] = {
    "push-t": {"action": 2, "state": 7, "proprio": 4},
    "two-room": {"action": 2, "pos_agent": 2, "pos_target": 2},
    "ogb-cube": {"action": 5, _CUBE + "pos": 3, "proprio_effector_pos": 3},
    "reacher": {"action": 2, "qpos": 2, "qvel": 2},
}
"""Columns by which a released layout is known, and how many numbers a row of each holds."""
_OWN_COLUMNS = {"reacher": ("finger_pos", "target_pos")}  # of a width not known for sure
_VARIANTS = {"push-t-gym": "push-t"}  # worlds with another's columns


def released_world(data: Episodes) -> str | None:
    """The world whose released layout this is: as the data set says, else by its columns.

    >>> from lewm_probe.data.formats.registry import open_episodes
    >>> with open_episodes("tests/golden/released_layout.h5") as data:
    ...     print(released_world(data))
    None
    """
    named = _VARIANTS.get(data.world or "", data.world or "")
    if named in WIDTHS and _fits(data, named):
        return named
    return next((world for world in WIDTHS if _fits(data, world)), None)


def data_quantities(data: Episodes) -> dict[str, Source]:
    """The physical quantities of a data set, by name.

    Raises:
        UserError: the data set declares a quantity that its columns do not hold.
    """
    if ATTRIBUTE in data.attrs:
        return _declared(data)
    world = released_world(data)
    if world is not None:
        layout = RELEASED[world]
        return {n: s for n, s in layout.items() if _width(data, s.column) >= _end(s)}
    return _undeclared(data)


def parse_declarations(raw: object, where: str) -> dict[str, Declared]:
    """Check the declarations of ``quantities.yaml``; ``where`` names it in errors.

    Raises:
        UsageError: an unknown key, or a value of the wrong type.
    """
    if not isinstance(raw, dict):
        parse(raw, _Declarations, where)  # says what is wrong
    return parse({"quantities": raw}, _Declarations, where).quantities


def declarations_json(declared: Mapping[str, Declared]) -> str:
    """Declarations as the attribute that carries them."""
    return json.dumps({n: d.model_dump(exclude_defaults=True) for n, d in declared.items()})


def resolved(quaternion: np.ndarray) -> np.ndarray:
    """Of the eight quaternions (…, wxyz) that look like each one, that with the greatest w.

    >>> half_turn = np.array([0.0, 0.0, 0.0, -1.0])  # about z: like no turn at all
    >>> np.abs(resolved(half_turn)).round(6).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    half = np.arange(4) * np.pi / 4
    c, s = np.cos(half), np.sin(half)
    turned = np.stack(  # q · (c, 0, 0, s)
        [
            w[..., None] * c - z[..., None] * s,
            x[..., None] * c + y[..., None] * s,
            y[..., None] * c - x[..., None] * s,
            z[..., None] * c + w[..., None] * s,
        ],
        axis=-1,
    )  # (…, 4 turns, wxyz)
    both = np.concatenate([turned, -turned], axis=-2)
    best = both[..., 0].argmax(axis=-1)
    return np.take_along_axis(both, best[..., None, None], axis=-2)[..., 0, :]


def _fits(data: Episodes, world: str) -> bool:
    widths = WIDTHS[world].items()
    return all(_width(data, column) == width for column, width in widths) and all(
        column in data.columns for column in _OWN_COLUMNS.get(world, ())
    )


def _width(data: Episodes, column: str) -> int:
    """Numbers in a row of a column; 0 without it."""
    if column not in data.columns:
        return 0
    return int(np.prod(data.row_type(column)[1], dtype=np.int64))


def _end(source: Source) -> int:
    return source.first + len(source.quantity.axes)


def _declared(data: Episodes) -> dict[str, Source]:
    where = f"The attribute '{ATTRIBUTE}' of {data.path}"
    try:
        raw = json.loads(str(data.attrs[ATTRIBUTE]))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{where} is not JSON that can be read. Convert the data set again from its source."
        ) from error
    found = {}
    for name, declared in parse_declarations(raw, where).items():
        column = declared.column or name
        width = _width(data, column) if column not in _NO_QUANTITIES else 0
        axes = declared.axes or _axes(width - declared.first)
        if not axes or declared.first + len(axes) > width:
            raise UserError(
                f"The quantity '{name}' of {data.path} asks for {len(axes) or 'any'} numbers of "
                f"column '{column}' from number {declared.first} on, but its rows hold {width}. "
                f"Fix column, first or axes in its quantities. Columns: {', '.join(data.columns)}."
            )
        quantity = Quantity(declared.unit, tuple(axes), declared.kind, declared.symmetry)
        found[name] = Source(quantity, column, declared.first)
    return found


def _undeclared(data: Episodes) -> dict[str, Source]:
    found = {}
    for name in data.columns:
        width = _width(data, name)
        kind = data.row_type(name)[0].kind
        if name in _NO_QUANTITIES or kind != "f" or not 1 <= width <= WIDEST:
            continue
        moving = "velocity" in name or name.endswith(("vel", "_speed"))
        quantity = Quantity("", _axes(width), "velocity" if moving else "position")
        found[name] = Source(quantity, name)
    return found


def _axes(width: int) -> tuple[str, ...]:
    if width == 1:
        return ("value",)
    if width <= 3:
        return ("x", "y", "z")[: max(width, 0)]
    return tuple(str(axis) for axis in range(width))
