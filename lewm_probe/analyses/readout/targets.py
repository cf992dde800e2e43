"""What a probe is asked to read: physical quantities as numbers a regression can fit.

An angle θ of an object that looks the same after a turn by 2π/k is read as (sin kθ, cos kθ), which
has no jump, and as the raw scalar beside it (subject ``<name>_raw``) to compare with the paper. The
change of a quantity from one frame to the next is the subject ``<name>_change``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lewm_probe.core.errors import UserError, unknown_name
from lewm_probe.worlds.base import Quantity, World

NEAR_CONSTANT = 1e-4
"""An axis whose SD is below this share of the quantity's largest magnitude carries no signal."""


@dataclass(frozen=True)
class Target:
    """One checkpoint of a probe.

    Attributes:
        name: checkpoint in the results.
        values: float64 (N, T, K); NaN where a frame has no value (no full history, no step before).
        axes: a name for each of the K columns.
        unit: unit of every column; None for sines and cosines.
        kind: of the quantity: ``position``, ``velocity`` or ``angle`` (sine and cosine).
        symmetry: k, for angles.
    """

    name: str
    values: np.ndarray
    axes: tuple[str, ...]
    unit: str | None
    kind: str
    symmetry: int = 1

    def of(self, trajectories: np.ndarray | slice) -> Target:
        """The same target for some of the trajectories."""
        return replace(self, values=self.values[trajectories])


def check_quantities(names: Iterable[str], quantities: Mapping[str, Quantity]) -> None:
    """Refuse names that a world does not know.

    Raises:
        UsageError: there is one.
    """
    for name in names:
        if name not in quantities:
            raise unknown_name("quantity", name, quantities)


def targets_of(
    state: Mapping[str, np.ndarray], quantities: Mapping[str, Quantity], names: Sequence[str]
) -> list[Target]:
    """Targets for the named quantities of ``state`` {name: (N, T, axes)}.

    An angle yields two targets, sine/cosine and raw.

    Raises:
        UsageError: a name that the world does not know.
        UserError: a quantity that is not finite.
    """
    check_quantities(names, quantities)
    found = []
    for name in names:
        quantity = quantities[name]
        values = np.asarray(state[name], dtype=np.float64)  # (N, T, axes)
        if not np.isfinite(values).all():
            raise UserError(
                f"The quantity {name} is NaN or infinite in some evaluation trajectories. A probe "
                "needs finite values: fix the world's physical_state(), or leave the quantity out "
                "of the suite's probe.quantities."
            )
        if quantity.kind == "angle":
            turned = quantity.symmetry * values
            waves = np.concatenate([np.sin(turned), np.cos(turned)], axis=-1)
            axes = tuple(f"{wave}_{axis}" for wave in ("sin", "cos") for axis in quantity.axes)
            found.append(Target(name, waves, axes, None, "angle", quantity.symmetry))
            found.append(Target(f"{name}_raw", values, quantity.axes, quantity.unit, "position"))
        else:
            found.append(Target(name, values, quantity.axes, quantity.unit, quantity.kind))
    return found


def change_targets(
    state: Mapping[str, np.ndarray], quantities: Mapping[str, Quantity], names: Iterable[str]
) -> list[Target]:
    """Change of each named position and angle since the frame before; NaN at the first frame.

    Angles change by the smallest turn that their symmetry allows. Velocities are left out.
    """
    found = []
    for name in names:
        quantity = quantities[name]
        if quantity.kind == "velocity":
            continue
        values = np.asarray(state[name], dtype=np.float64)
        change = np.full_like(values, np.nan)
        change[:, 1:] = values[:, 1:] - values[:, :-1]
        if quantity.kind == "angle":
            change = wrap(change, 2 * np.pi / quantity.symmetry)
        found.append(Target(f"{name}_change", change, quantity.axes, quantity.unit, "position"))
    return found


def without_history(target: Target, frames: int) -> Target:
    """The target without its first ``frames`` frames, which features with a memory cannot see."""
    values = target.values.copy()
    values[:, :frames] = np.nan
    return replace(target, values=values)


def varying(target: Target) -> tuple[Target | None, list[str]]:
    """The target without its near-constant axes (None when none is left), and their names.

    Sine and cosine stay together: dropping one would lose the angle.
    """
    flat = target.values.reshape(-1, target.values.shape[-1])
    flat = flat[np.isfinite(flat).all(axis=1)]
    magnitude = np.abs(flat).max() if flat.size else 0.0
    spread = flat.std(axis=0) if flat.size else np.zeros(len(target.axes))
    keep = spread > NEAR_CONSTANT * magnitude
    if target.kind == "angle":
        keep = np.full_like(keep, keep.any())
    left_out = [axis for axis, kept in zip(target.axes, keep, strict=True) if not kept]
    if not keep.any():
        return None, left_out
    axes = tuple(axis for axis, kept in zip(target.axes, keep, strict=True) if kept)
    return replace(target, values=target.values[..., keep], axes=axes), left_out


def angle_errors(predicted: np.ndarray, true: np.ndarray, symmetry: int) -> np.ndarray:
    """Absolute angular error in degrees from (…, 2K) sines and cosines → (…, K), at most 180/k."""
    half = true.shape[-1] // 2
    guess = np.arctan2(predicted[..., :half], predicted[..., half:])
    truth = np.arctan2(true[..., :half], true[..., half:])
    return np.degrees(np.abs(wrap(guess - truth, 2 * np.pi))) / symmetry


def body_positions(world: World) -> list[str]:
    """The quantities that say where the bodies are: ``<body>_position``.

    A recorded world has no bodies that could be moved; there, all such places that were recorded
    but for those of goals.
    """
    named = [f"{body}_position" for body in world.bodies]
    if world.replays:
        places = {n for n, q in world.quantities.items() if set(q.axes) <= {"x", "y", "z"}}
        goals = {"goal_position", "target_position"}
        named = sorted(name for name in places - goals if name.endswith("_position"))
    return [name for name in named if name in world.quantities]


def wrap(difference: np.ndarray, period: float) -> np.ndarray:
    """A difference brought into [−period/2, period/2); NaN stays NaN."""
    return (difference + period / 2) % period - period / 2
