import numpy as np
import pytest

from lewm_probe.analyses.readout.targets import (
    Target,
    angle_errors,
    body_positions,
    change_targets,
    targets_of,
    varying,
    without_history,
    wrap,
)
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import Quantity

QUANTITIES = {
    "agent_position": Quantity("px", ("x", "y")),
    "agent_velocity": Quantity("px/step", ("x", "y"), "velocity"),
    "cube_yaw": Quantity("rad", ("yaw",), "angle", symmetry=4),
}


def state(n=3, frames=6):
    rng = np.random.default_rng(0)
    return {
        "agent_position": rng.uniform(0, 200, (n, frames, 2)),
        "agent_velocity": rng.normal(size=(n, frames, 2)),
        "cube_yaw": rng.uniform(-np.pi, np.pi, (n, frames, 1)),
    }


def test_positions_keep_their_unit():
    values = state()
    (target,) = targets_of(values, QUANTITIES, ["agent_position"])
    assert (target.name, target.axes, target.unit) == ("agent_position", ("x", "y"), "px")
    np.testing.assert_array_equal(target.values, values["agent_position"])


def test_angles_become_waves_and_stay_beside_as_they_are():
    values = state()
    waves, raw = targets_of(values, QUANTITIES, ["cube_yaw"])
    assert (waves.name, waves.axes, waves.unit) == ("cube_yaw", ("sin_yaw", "cos_yaw"), None)
    np.testing.assert_allclose(waves.values[..., 0], np.sin(4 * values["cube_yaw"][..., 0]))
    np.testing.assert_allclose(waves.values[..., 1], np.cos(4 * values["cube_yaw"][..., 0]))
    assert (raw.name, raw.unit, raw.kind) == ("cube_yaw_raw", "rad", "position")
    np.testing.assert_array_equal(raw.values, values["cube_yaw"])


def test_what_looks_the_same_is_the_same_target():
    values = state()
    turned = {**values, "cube_yaw": values["cube_yaw"] + np.pi / 2}
    first, second = (targets_of(v, QUANTITIES, ["cube_yaw"])[0] for v in (values, turned))
    np.testing.assert_allclose(first.values, second.values, atol=1e-12)


@pytest.mark.parametrize("symmetry", [1, 2, 4])
@pytest.mark.parametrize("off", [0.0, 7.0, -30.0])
def test_angle_errors_are_degrees_of_the_object(symmetry, off):
    theta = np.random.default_rng(1).uniform(-np.pi, np.pi, (5, 4, 1))
    guess = symmetry * (theta + np.radians(off))
    true = symmetry * theta
    waves = [np.concatenate([np.sin(a), np.cos(a)], axis=-1) for a in (3.0 * guess, true)]
    waves[0] = np.concatenate([2.5 * np.sin(guess), 2.5 * np.cos(guess)], axis=-1)  # any length
    np.testing.assert_allclose(angle_errors(*waves, symmetry), abs(off), atol=1e-9)


def test_angle_errors_end_at_half_a_turn():
    true = np.array([[0.0, 1.0]])
    np.testing.assert_allclose(angle_errors(-true, true, 4), [[45.0]])


def test_changes():
    values = state()
    position, yaw = change_targets(values, QUANTITIES, list(QUANTITIES))  # none of the velocity
    assert (position.name, position.unit) == ("agent_position_change", "px")
    assert np.isnan(position.values[:, 0]).all()
    np.testing.assert_allclose(position.values[:, 1:], np.diff(values["agent_position"], axis=1))
    assert (yaw.name, yaw.unit, yaw.axes) == ("cube_yaw_change", "rad", ("yaw",))
    assert np.nanmax(np.abs(yaw.values)) <= np.pi / 4  # symmetry 4


def test_change_of_an_angle_crosses_the_seam():
    seam = {"cube_yaw": np.array([3.1, -3.1]).reshape(1, 2, 1)}
    quantities = {"cube_yaw": Quantity("rad", ("yaw",), "angle")}
    (change,) = change_targets(seam, quantities, ["cube_yaw"])
    assert change.values[0, 1, 0] == pytest.approx(2 * np.pi - 6.2)


def test_wrap():
    np.testing.assert_allclose(wrap(np.array([0.0, 3.0, -3.0, 5.0]), 4.0), [0, -1, 1, 1])


def test_early_frames_can_be_left_out():
    (target,) = targets_of(state(), QUANTITIES, ["agent_velocity"])
    late = without_history(target, 2)
    assert np.isnan(late.values[:, :2]).all()
    np.testing.assert_array_equal(late.values[:, 2:], target.values[:, 2:])
    assert np.isfinite(target.values).all()  # untouched


def test_near_constant_axes_are_left_out_by_name():
    rng = np.random.default_rng(2)
    values = np.stack([rng.uniform(0, 200, (9, 5)), 100 + 1e-3 * rng.normal(size=(9, 5))], axis=-1)
    target = Target("agent_position", values, ("x", "y"), "px", "position")
    kept, left_out = varying(target)
    assert kept is not None and kept.axes == ("x",) and kept.values.shape == (9, 5, 1)
    assert left_out == ["y"]


def test_nothing_may_be_left():
    still = Target("goal_position", np.full((4, 5, 2), 112.0), ("x", "y"), "px", "position")
    assert varying(still) == (None, ["x", "y"])
    zero = Target("goal_position", np.zeros((4, 5, 2)), ("x", "y"), "px", "position")
    assert varying(zero) == (None, ["x", "y"])


def test_sine_and_cosine_stay_together():
    theta = 1e-5 * np.random.default_rng(3).normal(size=(4, 5, 1))
    waves = np.concatenate([np.sin(theta) + np.linspace(0, 1, 5)[:, None], np.cos(theta)], axis=-1)
    kept, left_out = varying(Target("yaw", waves, ("sin_yaw", "cos_yaw"), None, "angle"))
    assert kept is not None and kept.axes == ("sin_yaw", "cos_yaw") and left_out == []


def test_positions_of_the_bodies():
    assert body_positions(make_world("two-room")) == ["agent_position"]


def test_an_unknown_quantity():
    with pytest.raises(UsageError) as error:
        targets_of(state(), QUANTITIES, ["agent_positon"])
    assert str(error.value) == (
        "Unknown quantity 'agent_positon'. Did you mean 'agent_position'? "
        "Known: agent_position, agent_velocity, cube_yaw."
    )


def test_a_quantity_that_is_not_finite():
    values = state()
    values["cube_yaw"][1, 2] = np.inf
    with pytest.raises(UserError) as error:
        targets_of(values, QUANTITIES, ["cube_yaw"])
    assert str(error.value) == (
        "The quantity cube_yaw is NaN or infinite in some evaluation trajectories. A probe needs "
        "finite values: fix the world's physical_state(), or leave the quantity out of the "
        "suite's probe.quantities."
    )
