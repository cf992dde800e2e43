from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.core.errors import UserError
from lewm_probe.data.collect import collect
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.quantities import RELEASED, data_quantities, released_world, resolved
from lewm_probe.worlds import make_world
from lewm_probe.worlds.base import Quantity

GOLDEN = Path(__file__).parents[1] / "golden" / "released_layout.h5"


@pytest.mark.parametrize("world", RELEASED)
def test_each_released_layout_is_known_by_its_columns(released: Callable, world: str) -> None:
    with open_episodes(released(world)) as data:
        assert data.attrs == {}
        assert data.chunk_rows == 100
        assert released_world(data) == world
        found = data_quantities(data)
        assert set(found) == set(RELEASED[world])
        for name, source in found.items():
            values = source.values(data.episode(1, [source.column])[source.column], 5)
            assert values.shape == (70, len(source.quantity.axes)), name
            assert values.dtype == np.float64
            assert np.isfinite(values).all()


def test_push_t_state_is_taken_apart(released: Callable) -> None:
    path = released("push-t")
    with h5py.File(path) as file:
        state = file["state"][130:200].astype(np.float64)
    with open_episodes(path) as data:
        assert data.episode_column == "episode_idx"
        found = data_quantities(data)
        columns = {"agent_position": [0, 1], "block_position": [2, 3], "block_angle": [4]}
        for name, numbers in {**columns, "agent_velocity": [5, 6]}.items():
            values = found[name].values(data.episode(1, ["state"])["state"], 5)
            np.testing.assert_array_equal(values, state[:, numbers])


@pytest.mark.parametrize("world", ["two-room", "push-t"])
def test_names_units_and_kinds_are_the_simulated_worlds(world: str) -> None:
    simulated = make_world(world).quantities
    for name, source in RELEASED[world].items():
        assert source.quantity == simulated[name]


@pytest.mark.parametrize("world", ["two-room", "push-t"])
def test_values_are_the_simulated_worlds(tmp_path: Path, world: str) -> None:
    """Oracle: the recorded actions replayed in the simulator, from the recorded start."""
    path = tmp_path / "own.h5"
    collect(world, 2, path, size=8, length=40, seed=4)
    live = make_world(world)
    with open_episodes(path) as data:
        assert released_world(data) == world
        columns = data.episode(1)
        if world == "two-room":
            places = {"agent": columns["pos_agent"][0], "goal": columns["pos_target"][0]}
        else:
            places = {"state": columns["state"][0]}
        live.reset(seed=0, options=places)
        for step in range(20):
            truth = live.physical_state()
            for name, source in data_quantities(data).items():
                values = source.values(columns[source.column], live.frame_skip)
                np.testing.assert_allclose(values[step], truth[name], atol=2e-3, err_msg=name)
            live.step(columns["action"][step])


def test_the_golden_file_is_of_no_world_but_has_its_columns() -> None:
    with open_episodes(GOLDEN) as data:
        assert released_world(data) is None
        found = data_quantities(data)
    assert {name: s.quantity for name, s in found.items()} == {"proprio": Quantity("", ("x", "y"))}
    assert found["proprio"].words() == "x, y, no unit given, from proprio"


def test_words() -> None:
    assert RELEASED["two-room"]["agent_velocity"].words() == (
        "x, y in px/step (velocity), displacement in pos_agent"
    )
    assert RELEASED["ogb-cube"]["block_yaw"].words() == (
        "yaw in rad (angle, symmetry 4), from privileged_block_0_yaw"
    )


def test_a_data_set_declares_its_own(written: Callable, episode: Callable) -> None:
    path = written([episode(12), episode(9)])
    declared = {
        "reach": {"column": "pos_agent", "unit": "m", "first": 1, "axes": ["height"]},
        "pos_agent": {"kind": "velocity"},
    }
    with h5py.File(path, "r+") as file:
        file.attrs["quantities"] = json.dumps(declared)
    with open_episodes(path) as data:
        found = data_quantities(data)
        assert found["reach"].quantity == Quantity("m", ("height",))
        assert found["pos_agent"].quantity == Quantity("", ("x", "y"), "velocity")
        stored = data.read("pos_agent")
        np.testing.assert_array_equal(found["reach"].values(stored, 5), stored[:, 1:])


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            "{",
            "The attribute 'quantities' of PATH is not JSON that can be read. Convert the data set "
            "again from its source.",
        ),
        (
            '{"a": {"column": "pos_agent", "first": 1, "axes": ["x", "y"]}}',
            "The quantity 'a' of PATH asks for 2 numbers of column 'pos_agent' from number 1 on, "
            "but its rows hold 2. Fix column, first or axes in its quantities. Columns: action, "
            "ep_idx, pixels, pos_agent, step_idx.",
        ),
        (
            '{"pixels": {}}',
            "The quantity 'pixels' of PATH asks for any numbers of column 'pixels' from number 0 "
            "on, but its rows hold 0. Fix column, first or axes in its quantities. Columns: "
            "action, ep_idx, pixels, pos_agent, step_idx.",
        ),
        (
            '{"a": {"colum": "pos_agent"}}',
            "The attribute 'quantities' of PATH has an unknown key 'quantities.a.colum'. Did you "
            "mean 'column'? Known keys there: axes, column, first, kind, symmetry, unit.",
        ),
        (
            "[]",
            "The attribute 'quantities' of PATH must be a mapping of keys to values, not a list.",
        ),
    ],
)
def test_a_wrong_declaration(
    written: Callable, episode: Callable, declared: str, message: str
) -> None:
    path = written([episode(12)])
    with h5py.File(path, "r+") as file:
        file.attrs["quantities"] = declared
    with open_episodes(path) as data, pytest.raises(UserError) as error:
        data_quantities(data)
    assert str(error.value) == message.replace("PATH", str(path))


UNIT = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)


@given(UNIT, st.integers(0, 3), st.sampled_from([1, -1]))
def test_rotations_that_look_alike_give_one_quaternion(
    parts: list[float], turns: int, sign: int
) -> None:
    q = np.array(parts) / np.linalg.norm(parts)
    w, x, y, z = q
    c, s = np.cos(turns * np.pi / 4), np.sin(turns * np.pi / 4)
    turned = sign * np.array([w * c - z * s, x * c + y * s, y * c - x * s, z * c + w * s])
    one, other = resolved(q), resolved(turned)
    assert np.linalg.norm(one) == pytest.approx(1)
    assert one[0] == pytest.approx(other[0])  # the greatest w, though a tie has two of them
    best = np.hypot(w, z)  # w under any turn about z: |w + iz|, within an eighth of a turn
    assert best * np.cos(np.pi / 4) - 1e-9 <= one[0] <= best + 1e-9
