import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model, load_checkpoints
from lewm_probe.analyses.engine.asked.trajectories import suite_trajectories
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.core.errors import UserError
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import Origin
from lewm_probe.stats.spectrum import effective_rank, participation_ratio
from lewm_probe.training import sigreg

SIZE = 64


def pick(result, metric, **keys):
    wanted = {"metric": metric, "control": None, "subject": None, "window": None, **keys}
    (found,) = [m for m in result.metrics if all(getattr(m, k) == v for k, v in wanted.items())]
    return found


@pytest.fixture(scope="module")
def lewm(make_lewm):
    return checkpoint_from_model("lewm", make_lewm())


@pytest.fixture(scope="module")
def result(lewm, suite, cache):
    return run("geometry", [lewm], suite, cache=cache)


@pytest.fixture(scope="module")
def z(lewm, suite, cache):
    return cache.encode(lewm.model, suite_trajectories(suite, SIZE, "disjoint").pixels)["z"]


def jackknifed(of, z, turn=lambda value: value):
    """Bias-corrected value of a statistic of trajectories, by leaving each one out."""
    n = len(z)
    left_out = [turn(of(np.delete(z, i, axis=0))) for i in range(n)]
    return turn(np.mean([n * turn(of(z)) - (n - 1) * one for one in left_out]))


def flat(z):
    return z.reshape(-1, z.shape[-1]).astype(float)


def reciprocal(value):
    return 1 / value


def test_spectrum_by_hand(result, z):
    for metric, of, turn in (
        ("effective_rank", effective_rank, reciprocal),
        (
            "participation_ratio",
            lambda z: participation_ratio(np.cov(flat(z).T, bias=True)),
            reciprocal,
        ),
        ("trace_cov", lambda z: np.trace(np.cov(flat(z).T, bias=True)), lambda value: value),
    ):
        found = pick(result, metric)
        assert found.value == pytest.approx(jackknifed(of, z, turn), rel=1e-5)
        assert found.ci_low < found.value < found.ci_high
        assert (found.features, found.n) == ("z", len(z))
        rows = result.rows
        name = metric if turn is not reciprocal else f"reciprocal_{metric}"
        pseudo = rows[rows["metric"] == name]["value"]
        assert len(pseudo) == len(z)
        assert found.value == pytest.approx(turn(pseudo.mean()), rel=1e-4)


def test_variance_of_the_axes(result, z):
    variance = flat(z).var(axis=0)
    rows = result.rows[result.rows["metric"] == "dimension_variance"]
    np.testing.assert_allclose(rows["value"].astype(float), variance, rtol=1e-5)
    assert rows["axis"].tolist() == [f"z{k}" for k in range(len(variance))]
    for window in ("min", "median", "max"):
        found = pick(result, "dimension_variance", window=window)
        assert found.value == pytest.approx(getattr(np, window)(variance))
        assert (found.ci_low, found.ci_high, found.n) == (None, None, len(z))


def test_share_that_time_explains(result, z):
    def share(z):
        time = np.tile(np.arange(z.shape[1]), len(z))[:, None]
        left = flat(z) - LinearRegression().fit(time, flat(z)).predict(time)
        return 1 - np.square(left).sum() / np.square(flat(z) - flat(z).mean(axis=0)).sum()

    found = pick(result, "r2", subject="time_index")
    assert found.value == pytest.approx(jackknifed(share, z), rel=1e-6)
    assert found.ci_low <= found.value <= found.ci_high


def test_sigreg_is_the_mean_over_frames(result):
    rows = result.rows[result.rows["metric"] == "sigreg"]
    for control, mine in (
        (None, rows[rows["control"].isna()]),
        ("gaussian", rows.dropna(subset="control")),
    ):
        assert mine["frame"].tolist() == list(range(len(mine)))
        assert pick(result, "sigreg", control=control).value == pytest.approx(mine["value"].mean())


def test_a_clock_is_all_time(doubles, suite, cache):
    class Clock(doubles["constant"]):
        def encode(self, observation):
            return observation[..., :1, 0, :1].float().flatten(2).repeat(1, 1, 4)

    trajectories = suite_trajectories(suite, SIZE, "disjoint")
    stamped = trajectories.pixels.copy()
    stamped[..., 0, 0, 0] = 20 * np.arange(trajectories.frames)
    checkpoint = checkpoint_from_model("clock", Clock(family="pldm"))

    class Remembered(LatentCache):
        def encode(self, model, pixels, actions=None):
            return super().encode(model, stamped)

    found = run("geometry", [checkpoint], suite, cache=Remembered())
    assert pick(found, "r2", subject="time_index").value == pytest.approx(1)


def test_gaussian_level_of_sigreg(result):
    """Exactly N E|φ_N − φ|² = 1 − φ², integrated; our samples are near it."""
    t = torch.linspace(0, 3, 17, dtype=torch.float64)
    weights = torch.full((17,), 2 * 3 / 16, dtype=torch.float64)
    weights[[0, -1]] /= 2
    expected = float((weights * torch.exp(-t.square() / 2) * (1 - torch.exp(-t.square()))).sum())
    level = pick(result, "sigreg", control="gaussian")
    assert level.value == pytest.approx(expected, rel=0.1)
    assert pick(result, "sigreg").value > 2 * level.value  # untrained


def test_training_does_not_move_the_metric(lewm, suite, cache, result, monkeypatch):
    monkeypatch.setattr(sigreg, "KNOTS", 5)
    monkeypatch.setattr(sigreg, "RANGE", 1.0)
    monkeypatch.setattr(sigreg.sigreg, "__defaults__", (5, 1.0))
    again = run("geometry", [lewm], suite, cache=LatentCache())
    assert pick(again, "sigreg").value == pick(result, "sigreg").value


def test_gaussian_latents_reach_the_level(doubles, suite):
    rng = np.random.default_rng(0)

    class Normal(LatentCache):
        def encode(self, model, pixels, actions=None):
            return {"z": rng.normal(size=(*pixels.shape[:2], 24)).astype(np.float32)}

    checkpoint = checkpoint_from_model("normal", doubles["constant"](latent_width=24))
    found = run("geometry", [checkpoint], suite, cache=Normal())
    level = pick(found, "sigreg", control="gaussian").value
    assert pick(found, "sigreg").value == pytest.approx(level, rel=0.25)
    assert pick(found, "effective_rank").value > 23
    assert pick(found, "trace_cov").value == pytest.approx(24, rel=0.1)


def test_scatter_pairs_components_with_positions(result, z, suite):
    rows = result.rows
    tables = {
        metric: rows[(rows["metric"] == metric) & ((rows["axis"] == "x") | rows["axis"].isna())]
        for metric in ("pc1", "pc2", "agent_position")
    }
    assert {len(t) for t in tables.values()} == {z.shape[0] * z.shape[1]}
    pca = PCA(2).fit_transform(z.reshape(-1, z.shape[-1]))
    trajectories = suite_trajectories(suite, SIZE, "disjoint")
    first = tables["pc1"].set_index(["trajectory_id", "frame"])["value"]
    position = tables["agent_position"].set_index(["trajectory_id", "frame"])["value"]
    for n, t in ((0, 0), (3, 7)):
        at = (trajectories.ids[n], t)
        assert abs(first[at]) == pytest.approx(abs(pca[n * z.shape[1] + t, 0]), rel=1e-3)
        assert position[at] == pytest.approx(trajectories.state["agent_position"][n, t, 0])


def test_collapse_shows(doubles, suite, cache):
    found = run(
        "geometry", [checkpoint_from_model("flat", doubles["constant"]())], suite, cache=cache
    )
    assert pick(found, "effective_rank").value == pytest.approx(1, abs=1e-3)
    assert pick(found, "trace_cov").value == pytest.approx(0, abs=1e-9)
    assert pick(found, "dimension_variance", window="max").value == pytest.approx(0, abs=1e-9)
    assert pick(found, "r2", subject="time_index").value is None
    level = pick(found, "sigreg", control="gaussian").value
    assert pick(found, "sigreg").value > 5 * level


def test_over_training(make_lewm, suite, tmp_path):
    for step in (0, 5, 10):
        meta = Origin(family="lewm", world="two-room", seed=1, step=step)
        path = tmp_path / "run" / "checkpoints" / f"step_{step:07d}.safetensors"
        save_checkpoint(path, make_lewm(step), meta=meta)
    found = run(
        "geometry", load_checkpoints([f"lewm={tmp_path / 'run'}"]), suite, cache=LatentCache()
    )
    for metric in ("effective_rank", "participation_ratio", "trace_cov"):
        assert [m.step for m in found.metrics if m.metric == metric] == [10, 0, 5]


def test_same_suite_same_numbers(lewm, suite, result):
    again = run("geometry", [lewm], suite, cache=LatentCache())
    assert list(again.metrics) == list(result.metrics)


def test_latents_that_are_not_finite(doubles, suite, cache):
    class Broken(doubles["constant"]):
        def encode(self, observation):
            return super().encode(observation) * torch.nan

    with pytest.raises(UserError) as error:
        run(
            "geometry",
            [checkpoint_from_model("broken", Broken(family="dino_wm"))],
            suite,
            cache=cache,
        )
    assert str(error.value) == (
        "The latents (z) of broken hold 800 NaN or infinite values of 800. Finite ones were "
        "expected: the checkpoint diverged in training or is damaged. Give an earlier checkpoint "
        "of the run, or train it again with a lower learning rate."
    )
