import numpy as np
from sklearn.preprocessing import StandardScaler

from lewm_probe.analyses.readout.scaling import Scaler, flatten_frames


def test_like_scikit_learn_and_back():
    rows = np.random.default_rng(0).normal(3, 2, size=(50, 4))
    scaler = Scaler.fit(rows)
    scaled = scaler.apply(rows)
    np.testing.assert_allclose(scaled, StandardScaler().fit_transform(rows))
    np.testing.assert_allclose(scaler.undo(scaled), rows)


def test_a_constant_axis_keeps_its_scale():
    scaler = Scaler.fit(np.full((10, 1), 5.0))
    np.testing.assert_allclose(scaler.apply(np.array([[6.0]])), [[1.0]])


def test_frames_without_a_target_are_left_out():
    features = np.arange(12.0).reshape(2, 3, 2)
    target = np.arange(6.0).reshape(2, 3, 1)
    target[0, 0] = target[1, 2] = np.nan
    x, y, whose = flatten_frames(features, target)
    np.testing.assert_array_equal(x, [[2, 3], [4, 5], [6, 7], [8, 9]])
    np.testing.assert_array_equal(y[:, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(whose, [0, 0, 1, 1])
