import numpy as np
import pytest
import torch
from torch import nn

from lewm_probe.analyses.readout.mlp import fit_mlps
from lewm_probe.analyses.readout.settings import Mlp
from lewm_probe.analyses.readout.targets import Target, without_history

SETTINGS = Mlp(hidden=(32, 32), max_epochs=25, batch=64, seeds=2)


def data(n, seed):
    """Features a curved function of a state that a line cannot undo."""
    rng = np.random.default_rng(seed)
    state = rng.uniform(-1, 1, (n, 10, 2))
    x, y = state[..., 0], state[..., 1]
    features = np.stack([x**3 + y, y**3 - x, x * y, x**2], axis=-1).astype(np.float32)
    position = Target("position", 100 * state, ("x", "y"), "px", "position")
    noise = Target("noise", rng.normal(size=(n, 10, 1)), ("value",), None, "position")
    return features, [position, noise]


@pytest.fixture(scope="module")
def splits():
    return [data(n, seed) for n, seed in ((80, 0), (20, 1), (20, 2))]


@pytest.fixture(scope="module")
def fitted(splits):
    (x, y), (vx, vy), _ = splits
    return fit_mlps(x, y, vx, vy, SETTINGS, seed=5)


def test_reads_what_is_curved(splits, fitted):
    features, (position, noise) = splits[2]
    read = fitted.predict(features)
    assert read["position"].shape == (2, 20, 10, 2)
    assert read["noise"].shape == (2, 20, 10, 1)
    error = np.square(read["position"] - position.values).mean()
    assert error < 0.02 * position.values.var()
    # Nothing to learn: stops early, near the mean.
    assert np.square(read["noise"] - noise.values).mean() < 1.1 * noise.values.var()
    assert fitted.epochs[2:].max() < fitted.epochs[:2].min()


def test_forward_pass_against_torch_modules(splits, fitted):
    features, _ = splits[2]
    member = 1  # the second seed of the position
    layers: list[nn.Module] = []
    for i, (weight, bias) in enumerate(fitted.layers):
        linear = nn.Linear(*weight.shape[1:])
        linear.weight.data, linear.bias.data = weight[member].detach().T, bias[member, 0].detach()
        layers += [nn.ReLU(), linear] if i else [linear]
    with torch.no_grad():
        scaled = torch.tensor(fitted.features.apply(features), dtype=torch.float32)
        read = nn.Sequential(*layers)(scaled).double().numpy()
    np.testing.assert_allclose(
        fitted.predict(features)["position"][1], fitted.targets[0].undo(read), rtol=1e-4, atol=1e-3
    )


def test_deterministic_and_different_for_each_seed(splits, fitted):
    (x, y), (vx, vy), (tx, _) = splits
    again = fit_mlps(x, y, vx, vy, SETTINGS, seed=5).predict(tx)
    other = fit_mlps(x, y, vx, vy, SETTINGS, seed=6).predict(tx)
    first = fitted.predict(tx)
    np.testing.assert_array_equal(first["position"], again["position"])
    assert not np.allclose(first["position"], other["position"])
    assert not np.allclose(first["position"][0], first["position"][1])


def test_members_do_not_feel_each_other(splits, fitted):
    (x, y), (vx, vy), (tx, _) = splits
    alone = fit_mlps(x, y[:1], vx, vy[:1], SETTINGS, seed=5)
    np.testing.assert_allclose(
        alone.predict(tx)["position"], fitted.predict(tx)["position"], rtol=1e-3, atol=0.05
    )


def test_stops_on_validation_trajectories(splits):
    """With validation targets that contradict training, the first epoch is the best."""
    (x, y), (vx, vy), _ = splits
    wrong = [Target("position", -vy[0].values, ("x", "y"), "px", "position")]
    fitted = fit_mlps(x, y[:1], vx, wrong, SETTINGS, seed=5)
    assert fitted.epochs.max() <= 2


def test_frames_without_a_target_do_not_count(splits):
    (x, y), (vx, vy), (tx, _) = splits
    spoilt = x.copy()
    spoilt[:, :2] = 0  # as triplets have it
    late = [without_history(y[0], 2)], [without_history(vy[0], 2)]
    lied = [without_history(y[0], 2)]
    first = fit_mlps(spoilt, late[0], vx, late[1], SETTINGS, seed=5).predict(tx)["position"]
    second = fit_mlps(spoilt, lied, vx, late[1], SETTINGS, seed=5).predict(tx)["position"]
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all()


def test_constant_features_read_the_mean(splits):
    (x, y), (vx, vy), _ = splits
    still = np.full_like(x, 0.25)
    fitted = fit_mlps(still, y[:1], np.full_like(vx, 0.25), vy[:1], SETTINGS, seed=5)
    read = fitted.predict(still)["position"]
    np.testing.assert_allclose(read, np.broadcast_to(read[:, :1, :1], read.shape))
    assert abs(read.mean() - y[0].values.mean()) < 20  # px, of a range of 200


def test_every_epoch_is_told_also_those_that_were_not_needed(splits, fitted):
    (x, y), (vx, vy), _ = splits
    told: list[float] = []
    fit_mlps(x, y, vx, vy, SETTINGS, seed=5, told=told.append)
    assert sum(told) == SETTINGS.max_epochs
    fit_mlps(x, y[1:], vx, vy[1:], SETTINGS, seed=5, told=(early := []).append)
    assert sum(early) == SETTINGS.max_epochs
    assert early[-1] > 1  # noise stops early
