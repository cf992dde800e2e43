import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model, load_checkpoints
from lewm_probe.analyses.engine.asked.trajectories import suite_trajectories
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.straightness.paths import noise_straightness, straightness_of
from lewm_probe.core.errors import UserError
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import Origin
from lewm_probe.stats.paired import paired_t
from lewm_probe.stats.spectrum import rank_estimate

SIZE = 64


def pick(result, metric, **keys):
    wanted = {"metric": metric, "control": None, "versus": None, "window": None, **keys}
    return [m for m in result.metrics if all(getattr(m, k) == v for k, v in wanted.items())]


@pytest.fixture(scope="module")
def result(oracle, make_lewm, suite, cache):
    return run(
        "straightness", [oracle, checkpoint_from_model("lewm", make_lewm())], suite, cache=cache
    )


@pytest.fixture(scope="module")
def disjoint(suite):
    return suite_trajectories(suite, SIZE, "disjoint")


def test_a_latent_that_is_the_position_moves_as_the_world_does(result, disjoint):
    for stride in (1, 2):
        (own,) = pick(result, "cosine", model="oracle", method="encoded", stride=stride)
        (state,) = pick(result, "cosine", model="oracle", control="state_space", stride=stride)
        assert own.value == pytest.approx(state.value, abs=0.05)
        true = straightness_of(disjoint.state["agent_position"], stride)
        assert state.value == pytest.approx(true)
        assert own.ci_low < own.value < own.ci_high and own.n == len(disjoint)


def test_curvature_is_in_degrees(result):
    (curvature,) = pick(result, "curvature_deg", model="oracle", method="encoded", stride=1)
    assert curvature.unit == "deg" and 0 < curvature.value < 180
    (masked,) = pick(result, "masked_share", model="oracle", method="encoded", stride=1)
    assert 0 <= masked.value < 0.2


def test_strides_that_do_not_fit_are_left_out(result):
    """Ten frames hold no turn at stride 5; eight imagined ones do at stride 2."""
    assert {m.stride for m in pick(result, "cosine", model="oracle", method="encoded")} == {1, 2}
    assert {m.stride for m in pick(result, "cosine", model="oracle", method="imagined")} == {1, 2}


def test_imagined_free_motion_follows_the_actions(result, disjoint):
    """The oracle's imagination knows no walls: its path is the sum of the actions."""
    steps = disjoint.actions.reshape(*disjoint.actions.shape[:2], -1, 2).clip(-1, 1).sum(axis=2)
    path = np.cumsum(5 * steps[:, 1:-1], axis=1)
    (imagined,) = pick(result, "cosine", model="oracle", method="imagined", stride=1)
    assert imagined.value == pytest.approx(straightness_of(path), abs=0.01)


def test_controls(result):
    at = {"model": "lewm", "stride": 1}
    found = {
        m.control: m.value
        for m in result.metrics
        if m.metric == "cosine"
        and m.model == "lewm"
        and m.stride == 1
        and m.method != "imagined"
        and m.versus is None
    }
    assert set(found) == {
        None,
        "pixel_space",
        "state_space",
        "random_weights",
        "time_shuffled",
        "iid_noise",
    }
    assert found["iid_noise"] == pytest.approx(noise_straightness(6))
    assert found["time_shuffled"] < -0.3
    (pixels,) = pick(result, "cosine", control="pixel_space", **at)
    assert -1 < pixels.value < 0.5 and pixels.method is None
    (random,) = pick(result, "cosine", control="random_weights", **at)
    assert random.method == "encoded" and random.features == "z"


def test_pixel_space_by_hand(result, disjoint):
    (pixels,) = pick(result, "cosine", model="oracle", control="pixel_space", stride=1)
    flat = disjoint.pixels.reshape(*disjoint.pixels.shape[:2], -1).astype(float)
    assert pixels.value == pytest.approx(straightness_of(flat))


def test_rank_and_reading_stand_beside(result, disjoint, cache, make_lewm):
    (rank,) = pick(result, "effective_rank", model="lewm")
    z = cache.encode(make_lewm(), disjoint.pixels)["z"]
    assert rank.value == pytest.approx(rank_estimate(z)[0].value)
    assert rank.ci_low < rank.value < rank.ci_high
    (read,) = pick(result, "r2", model="oracle", subject="agent_position")
    assert read.value > 0.99 and read.n == len(disjoint) - len(disjoint) // 2
    assert read.ci_low <= read.value <= read.ci_high


def test_models_differ_on_the_same_trajectories(result):
    keys = {"method": "encoded", "stride": 1}
    (difference,) = pick(result, "cosine", model="oracle", versus="lewm", **keys)
    first, second = (pick(result, "cosine", model=m, **keys)[0].value for m in ("oracle", "lewm"))
    assert difference.value == pytest.approx(first - second, abs=1e-9)
    rows = result.rows
    rows = rows[(rows["metric"] == "cosine") & rows["control"].isna()]
    mine = rows[(rows["model"] == "lewm") & (rows["method"] == "encoded") & (rows["stride"] == 1)]
    assert mine["value"].mean() == pytest.approx(second, abs=1e-5)


def by_trajectory(result, **keys):
    rows = result.rows[result.rows["metric"] == "cosine"]
    for key, value in {"model": "lewm", "stride": 1, **keys}.items():
        rows = rows[rows[key].isna() if value is None else rows[key] == value]
    return rows.set_index("trajectory_id")["value"].sort_index().to_numpy(float)


def test_straighter_than_each_control_on_the_same_trajectories(result):
    own = by_trajectory(result, method="encoded", control=None)
    keys = {"model": "lewm", "stride": 1, "method": "encoded"}
    ps = []
    for control, method in (
        ("pixel_space", None),
        ("random_weights", "encoded"),
        ("state_space", None),
    ):
        other = by_trajectory(result, method=method, control=control)
        (found,) = pick(result, f"cosine_over_{control}", versus=control, **keys)
        ends = stats.ttest_rel(own, other).confidence_interval()
        expected = ((own - other).mean(), ends.low, ends.high)
        assert (found.value, found.ci_low, found.ci_high) == pytest.approx(expected, abs=1e-5)
        ps.append(paired_t(own - other, one_sided=True))
    (noticed,), (beyond,) = (pick(result, name, **keys) for name in ("p_noticed", "p_beyond"))
    assert noticed.value == pytest.approx(ps[0], rel=1e-3)
    assert beyond.value == pytest.approx(max(ps[:2]), rel=1e-3)


def test_every_number_is_the_mean_of_its_rows(result):
    rows = result.rows
    keys = ["model", "method", "control", "window", "stride", "metric"]
    found = rows[rows["metric"].isin(["cosine", "curvature_deg", "masked_share"])]
    means = found.groupby(keys, dropna=False)["value"].mean()
    stored = {
        tuple(getattr(m, key) for key in keys): m.value
        for m in result.metrics
        if m.metric in ("cosine", "curvature_deg", "masked_share")
        and m.versus is None
        and m.control != "iid_noise"
    }
    plain = {tuple(None if pd.isna(k) else k for k in key): v for key, v in means.items()}
    assert plain.keys() == stored.keys()
    for key, value in stored.items():
        assert plain[key] == pytest.approx(value, abs=1e-5)


def test_collapse_is_masked(doubles, suite, cache):
    checkpoint = checkpoint_from_model("flat", doubles["constant"]())
    found = run("straightness", [checkpoint], suite, cache=cache)
    (cosine,) = pick(found, "cosine", method="encoded", stride=1)
    (masked,) = pick(found, "masked_share", method="encoded", stride=1)
    assert (cosine.value, cosine.n) == (None, 0)
    assert masked.value == 1.0
    (rank,) = pick(found, "effective_rank")
    assert rank.value == pytest.approx(1, abs=1e-3)


def test_contact_is_told_from_free_motion(oracle, suite, monkeypatch):
    from lewm_probe.analyses.engine import context

    def touching(suite, size, purpose):
        found = suite_trajectories(suite, size, purpose)
        contact = np.zeros((len(found), found.frames, 1))
        contact[:, :4] = 1
        return type(found)(**{**vars(found), "state": {**found.state, "contact": contact}})

    monkeypatch.setattr(context, "suite_trajectories", touching)
    found = run("straightness", [oracle], suite, cache=LatentCache())
    keys = {"method": "encoded", "stride": 1}
    z = LatentCache().encode(oracle.model, suite_trajectories(suite, SIZE, "disjoint").pixels)["z"]
    # Turns at frames 1 … 3 are in contact, at 4 … 8 free.
    for window, part in (("contact", z[:, :5]), ("free", z[:, 3:])):
        (metric,) = pick(found, "cosine", window=window, **keys)
        assert metric.value == pytest.approx(straightness_of(part), abs=1e-6)
    assert {m.window for m in found.metrics if m.method == "imagined"} == {None, "contact", "free"}


def test_over_training(make_lewm, suite, tmp_path):
    for step in (0, 5, 10):
        meta = Origin(family="lewm", world="two-room", seed=1, step=step)
        path = tmp_path / "run" / "checkpoints" / f"step_{step:07d}.safetensors"
        save_checkpoint(path, make_lewm(step), meta=meta)
    found = run(
        "straightness", load_checkpoints([f"lewm={tmp_path / 'run'}"]), suite, cache=LatentCache()
    )
    for method in ("encoded", "imagined"):
        assert [m.step for m in pick(found, "cosine", method=method, stride=1)] == [10, 0, 5]
    assert [m.step for m in pick(found, "effective_rank")] == [10, 0, 5]
    assert [m.step for m in pick(found, "r2", subject="agent_position")] == [10, 0, 5]
    assert {m.step for m in found.metrics if m.control is not None} == {10}
    assert {m.step for m in found.metrics if m.versus or m.metric.startswith("p_")} == {10}


def test_latents_that_are_not_finite(doubles, suite, cache):
    class Broken(doubles["constant"]):
        def encode(self, observation):
            return super().encode(observation) * torch.inf

    with pytest.raises(UserError) as error:
        run(
            "straightness",
            [checkpoint_from_model("broken", Broken(family="pldm"))],
            suite,
            cache=cache,
        )
    assert str(error.value) == (
        "The latents (z) of broken hold 800 NaN or infinite values of 800. Finite ones were "
        "expected: the checkpoint diverged in training or is damaged. Give an earlier checkpoint "
        "of the run, or train it again with a lower learning rate."
    )
