import numpy as np

from lewm_probe.analyses.readout.control_tasks import random_cells
from lewm_probe.analyses.readout.targets import Target


def splits(frames=8):
    rng = np.random.default_rng(0)
    return [
        Target("agent_position", rng.uniform(0, 200, (n, frames, 2)), ("x", "y"), "px", "position")
        for n in (200, 20, 20)
    ]


def test_same_cell_same_value():
    train, *_ = found = random_cells(splits(), 4, seed=7)
    state = splits()[0].values
    for axes, edge in ((0, 50), (1, 50)):
        assert abs(np.quantile(state[..., axes], 0.25) - edge) < 5
    inside = (state < 45).all(axis=-1)  # within the lowest cell of both axes
    assert inside.sum() > 10
    assert len(np.unique(train.values[inside], axis=0)) == 1
    assert len(np.unique(np.concatenate([f.values.reshape(-1, 2) for f in found]), axis=0)) == 16


def test_all_splits_share_the_function():
    base = splits()
    copied = [base[0], base[0], base[2]]
    train, validation, _ = random_cells(copied, 5, seed=7)
    np.testing.assert_array_equal(train.values, validation.values)
    assert train.name == "agent_position_random_cells"
    assert (train.unit, train.axes) == (None, ("x", "y"))


def test_cells_hold_equally_many_frames_however_crowded():
    rng = np.random.default_rng(1)
    crowded = Target("q", rng.lognormal(0, 2, (500, 10, 1)), ("x",), "m", "position")
    (train,) = random_cells([crowded], 5, seed=7)
    _, counts = np.unique(train.values, return_counts=True)
    assert len(counts) == 5 and counts.min() > 900


def test_values_are_standard_normal_and_follow_the_seed():
    many = random_cells(splits(), 40, seed=7)[0].values
    assert abs(many.mean()) < 0.1 and abs(many.std() - 1) < 0.1
    np.testing.assert_array_equal(many, random_cells(splits(), 40, seed=7)[0].values)
    assert not np.allclose(many, random_cells(splits(), 40, seed=8)[0].values)


def test_frames_without_a_value_stay_without():
    base = splits()
    base[0].values[:, :2] = np.nan
    train, *_ = random_cells(base, 4, seed=7)
    assert np.isnan(train.values[:, :2]).all() and np.isfinite(train.values[:, 2:]).all()
