import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from lewm_probe.analyses.readout.linear import fit_linear
from lewm_probe.analyses.readout.settings import Linear
from lewm_probe.core.errors import UserError


def data(n=30, frames=8, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(2, 3, size=(n, frames, 6)).astype(np.float32)
    mix = rng.normal(size=(6, 2))
    return features, features @ mix + 50 + noise * rng.normal(size=(n, frames, 2))


def test_reads_what_is_linear():
    features, target = data(noise=0)
    probe = fit_linear(features, target, Linear())
    np.testing.assert_allclose(probe.predict(features), target, atol=1e-3)


def test_against_scikit_learn():
    """Strength by hand: cross-validated mean squared error over whole trajectories."""
    features, target = data(n=12, noise=4.0)
    settings = Linear(alphas=(0.1, 10.0, 100.0, 1000.0), folds=4)
    x = StandardScaler().fit_transform(features.reshape(-1, 6).astype(float))
    y_scaler = StandardScaler().fit(target.reshape(-1, 2))
    y = y_scaler.transform(target.reshape(-1, 2))
    groups = np.repeat(np.arange(12), 8)
    errors = [
        cross_val_score(
            Ridge(a), x, y, groups=groups, cv=GroupKFold(4), scoring="neg_mean_squared_error"
        ).mean()
        for a in settings.alphas
    ]
    best = settings.alphas[int(np.argmax(errors))]
    expected = y_scaler.inverse_transform(Ridge(best).fit(x, y).predict(x))
    probe = fit_linear(features, target, settings)
    assert probe.alpha == best
    np.testing.assert_allclose(probe.predict(features).reshape(-1, 2), expected, rtol=1e-6)


def test_one_column_and_frames_without_a_target():
    features, target = data(noise=0)
    target = target[..., :1]
    known = target.copy()
    target[:, :3] = np.nan
    features[:, :3] = 1e6  # would ruin the scaling if it were looked at
    probe = fit_linear(features, target, Linear())
    np.testing.assert_allclose(probe.predict(features)[:, 3:], known[:, 3:], atol=1e-3)


def test_units_of_the_features_do_not_matter():
    features, target = data()
    scaled = features.astype(float) * [1e-3, 1, 1e3, 1, 1, 1]
    first, second = (fit_linear(f, target, Linear()).predict(f) for f in (features, scaled))
    np.testing.assert_allclose(first, second, rtol=1e-6)


def test_fewer_trajectories_than_folds():
    features, target = data(n=3, noise=0)
    probe = fit_linear(features, target, Linear(folds=5))
    np.testing.assert_allclose(probe.predict(features), target, atol=0.1)


def test_collapsed_features_read_the_mean():
    _, target = data()
    features = np.full((30, 8, 6), 0.25, dtype=np.float32)
    probe = fit_linear(features, target, Linear())
    np.testing.assert_allclose(
        probe.predict(features), np.broadcast_to(target.mean((0, 1)), target.shape)
    )


def test_one_trajectory_is_not_enough():
    features, target = data(n=1)
    with pytest.raises(UserError) as error:
        fit_linear(features, target, Linear())
    assert str(error.value) == (
        "A linear probe was given 1 training trajectories with a target; cross-validation over "
        "trajectories needs at least 2. Raise probe.train in the suite."
    )
