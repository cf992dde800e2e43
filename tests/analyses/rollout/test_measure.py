import numpy as np
import pytest
import torch

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.asked.trajectories import suite_trajectories
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.rollout.measure import PLACES
from lewm_probe.core.errors import UsageError, UserError

SIZE = 64


def pick(result, metric, **keys):
    wanted = {"metric": metric, "subject": None, "control": None, **keys}
    return [m for m in result.metrics if all(getattr(m, k) == v for k, v in wanted.items())]


@pytest.fixture(scope="module")
def result(oracle, make_lewm, suite, cache):
    return run("rollout", [oracle, checkpoint_from_model("lewm", make_lewm())], suite, cache=cache)


def test_horizons_that_fit_and_a_note_for_the_rest(result):
    """Ten frames of which two are seen first leave eight."""
    assert [m.horizon for m in pick(result, "mse", model="oracle")] == [1, 2, 3, 4, 5, 6, 8]
    notes = result.provenance[0].notes
    assert [note for note in notes if not note.startswith("Preflight")] == [
        "Rollouts of oracle go up to 8 blocks: trajectories of 10 frames, of which it first sees "
        "2, hold no more.",
        "Rollouts of lewm, training seed 0 go up to 8 blocks: trajectories of 10 frames, of which "
        "it first sees 2, hold no more.",
    ]


def test_copy_last_by_hand(result, suite, cache, oracle):
    z = cache.encode(oracle.model, suite_trajectories(suite, SIZE, "disjoint").pixels)["z"]
    for k in (1, 5):
        # Eight blocks ahead fit after one context only, which ends at frame 1.
        expected = np.square(z[:, 1 + k] - z[:, 1]).mean()
        (copied,) = pick(result, "mse", model="oracle", control="copy_last", horizon=k)
        assert copied.value == pytest.approx(expected, rel=1e-4)


def test_the_ratio_is_of_means(result):
    for k in (1, 4):
        at = {"model": "oracle", "horizon": k}
        (own,), (ratio,) = pick(result, "mse", **at), pick(result, "mse_over_copy_last", **at)
        (copied,) = pick(result, "mse", control="copy_last", **at)
        assert ratio.value == pytest.approx(own.value / copied.value)
        assert ratio.ci_low < ratio.value < ratio.ci_high
        assert ratio.higher_is_better is False and ratio.n == suite_size(result)
    (near,) = pick(result, "mse_over_copy_last", model="oracle", horizon=1)
    assert near.value < 0.3  # it knows free motion, not walls


def suite_size(result):
    return result.rows["trajectory_id"].nunique()


def test_probes_read_imagined_latents_in_pixels(result):
    at = {"model": "oracle", "subject": "agent_position", "method": "linear"}
    (own,) = pick(result, "rmse", horizon=3, **at)
    (copied,) = pick(result, "rmse", horizon=3, **{**at, "control": "copy_last"})
    (floor,) = pick(result, "rmse", horizon=3, **{**at, "control": "encoded"})
    assert own.unit == "px"
    assert floor.value < 2 < own.value + 2 < copied.value
    # z is the position in px: both errors are the same thing.
    (latent,) = pick(result, "mse", model="oracle", horizon=3)
    assert own.value == pytest.approx(np.sqrt(latent.value), rel=0.2)


def test_rows_hold_every_trajectory(result):
    rows = result.rows
    rows = rows[rows["metric"] == "mse"]
    there = rows[(rows["model"] == "lewm") & (rows["horizon"] == 2)]
    for control, mine in (
        (None, there[there["control"].isna()]),
        ("copy_last", there[there["control"] == "copy_last"]),
    ):
        (metric,) = pick(result, "mse", model="lewm", horizon=2, control=control)
        assert mine["trajectory_id"].nunique() == len(mine) == suite_size(result)
        assert mine["value"].mean() == pytest.approx(metric.value, rel=1e-4)


@pytest.mark.parametrize("control", [None, "copy_last", "encoded"])
def test_scores_of_probes_follow_from_rows(result, control):
    rows = result.rows
    at = (rows["model"] == "lewm") & (rows["horizon"] == 2) & (rows["subject"] == "agent_position")
    own = rows[at & rows["control"].isna()]
    mine = own if control is None else rows[at & (rows["control"] == control)]

    def total(table, metric):
        chosen = table[table["metric"] == metric]
        return chosen.groupby("axis", dropna=False)["value"].sum()

    frames = total(own, "frames").iloc[0]
    squared = total(mine, "sum_squared_error") / frames
    variance = total(own, "sum_true_squared") / frames - (total(own, "sum_true") / frames) ** 2
    keys = {"model": "lewm", "horizon": 2, "subject": "agent_position", "control": control}
    (r2,), (rmse,) = (pick(result, metric, **keys) for metric in ("r2", "rmse"))
    assert r2.value == pytest.approx((1 - squared / variance).mean(), rel=1e-4, abs=1e-5)
    scaled = np.sqrt((squared * total(own, "scale") ** 2).mean())
    assert rmse.value == pytest.approx(scaled, rel=1e-4)


def test_several_places_are_averaged_first(oracle, suite, cache):
    short = suite.model_copy(
        update={"rollout": suite.rollout.model_copy(update={"horizons": (1, 2)})}
    )
    found = run("rollout", [oracle], short, cache=cache)
    z = cache.encode(oracle.model, suite_trajectories(suite, SIZE, "disjoint").pixels)["z"]
    ends = np.linspace(1, 7, PLACES).round().astype(int)
    expected = np.square(z[:, ends + 1] - z[:, ends]).mean()
    (copied,) = pick(found, "mse", control="copy_last", horizon=1)
    assert copied.value == pytest.approx(expected, rel=1e-4)


def test_collapse_has_no_ratio(doubles, suite, cache):
    found = run(
        "rollout", [checkpoint_from_model("flat", doubles["constant"]())], suite, cache=cache
    )
    (mse,) = pick(found, "mse", horizon=1)
    (ratio,) = pick(found, "mse_over_copy_last", horizon=1)
    assert mse.value == 0.0 and ratio.value is None


def test_same_suite_same_numbers(oracle, suite, result):
    again = run("rollout", [oracle], suite, cache=LatentCache())
    assert list(again.metrics) == [m for m in result.metrics if m.model == "oracle"]


def test_a_model_that_diverges(doubles, suite, cache):
    with pytest.raises(UserError) as error:
        run(
            "rollout",
            [checkpoint_from_model("diverged", doubles["diverged"]())],
            suite,
            cache=cache,
        )
    assert str(error.value) == (
        "The imagined latents of diverged hold 640 NaN or infinite values of 640. Finite ones were "
        "expected: the checkpoint diverged in training or is damaged. Give an earlier checkpoint "
        "of the run, or train it again with a lower learning rate."
    )


def test_trajectories_shorter_than_a_history(doubles, suite, cache):
    checkpoint = checkpoint_from_model("long", doubles["oracle"]("long", history=10))
    with pytest.raises(UserError) as error:
        run("rollout", [checkpoint], suite, cache=cache)
    assert str(error.value) == (
        "Trajectories of 10 frames are too short to imagine 1 blocks ahead with long, which first "
        "sees 10 frames: at least 11 are needed. Raise clean.frames in the suite (voe.frames where "
        "it has no section clean, probe.frames for probes of imagined latents), or ask for a "
        "shorter horizon."
    )


def test_an_unknown_quantity(oracle, suite, cache):
    probe = suite.probe.model_copy(update={"quantities": ("block_angle",)})
    with pytest.raises(UsageError) as error:
        run("rollout", [oracle], suite.model_copy(update={"probe": probe}), cache=cache)
    assert str(error.value) == (
        "Unknown quantity 'block_angle'. Known: agent_position, agent_velocity, goal_position."
    )


def test_models_keep_their_own_measure_of_error(doubles, suite, cache):
    class Doubled(doubles["oracle"]):
        def surprise(self, predicted, target):
            return 2 * super().surprise(predicted, target)

    plain, doubled = (
        run("rollout", [checkpoint_from_model("m", kind("same"))], suite, cache=cache)
        for kind in (doubles["oracle"], Doubled)
    )
    for first, second in zip(pick(plain, "mse"), pick(doubled, "mse"), strict=True):
        assert second.value == pytest.approx(2 * first.value)
    assert torch.is_tensor(doubles["oracle"]().surprise(torch.ones(1, 1, 2), torch.ones(1, 1, 2)))
