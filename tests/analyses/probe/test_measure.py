import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model, load_checkpoints
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.probe import measure
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import Origin
from lewm_probe.results.result import Result
from lewm_probe.stats.paired import paired_t

MLP = {"hidden": (16,), "max_epochs": 4, "batch": 128, "seeds": 2}


@pytest.fixture(scope="module")
def small(suite):
    """A suite of few, short trajectories."""
    return with_probe(
        suite,
        train=24,
        validation=8,
        test=10,
        quantities=("agent_position", "agent_velocity", "goal_position"),
    )


def with_probe(suite, **changes):
    settings = suite.probe.model_copy(update={"mlp": suite.probe.mlp.model_copy(update=MLP)})
    return suite.model_copy(update={"probe": settings.model_copy(update=changes)})


def pick(result: Result, **keys):
    wanted = {"control": None, "versus": None, "window": None, "horizon": None, **keys}
    return [m for m in result.metrics if all(getattr(m, k) == v for k, v in wanted.items())]


def one(result: Result, **keys):
    (metric,) = pick(result, **keys)
    return metric


@pytest.fixture(scope="module")
def result(oracle, make_lewm, small, cache):
    checkpoints = [
        oracle,
        checkpoint_from_model("lewm", make_lewm(0)),
    ]
    return run("probe", checkpoints, small, cache=cache)


LINEAR = {"subject": "agent_position", "features": "z", "method": "linear"}


def test_a_latent_that_is_the_position_is_read(result):
    assert one(result, model="oracle", metric="pearson_r", **LINEAR).value > 0.999
    rmse = one(result, model="oracle", metric="rmse", **LINEAR)
    assert rmse.value < 1.5 and rmse.unit == "px"
    assert rmse.ci_low <= rmse.value <= rmse.ci_high
    assert (rmse.n, rmse.eval_seed, rmse.higher_is_better) == (10, 3, False)
    mse = one(result, model="oracle", metric="mse", **LINEAR).value
    r2 = one(result, model="oracle", metric="r2", **LINEAR).value
    assert mse < 0.01 and r2 > 0.99


def test_what_is_not_drawn_is_not_read(result):
    asked = {**LINEAR, "subject": "goal_position"}
    assert one(result, model="oracle", metric="r2", **asked).value < 0.6


def test_velocity_needs_three_frames(result):
    asked = {"model": "oracle", "subject": "agent_velocity", "method": "linear", "metric": "r2"}
    assert one(result, features="z_triplet", **asked).value > 0.9
    assert one(result, features="z", **asked).value < 0.6


def test_change_is_read_from_the_change_of_z(result):
    asked = {"model": "oracle", "features": "dz", "method": "linear", "metric": "r2"}
    assert one(result, subject="agent_position_change", **asked).value > 0.9


def test_every_control_and_feature_is_there(result):
    rows = {
        (m.features, m.method, m.control)
        for m in result.metrics
        if m.model == "lewm" and m.metric == "mse" and m.versus is None
    }
    assert rows == {
        *((f, m, None) for f in ("z", "cls", "z_triplet", "dz") for m in ("linear", "mlp")),
        *(
            (f, m, c)
            for f in ("z", "z_triplet", "dz")
            for m in ("linear", "mlp")
            for c in ("pixel_pca", "random_weights")
        ),
        ("z", "mlp", "random_cells"),
        ("z_triplet", "mlp", "random_cells"),
        (None, "linear", "time_index"),
        (None, None, "mean"),
    }
    # The oracle cannot be built anew with random weights and offers no features before z.
    mine = {m.control for m in result.metrics if m.model == "oracle"}
    assert "random_weights" not in mine
    assert not pick(result, model="oracle", features="cls", metric="mse", method="linear")


def test_the_mean_is_at_one(result):
    mean = one(
        result, model="lewm", subject="agent_position", metric="r2", control="mean", method=None
    )
    assert -0.6 < mean.value <= 0


def test_selectivity_is_the_difference_on_random_cells(result):
    asked = {"model": "oracle", "subject": "agent_position", "features": "z", "method": "mlp"}
    own = one(result, metric="r2", **asked).value
    cells = one(result, metric="r2", **{**asked, "control": "random_cells"}).value
    selectivity = one(result, metric="selectivity", **asked)
    assert selectivity.value == pytest.approx(own - cells)
    assert selectivity.ci_low < selectivity.value < selectivity.ci_high


def test_mlps_have_a_spread_over_seeds(result):
    asked = {"model": "oracle", "subject": "agent_position", "features": "z"}
    assert one(result, metric="mse_seed_sd", method="mlp", **asked).value > 0
    assert not pick(result, metric="mse_seed_sd", method="linear", **asked)
    assert one(result, metric="mse_sample_sd", method="linear", **asked).value > 0


def test_models_differ_on_the_same_trajectories(result):
    difference = one(result, model="oracle", metric="mse", **{**LINEAR, "versus": "lewm"})
    first, second = (one(result, model=m, metric="mse", **LINEAR).value for m in ("oracle", "lewm"))
    assert difference.value == pytest.approx(first - second)
    assert difference.ci_low <= difference.value <= difference.ci_high


def test_rows_pair_by_trajectory_and_hold_the_scatter(result):
    rows = result.rows
    errors = rows[(rows["metric"] == "mse") & (rows["model"] == "oracle") & rows["control"].isna()]
    mine = errors[
        (errors["subject"] == "agent_position")
        & (errors["features"] == "z")
        & (errors["method"] == "linear")
    ]
    assert mine["trajectory_id"].nunique() == len(mine) == 10
    value = one(result, model="oracle", metric="mse", **LINEAR).value
    assert mine["value"].mean() == pytest.approx(value, rel=1e-4)
    points = rows[(rows["subject"] == "agent_position") & (rows["model"] == "oracle")]
    true, predicted = (
        points[points["metric"] == m].set_index(["trajectory_id", "frame", "axis"])["value"]
        for m in ("true", "predicted")
    )
    assert len(true) == len(predicted) == 2 * 10 * 8  # fewer frames than SCATTER_POINTS
    np.testing.assert_allclose(predicted.reindex(true.index), true, atol=8)
    late = rows[(rows["subject"] == "agent_velocity") & (rows["metric"] == "true")]
    assert late["frame"].min() == 2


def of(rows, **keys):
    for key, value in keys.items():
        rows = rows[rows[key].isna() if value is None else rows[key] == value]
    return rows


def test_scores_follow_from_rows(result):
    """Every score of every reading, from the sums of each trajectory."""
    rows = result.rows[result.rows["analysis"] == "probe"]
    keys = ["model", "subject", "features", "method", "control"]
    whole = {
        tuple(getattr(m, k) for k in keys): {}
        for m in result.metrics
        if m.metric == "mse" and m.versus is None
    }
    for m in result.metrics:
        if m.versus is None and (at := tuple(getattr(m, k) for k in keys)) in whole:
            whole[at][m.metric] = m.value
    for at, stored in whole.items():
        model, subject, _, _, control = at
        cells = control if control == "random_cells" else None
        mine = pd.concat(
            of(rows, **where)
            for where in (
                dict(zip(keys, at, strict=True)),
                {"model": model, "subject": subject, "control": cells, "method": None},
            )
        )

        def total(metric, by, mine=mine):
            chosen = mine[mine["metric"] == metric]
            values = chosen["value"].astype(float)
            return values.groupby([chosen[b] for b in by]).sum() if by else values.sum()

        frames = float(total("frames", []))
        y, y2 = (total(m, ["axis"]) / frames for m in ("sum_true", "sum_true_squared"))
        p, p2, squared = (
            (total(m, ["window", "axis"]) / frames).unstack()  # seeds × axes
            for m in ("sum_predicted", "sum_predicted_squared", "sum_squared_error")
        )
        yp, var_y, var_p = (y2 + p2 - squared) / 2, y2 - y**2, p2 - p**2
        assert squared.to_numpy().mean() == pytest.approx(stored["mse"], rel=1e-5)
        r2 = (1 - squared / var_y).to_numpy().mean()
        assert r2 == pytest.approx(stored["r2"], rel=1e-3, abs=1e-5)
        if stored["pearson_r"] is not None:
            r = ((yp - p * y) / np.sqrt(var_p * var_y)).to_numpy().mean()
            assert r == pytest.approx(stored["pearson_r"], rel=1e-3, abs=1e-4)
        fourth = total("sum_squared_error_squared", ["window"]) / frames
        sd = np.sqrt(fourth - squared.mean(axis=1) ** 2).mean()
        assert sd == pytest.approx(stored["mse_sample_sd"], rel=1e-3, abs=1e-5)
        if "mse_seed_sd" in stored:
            spread = squared.mean(axis=1).std(ddof=1)
            assert spread == pytest.approx(stored["mse_seed_sd"], rel=1e-2, abs=1e-6)
        if "rmse" in stored:
            rmse = np.sqrt((squared * total("scale", ["axis"]) ** 2).mean(axis=1)).mean()
            assert rmse == pytest.approx(stored["rmse"], rel=1e-5)


def test_verdicts_rest_on_paired_tests(result):
    errors = result.rows[result.rows["metric"] == "mse"]

    def of(control, features="z", method="linear"):
        mine = errors[(errors["model"] == "lewm") & (errors["subject"] == "agent_position")]
        for key, value in (("control", control), ("features", features), ("method", method)):
            mine = mine[mine[key].isna() if value is None else mine[key] == value]
        return mine.set_index("trajectory_id")["value"].astype(float)

    own, p_values = of(None), {}
    for control in ("mean", "random_weights", "pixel_pca"):
        other = of("mean", None, None) if control == "mean" else of(control)
        gain = (other[own.index] - own).to_numpy()
        student = stats.ttest_rel(other[own.index], own, alternative="greater")
        low, high = stats.ttest_rel(other[own.index], own).confidence_interval()
        found = one(
            result, model="lewm", metric=f"mse_less_than_{control}", **LINEAR, versus=control
        )
        assert found.value == pytest.approx((other[own.index] - own).mean(), rel=1e-4)
        assert (found.ci_low, found.ci_high) == pytest.approx((low, high), rel=1e-3, abs=1e-6)
        p_values[control] = paired_t(gain, one_sided=True)  # Student's, or Hall's where larger
        assert p_values[control] >= student.pvalue - 1e-6
    for metric, p in (("p_noticed", p_values["mean"]), ("p_beyond", max(p_values.values()))):
        found = one(result, model="lewm", metric=metric, **LINEAR)
        assert found.value == pytest.approx(p, rel=1e-3) and found.n == len(own)
    # Nobody draws a goal, and a velocity is no pose: no verdict asks for them.
    tested = {m.subject for m in result.metrics if m.metric == "p_noticed"}
    assert tested == {"agent_position"}


def test_same_suite_same_numbers(oracle, small, result):
    again = run("probe", [oracle], small, cache=LatentCache())

    def measured(found):  # corrected p-values depend on who else was asked
        ours = [m for m in found.metrics if m.model == "oracle" and m.versus is None]
        return [m for m in ours if not m.metric.endswith("_holm")]

    assert measured(again) == measured(result)


def test_collapsed_latents_read_nothing(doubles, suite, cache):
    checkpoint = checkpoint_from_model("flat", doubles["constant"]())
    asked = with_probe(suite, train=10, validation=5, test=5, controls=())
    found = run("probe", [checkpoint], asked, cache=cache)
    r2 = one(found, metric="r2", **LINEAR)
    r = one(found, metric="pearson_r", **LINEAR)
    assert r2.value <= 0 and r.value is None


def test_on_request(oracle, small, cache):
    asked = with_probe(
        small,
        quantities=("agent_position",),
        train=24,
        controls=(),
        imagined_horizons=(2,),
        train_frames=(40, 100_000),
        held_out_region=True,
    )
    found = run("probe", [oracle], asked, cache=cache)
    imagined = one(
        found,
        subject="agent_position",
        features="imagined",
        method="linear",
        horizon=2,
        metric="r2",
    )
    assert imagined.value > 0.9
    few = one(found, metric="r2", window="train_frames", **LINEAR)
    assert few.dose == 40.0  # five trajectories of eight frames; the larger size does not exist
    assert few.value > 0.95
    region = one(found, metric="rmse", window="held_out_region", **LINEAR)
    assert region.value < 3  # a line goes on where no training frame was
    assert region.n <= 10


def test_over_training(make_lewm, small, tmp_path):
    for step in (0, 5, 10):
        meta = Origin(family="lewm", world="two-room", seed=1, step=step)
        path = tmp_path / "run" / "checkpoints" / f"step_{step:07d}.safetensors"
        save_checkpoint(path, make_lewm(step), meta=meta)
    asked = with_probe(small, quantities=("agent_position",), controls=())
    found = run("probe", load_checkpoints([f"lewm={tmp_path / 'run'}"]), asked, cache=LatentCache())
    assert [m.step for m in pick(found, metric="pearson_r", **LINEAR)] == [10, 0, 5]
    assert {m.method for m in found.metrics if m.step in (0, 5)} == {"linear"}
    without = run(
        "probe",
        load_checkpoints([f"lewm={tmp_path / 'run'}"]),
        asked,
        cache=LatentCache(),
        curve=False,
    )
    assert {m.step for m in without.metrics} == {10}


def test_unknown_names(oracle, suite, cache):
    with pytest.raises(UsageError) as error:
        run("probe", [oracle], with_probe(suite, quantities=("agent_angle",)), cache=cache)
    assert str(error.value) == (
        "Unknown quantity 'agent_angle'. Known: agent_position, agent_velocity, goal_position."
    )
    with pytest.raises(UsageError) as error:
        run("probe", [oracle], with_probe(suite, controls=("random_weight",)), cache=cache)
    assert str(error.value) == (
        "Unknown probe control 'random_weight'. Did you mean 'random_weights'? "
        "Known: mean, pixel_pca, random_weights, time_index."
    )


def test_latents_that_are_not_finite(doubles, suite, cache):
    class Broken(doubles["constant"]):
        def encode(self, observation):
            return super().encode(observation) * torch.nan

    with pytest.raises(UserError) as error:
        run(
            "probe",
            [checkpoint_from_model("broken", Broken(family="pldm"))],
            with_probe(suite, train=10, validation=5, test=5),
            cache=cache,
        )
    assert str(error.value) == (
        "The latents (z) of broken hold 320 NaN or infinite values of 320. Finite ones were "
        "expected: the checkpoint diverged in training or is damaged. Give an earlier checkpoint "
        "of the run, or train it again with a lower learning rate."
    )


def test_the_paper_row_of_an_angle(oracle, suite, monkeypatch):
    """TwoRoom has no angle; its heading from the centre stands in for one."""
    from lewm_probe.analyses.engine.asked.trajectories import suite_trajectories
    from lewm_probe.worlds import make_world
    from lewm_probe.worlds.base import Quantity

    world = make_world("two-room")
    bearing = Quantity("rad", ("theta",), "angle")
    quantities = {**world.quantities, "bearing": bearing}
    monkeypatch.setattr(type(world), "quantities", quantities)

    def with_bearing(suite, size):
        found = trajectories(suite, size)
        return found.map(lambda t: replaced(t))

    def replaced(t):
        offset = t.state["agent_position"] - 112
        theta = np.arctan2(offset[..., 1], offset[..., 0])[..., None]
        return type(t)(**{**vars(t), "state": {**t.state, "bearing": theta}})

    trajectories = measure.probe_trajectories
    monkeypatch.setattr(measure, "probe_trajectories", with_bearing)
    assert suite_trajectories  # the real ones are asked, only their state is extended
    asked = with_probe(suite, quantities=("bearing",), train=30, validation=8, test=10, controls=())
    found = run("probe", [oracle], asked, cache=LatentCache())
    degrees = one(found, subject="bearing", features="z", method="linear", metric="angle_error_deg")
    assert degrees.unit == "deg" and 0 < degrees.value < 45
    raw = one(found, subject="bearing_raw", features="z", method="linear", metric="rmse")
    assert raw.unit == "rad"
    assert pick(found, subject="bearing_change", features="dz", method="linear", metric="mse")
