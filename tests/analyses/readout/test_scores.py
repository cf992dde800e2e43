import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.metrics import mean_squared_error, r2_score

from lewm_probe.analyses.readout.scaling import Scaler
from lewm_probe.analyses.readout.scores import score
from lewm_probe.analyses.readout.targets import Target
from lewm_probe.stats.bootstrap import bca, resamples

N, FRAMES = 40, 6


def target(values, unit="px", kind="position", symmetry=1):
    axes = tuple("xyz"[: values.shape[-1]])
    return Target("quantity", values, axes, unit, kind, symmetry)


def read(seeds=1, noise=0.4, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(100, [30.0, 10.0], size=(N, FRAMES, 2))
    guess = values + noise * rng.normal(0, [30.0, 10.0], size=(seeds, N, FRAMES, 2))
    return values, guess, Scaler.fit(rng.normal(100, [30.0, 10.0], size=(5000, 2)))


@pytest.fixture(scope="module")
def weights():
    return resamples(N, 300, np.random.default_rng(9))


def test_values_against_scikit_learn_and_scipy(weights):
    values, guess, scaler = read()
    found = score(target(values), guess, scaler, weights).estimates
    y, p = (scaler.apply(a).reshape(-1, 2) for a in (values, guess[0]))
    assert found["mse"].value == pytest.approx(mean_squared_error(y, p))
    assert found["r2"].value == pytest.approx(r2_score(y, p))
    r = np.mean([stats.pearsonr(y[:, k], p[:, k]).statistic for k in range(2)])
    assert found["pearson_r"].value == pytest.approx(r)
    rmse = np.sqrt(np.square(guess[0] - values).mean())
    assert found["rmse"].value == pytest.approx(rmse)
    assert found["mse_sample_sd"].value == pytest.approx(np.square(y - p).mean(axis=1).std())
    assert found["mse"].n == N
    assert "mse_seed_sd" not in found and "angle_error_deg" not in found


def hall(without, whole, confidence=0.95):
    """Hall's interval with its cubic solved by root finding."""
    n = len(without)
    pseudo = np.array([n * whole - (n - 1) * left for left in without])
    skew = stats.skew(pseudo, bias=False) / np.sqrt(n)
    t = stats.t.ppf((1 + confidence) / 2, n - 1)

    def root(end):
        return optimize.brentq(
            lambda x: x + skew * x**2 / 3 + skew**2 * x**3 / 27 + skew / 6 - end, -50, 50
        )

    error = stats.sem(pseudo)
    return whole - error * root(t), whole - error * root(-t)


def test_errors_have_halls_interval_over_trajectories(weights):
    values, guess, scaler = read()
    found = score(target(values), guess, scaler, weights).estimates
    y, p = scaler.apply(values), scaler.apply(guess[0])

    def of(which, statistic):
        return statistic(y[which].reshape(-1, 2), p[which].reshape(-1, 2))

    def both(statistic):
        everyone = np.arange(N)
        left = [np.log(of(np.delete(everyone, i), statistic)) for i in range(N)]
        return np.exp(hall(left, np.log(of(everyone, statistic))))

    low, high = both(mean_squared_error)
    assert (found["mse"].low, found["mse"].high) == pytest.approx((low, high))
    low, high = both(lambda a, b: 1 - r2_score(a, b))
    assert (found["r2"].low, found["r2"].high) == pytest.approx((1 - high, 1 - low))
    for metric in ("mse", "pearson_r", "r2", "rmse"):
        assert found[metric].low < found[metric].value < found[metric].high


def test_differences_of_scores_are_resampled_together(weights):
    values, guess, scaler = read(noise=0.4)
    _, other, _ = read(noise=0.6, seed=0)
    first, second = (score(target(values), g, scaler, weights).r2 for g in (guess, other))
    found = first.minus(second).estimate(N, 0.95)
    low, high = bca(
        first.whole - second.whole, first.draws - second.draws, first.without - second.without
    )
    assert found == (first.whole - second.whole, low, high, N)
    y, p = scaler.apply(values), scaler.apply(guess[0])
    assert first.draws[7] == pytest.approx(
        r2_score(
            np.repeat(y, np.round(weights[7] * N).astype(int), axis=0).reshape(-1, 2),
            np.repeat(p, np.round(weights[7] * N).astype(int), axis=0).reshape(-1, 2),
        )
    )


def test_seeds_are_scored_one_by_one(weights):
    values, guess, scaler = read(seeds=3)
    whole = score(target(values), guess, scaler, weights)
    each = [score(target(values), guess[[s]], scaler, weights).estimates for s in range(3)]
    for metric in ("mse", "pearson_r", "r2", "rmse"):
        mean = np.mean([e[metric].value for e in each])
        assert whole.estimates[metric].value == pytest.approx(mean)
    spread = np.std([e["mse"].value for e in each], ddof=1)
    assert whole.estimates["mse_seed_sd"].value == pytest.approx(spread)
    errors = np.square(scaler.apply(guess) - scaler.apply(values)).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(whole.trajectory_mse, errors)


def test_the_mean_explains_nothing(weights):
    values, _, _ = read()
    scaler = Scaler.fit(values.reshape(-1, 2))
    guess = np.broadcast_to(values.mean(axis=(0, 1)), (1, N, FRAMES, 2))
    found = score(target(values), guess, scaler, weights).estimates
    assert found["mse"].value == pytest.approx(1)
    assert found["r2"].value == pytest.approx(0, abs=1e-9)
    assert found["pearson_r"] == (None, None, None, N)


def test_frames_without_a_target(weights):
    values, guess, scaler = read()
    part = values.copy()
    part[:, :2] = np.nan
    found = score(target(part), guess, scaler, weights).estimates
    expected = score(target(values[:, 2:]), guess[:, :, 2:], scaler, weights).estimates
    for metric in expected:
        assert tuple(found[metric]) == pytest.approx(tuple(expected[metric]))


def test_trajectories_without_a_target(weights):
    values, guess, scaler = read()
    values[5] = np.nan
    found = score(target(values), guess, scaler, weights)
    assert found.estimates["mse"].n == N - 1
    np.testing.assert_array_equal(np.isnan(found.trajectory_mse), np.arange(N) == 5)


def test_angles_are_scored_in_degrees(weights):
    theta = np.random.default_rng(1).uniform(-np.pi, np.pi, (N, FRAMES, 1))
    waves, turned = (
        np.concatenate([np.sin(2 * a), np.cos(2 * a)], axis=-1) for a in (theta, theta + 0.1)
    )
    scaler = Scaler.fit(waves.reshape(-1, 2))
    asked = target(waves, unit=None, kind="angle", symmetry=2)
    found = score(asked, turned[None], scaler, weights).estimates
    assert found["angle_error_deg"].value == pytest.approx(np.degrees(0.1))
    assert "rmse" not in found


def test_what_never_varies_has_no_r2(weights):
    still = np.full((N, FRAMES, 1), 3.0)
    scaler = Scaler(np.array([0.0]), np.array([1.0]))
    found = score(target(still), still[None] + 1, scaler, weights).estimates
    assert found["mse"].value == pytest.approx(1)
    assert found["r2"].value is None and found["pearson_r"].value is None
