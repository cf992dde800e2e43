from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.jepa import JEPA
from lewm_probe.results.result import Result


@pytest.fixture(scope="module")
def result(suite, cache, doubles, make_lewm):
    oracle, constant = doubles["oracle"], doubles["constant"]
    checkpoints = [
        checkpoint_from_model("oracle", oracle()),
        checkpoint_from_model("constant", constant(family="pldm")),
        checkpoint_from_model("untrained", make_lewm()),
    ]
    return run("voe", checkpoints, suite, cache=cache)


@pytest.fixture(scope="module")
def table(result):
    return result.frame()


def pick(table: pd.DataFrame, **keys) -> pd.Series:
    """The one metric with these keys; control and versus do not apply unless asked for."""
    for key, value in {"control": None, "versus": None, **keys}.items():
        table = table[table[key].isna() if value is None else table[key] == value]
    assert len(table) == 1, f"{len(table)} metrics match {keys}"
    return table.iloc[0]


def rows_of(result: Result, model: str, checkpoint: str, horizon: int) -> pd.Series:
    rows = result.rows
    rows = rows[(rows["model"] == model) & (rows["subject"] == checkpoint)]
    rows = rows[(rows["horizon"] == horizon) & rows["control"].isna()]
    return rows.set_index("trajectory_id")["value"].astype(float)


# ---- what known models must give


@pytest.mark.parametrize("name", ["teleport_agent", "action_swap"])
def test_an_oracle_notices_what_breaks_dynamics(table, name):
    onset = pick(table, model="oracle", subject=name, metric="auroc", window="onset")
    assert onset.value > 0.9
    assert onset.n == 24
    gain = pick(
        table,
        model="oracle",
        subject=name,
        metric="delta_auroc_over_copy_last",
        window="onset",
        versus="copy_last",
    )
    assert gain.value > 0


def test_an_oracle_notices_step_sized_teleports_that_no_jump_detector_sees(table):
    keys = {"subject": "step_teleport_agent", "metric": "auroc", "window": "onset"}
    own = pick(table, model="oracle", **keys).value
    assert own > 0.85
    for control in ("copy_last", "pixel_difference"):
        assert own - pick(table, model="oracle", control=control, **keys).value > 0.3


def test_an_oracle_does_not_mind_colour(table):
    keys = {"model": "oracle", "subject": "color_agent"}
    assert abs(pick(table, metric="auroc", window="onset", **keys).value - 0.5) < 0.1
    assert pick(table, metric="p_equivalence", window="onset", **keys).value < 0.05
    direct = {"model": "oracle", "subject": "teleport_agent", "versus": "color_agent"}
    delta = pick(table, metric="delta_log_surprise", window="onset", **direct)
    assert delta.ci_low > 0
    assert pick(table, metric="p_ttest", window="onset", **direct).value < 1e-4


def test_an_oracles_surprise_at_a_teleport_decays(table):
    keys = {"model": "oracle", "subject": "teleport_agent", "metric": "delta_log_surprise"}
    onset = pick(table, window="onset", **keys)
    steady = pick(table, window="steady", **keys)
    assert onset.value > 4
    assert abs(steady.value) < 0.3 * onset.value


def test_baselines_are_blind_to_swapped_actions(table):
    for control in ("copy_last", "linear_extrapolation", "pixel_difference"):
        keys = {"subject": "action_swap", "metric": "auroc", "window": "onset"}
        assert pick(table, model="oracle", control=control, **keys).value == 0.5


def test_a_collapsed_model_is_calm_everywhere_and_says_so(result, table):
    aurocs = table[(table.model == "constant") & (table.metric == "auroc") & table.control.isna()]
    assert len(aurocs) == 9 * 3
    assert (aurocs["value"] == 0.5).all()
    keys = {"model": "constant", "subject": "teleport_agent", "window": "onset"}
    assert np.isnan(pick(table, metric="d_z", **keys).value)
    assert np.isnan(pick(table, metric="p_ttest", **keys).value)
    ratio = pick(table, model="constant", subject="preflight", metric="clean_over_copy_last")
    assert np.isnan(ratio.value)
    assert pick(table, model="constant", metric="trace_cov").value == 0
    assert (
        "Preflight, constant: the latents do not change from frame to frame. The model has "
        "collapsed; its calm says nothing about physics."
    ) in result.provenance[0].notes


def test_collapse_stands_beside_the_surprise(table):
    assert pick(table, model="oracle", metric="effective_rank").value == pytest.approx(2, abs=0.5)
    preflight = {"model": "oracle", "subject": "preflight"}
    assert pick(table, metric="clean_over_copy_last", **preflight).value < 0.6
    assert pick(table, metric="action_swap_auroc", **preflight).value > 0.9


def test_models_that_cannot_be_rebuilt_have_no_random_encoder(result, table):
    assert "random_encoder" in set(table[table.model == "untrained"]["control"])
    assert "random_encoder" not in set(table[table.model == "oracle"]["control"])
    assert (
        "oracle: the baseline random_encoder is missing, because this kind of model cannot be "
        "built anew with random weights."
    ) in result.provenance[0].notes


# ---- numbers against independent calculations on the stored rows


@pytest.mark.parametrize("model", ["oracle", "untrained"])
def test_metrics_follow_from_the_rows(result, table, model):
    name, floor = "teleport_agent", 1e-8
    perturbed = rows_of(result, model, name, 0)
    reference = rows_of(result, model, "reference", 0)[perturbed.index]
    keys = {"model": model, "subject": name, "window": "onset"}
    labels = np.r_[np.ones(len(perturbed)), np.zeros(len(reference))]
    expected = roc_auc_score(labels, np.r_[perturbed, reference])
    assert pick(table, metric="auroc", **keys).value == pytest.approx(expected, abs=1e-6)
    wins = (perturbed > reference).mean() + 0.5 * (perturbed == reference).mean()
    assert pick(table, metric="pairwise_accuracy", **keys).value == pytest.approx(wins)
    delta = np.log(perturbed + floor) - np.log(reference + floor)
    d_z = delta.mean() / delta.std(ddof=1)
    assert pick(table, metric="d_z", **keys).value == pytest.approx(d_z, rel=1e-4)
    found = pick(table, metric="delta_log_surprise", **keys).value
    assert found == pytest.approx(delta.mean(), rel=1e-4)
    one_sided = stats.ttest_rel(
        np.log(perturbed + floor), np.log(reference + floor), alternative="greater"
    ).pvalue
    # Never more sure than Student alone: the transformation for skewness is tested in stats.
    assert one_sided * 0.999 <= pick(table, metric="p_ttest", **keys).value < 0.99
    raw = stats.ttest_rel(perturbed, reference, alternative="greater").pvalue
    assert raw * 0.999 <= pick(table, metric="p_ttest_raw", **keys).value < 1


def test_curves_are_means_of_the_rows(result, table):
    for name, horizon in (("reference", -1), ("color_agent", 2), ("teleport_agent", 0)):
        values = rows_of(result, "oracle", name, horizon)
        found = pick(table, model="oracle", subject=name, metric="surprise", horizon=horizon)
        assert found.value == pytest.approx(values.mean(), rel=1e-5)
        assert found.n == len(values)
        assert found.ci_low <= found.value <= found.ci_high


def test_curves_before_the_onset_are_the_references(table):
    curves = table[
        (table.metric == "surprise")
        & (table.model == "untrained")
        & (table.horizon < 0)
        & ~table.subject.isin(["frozen_agent", "step_teleport_agent"])  # onsets of their own
    ]
    spread = curves.groupby(["horizon", curves.control.fillna("")])["value"].agg(np.ptp)
    counts = curves.groupby(["horizon", curves.control.fillna("")])["n"].nunique()
    assert (spread[counts == 1] < 1e-12).all()
    assert len(spread) == 3  # horizons -3 to -1


def test_swapped_rows_differ_only_by_their_actions(result):
    swapped = result.rows[(result.rows["subject"] == "action_swap")]
    reference = result.rows[(result.rows["subject"] == "reference")]
    reference = reference[reference["horizon"] == 0]
    for control in ("copy_last", "pixel_difference"):
        same = (swapped["control"] == control) & swapped["method"].isna()
        a = swapped[same]["value"].to_numpy()
        b = reference[reference["control"] == control]["value"].to_numpy()
        np.testing.assert_array_equal(a, b)


def test_detection_on_the_reference_is_near_the_five_percent_asked_for(table):
    found = table[(table.metric == "detection_at_5fp") & (table.subject == "reference")]
    assert set(found["window"]) == {"onset"}
    assert found["value"].max() < 0.35  # 24 trajectories


def test_what_is_beyond_baselines_is_at_most_as_sure_as_what_is_noticed(table):
    tests = table[table.metric.isin(["p_noticed", "p_beyond"]) & table.versus.isna()]
    each = tests.pivot(index=["model", "subject"], columns="metric", values="value")
    asked = {"teleport_agent", "step_teleport_agent", "frozen_agent", "action_swap"}
    assert set(each.index.get_level_values("subject")) == asked
    assert (each["p_beyond"] >= each["p_noticed"]).all()
    assert each.loc["oracle", "step_teleport_agent"].max() < 0.01
    assert (each.loc["constant", "p_noticed"] == 0.5).all()


def test_a_detector_of_stillness_is_a_flipped_detector_of_motion(table):
    keys = {"model": "oracle", "subject": "frozen_agent", "window": "onset"}
    area = pick(table, metric="auroc", control="pixel_difference", **keys)
    sign = pick(table, metric="direction", control="pixel_difference", **keys)
    assert area.value < 0.1
    assert (sign.value, sign.n) == (-1, 20)
    gain = pick(
        table, metric="delta_auroc_over_pixel_difference", versus="pixel_difference", **keys
    )
    own = pick(table, metric="auroc", **keys).value
    assert gain.value == pytest.approx(own - (1 - area.value), abs=1e-9)
    assert "random_encoder" not in set(table[table.metric == "direction"].control)


def test_smallest_detectable_effects_are_told_by_condition(table):
    family = ((table.metric == "p_noticed") & table.dose.isna()).sum()
    found = pick(table, model="oracle", metric="smallest_detectable_d_z", subject="teleport_agent")
    from statsmodels.stats.power import TTestPower

    expected = TTestPower().solve_power(
        nobs=24, alpha=0.05 / family, power=0.8, alternative="larger"
    )
    assert (found.n, found.value) == (24, pytest.approx(expected))


# ---- invariants


def test_scaling_latents_leaves_ranks_and_normalised_surprise_alone(short_suite, cache, doubles):
    oracle = doubles["oracle"]
    checkpoints = [
        checkpoint_from_model("plain", oracle()),
        checkpoint_from_model("scaled", oracle("scaled", scale=64.0)),
    ]
    table = run("voe", checkpoints, short_suite, cache=cache).frame()
    plain, scaled = (table[table.model == n] for n in ("plain", "scaled"))
    keys = ["subject", "window", "control", "horizon", "versus", "metric"]
    same = ["auroc", "auroc_whitened", "pairwise_accuracy", "detection_at_5fp"]
    same += ["delta_auroc_over_copy_last", "surprise_over_chance", "clean_over_copy_last"]
    for metric in same:
        a = plain[plain.metric == metric].set_index(keys)["value"]
        b = scaled[scaled.metric == metric].set_index(keys)["value"]
        assert len(a) > 0
        # Latents are float32: rounding may flip a near tie.
        np.testing.assert_allclose(a, b, atol=0.02, rtol=1e-3)
    surprise = [t[t.metric == "surprise"].set_index(keys)["value"] for t in (plain, scaled)]
    own = [s[s.index.get_level_values("control").isna()] for s in surprise]
    np.testing.assert_allclose(own[0] * 64.0**2, own[1], rtol=1e-2)
    difference = table[(table.metric == "auroc_difference")]
    assert set(difference["versus"]) == {"scaled"}
    assert difference["value"].abs().max() < 0.02


def test_the_same_question_twice_gives_the_same_answer(short_suite, cache, doubles):
    checkpoint = checkpoint_from_model("oracle", doubles["oracle"]())
    first = run("voe", [checkpoint], short_suite, cache=cache)
    before = cache.misses
    second = run("voe", [checkpoint], short_suite, cache=cache)
    assert first.metrics == second.metrics
    pd.testing.assert_frame_equal(first.rows, second.rows)
    again = LatentCache()
    assert run("voe", [checkpoint], short_suite, cache=again).metrics == first.metrics
    assert again.misses > 0
    assert cache.misses == before


def test_methods_with_several_seeds_are_compared_over_seeds(short_suite, cache, make_lewm):
    checkpoints = [
        checkpoint_from_model(name, make_lewm(seed, family=name))
        for name in ("lewm", "pldm")
        for seed in (1, 2)
    ]
    result = run("voe", checkpoints, short_suite, cache=cache)
    table = result.frame()
    found = table[table.metric == "auroc_difference"]
    assert set(found["model"]) == {"lewm"}
    assert set(found["versus"]) == {"pldm"}
    assert found["train_seed"].isna().all()
    # The same seeds give the same random weights here, so the methods do not differ.
    assert (found["value"] == 0).all()
    assert (table[table.metric == "p_permutation"]["value"] == 1).all()
    (note,) = [n for n in result.provenance[0].notes if n.startswith("lewm (2 training seeds)")]
    assert note.startswith("lewm (2 training seeds) against pldm (2 training seeds): ")


def test_models_of_different_image_sizes_and_histories_see_the_same_cases(
    short_suite, cache, doubles
):
    oracle = doubles["oracle"]
    checkpoints = [
        checkpoint_from_model("large", oracle()),
        checkpoint_from_model("small", oracle(image_size=32, history=1)),
    ]
    result = run("voe", checkpoints, short_suite, cache=cache)
    large, small = (rows_of(result, n, "teleport_agent", 0) for n in ("large", "small"))
    assert large.index.tolist() == small.index.tolist()
    assert np.corrcoef(np.log(large), np.log(small))[0, 1] > 0.95
    assert result.images["film-two-room-reference"].shape == (8, 64, 64, 3)


# ---- what else a result holds


def test_filmstrips_show_one_case_perturbed_from_its_fourth_image_on(result, suite):
    names = ["reference", *(c.name for c in suite.voe.conditions)]
    assert list(result.images) == [f"film-two-room-{n}" for n in names]
    reference = result.images["film-two-room-reference"]
    assert reference.shape == (8, 64, 64, 3)
    for name in names[1:]:
        differs = (result.images[f"film-two-room-{name}"] != reference).any(axis=(1, 2, 3))
        assert not differs[:3].any()
        assert differs[3] or name == "action_swap"


def test_a_result_survives_the_disk_and_its_rows_are_small(result, tmp_path):
    result.save(tmp_path)
    again = Result.load(tmp_path)
    assert len(again.metrics) == len(result.metrics)
    assert (tmp_path / "rows.parquet").stat().st_size < 200_000
    rows = result.rows
    assert set(rows["horizon"].dropna()) <= set(range(-10, 10))
    assert set(rows["analysis"]) == {"voe"}
    assert rows["value"].notna().all()
    assert set(rows[rows["horizon"] < 0]["subject"]) == {"reference", "disjoint"}


def test_every_perturbed_onset_has_its_twin_in_the_rows(result):
    """Those of conditions with onsets of their own too: numbers can be made again from rows."""
    rows = result.rows
    at = ["model", "control", "method", "trajectory_id", "frame"]
    reference = rows[rows["subject"] == "reference"]
    assert not reference.duplicated(at).any()
    elsewhere = reference[reference["horizon"] != 0]
    assert set(elsewhere["control"].dropna()) > {"copy_last", "pixel_difference"}
    onset = rows[(rows["horizon"] == 0) & rows["dose"].isna()]
    onset = onset[~onset["subject"].isin(["reference", "disjoint", "preflight"])]
    moved = onset.merge(elsewhere, on=at, suffixes=("", "_of_reference"))
    assert {"frozen_agent"} <= set(moved["subject"]) <= {"frozen_agent", "step_teleport_agent"}
    twins = onset.merge(reference, on=at, suffixes=("", "_of_reference"))
    assert len(twins) == len(onset)


def test_every_metric_row_is_distinct(table):
    keys = ["model", "subject", "metric", "window", "control", "horizon", "versus"]
    assert not table.duplicated(keys).any()


@pytest.mark.parametrize("name", ["step_teleport_agent", "frozen_agent"])
def test_thresholds_gains_and_directions_follow_from_the_rows(result, table, name):
    """By other code: at moments found alike, and with baselines as the disjoint pairs say."""
    rows = result.rows[(result.rows["model"] == "untrained") & (result.rows.metric == "surprise")]
    keys = {"model": "untrained", "subject": name, "window": "onset"}
    mine = rows[rows["subject"] == name]
    twins = rows[rows["subject"] == "reference"]

    def onset(control, method):
        there = mine["control"].isna() if control is None else mine["control"] == control
        same = mine["method"].isna() if method is None else mine["method"] == method
        return mine[there & same & ((mine["horizon"] == 0) | mine["horizon"].isna())]

    def area(control, method=None):
        found = onset(control, method)
        at = ["control", "method", "trajectory_id", "frame"]
        both = found.merge(twins, on=at, suffixes=("", "_twin"))
        assert len(both) == len(found)
        labels = np.r_[np.ones(len(both)), np.zeros(len(both))]
        return roc_auc_score(labels, np.r_[both["value"], both["value_twin"]])

    own = area(None)
    for baseline in ("copy_last", "linear_extrapolation", "pixel_difference"):
        pairs, calm = (onset(baseline, f"direction {what}") for what in ("pairs", "twins"))
        labels = np.r_[np.ones(len(pairs)), np.zeros(len(calm))]
        sign = -1 if roc_auc_score(labels, np.r_[pairs["value"], calm["value"]]) < 0.5 else 1
        told = pick(table, metric="direction", control=baseline, **keys)
        assert (told.value, told.n) == (sign, len(pairs))
        other = area(baseline)
        expected = own - (other if sign == 1 else 1 - other)
        gain = pick(table, metric=f"delta_auroc_over_{baseline}", versus=baseline, **keys)
        assert gain.value == pytest.approx(expected, abs=1e-6)
    seeds = [area("random_encoder", f"seed {i}") for i in range(3)]
    found = pick(table, metric="auroc", control="random_encoder", **keys)
    assert found.value == pytest.approx(np.mean(seeds), abs=1e-6)
    clean = np.sort(onset(None, "disjoint")["value"].to_numpy(float))
    threshold = clean[int(np.ceil(0.95 * (len(clean) - 1)))]
    rate = (onset(None, None)["value"].to_numpy(float) > threshold).mean()
    assert pick(table, metric="detection_at_5fp", **keys).value == pytest.approx(rate, abs=1e-9)


# ---- bad input


def test_a_model_that_predicts_nan_is_named(suite, cache, doubles):
    checkpoint = checkpoint_from_model("broken", doubles["diverged"](train_seed=4))
    with pytest.raises(UserError) as error:
        run("voe", [checkpoint], suite, cache=cache)
    assert str(error.value) == (
        "The predicted latents of broken, training seed 4 hold 640 NaN or infinite values of 640. "
        "Finite ones were expected: the checkpoint diverged in training or is damaged. Give an "
        "earlier checkpoint of the run, or train it again with a lower learning rate."
    )


def test_names_in_the_suite_are_checked_before_any_work(suite, cache, oracle):
    statistics = suite.statistics.model_copy(update={"confirmatory": ("teleport_agnet",)})
    with pytest.raises(UsageError) as error:
        run("voe", [oracle], suite.model_copy(update={"statistics": statistics}), cache=cache)
    assert str(error.value) == (
        "Unknown confirmatory measure 'teleport_agnet'. Did you mean 'teleport_agent'? Known: "
        "action_swap, agent_position, background_color, blur, brightness, color_agent, "
        "frozen_agent, pixel_noise, step_teleport_agent, straightness, teleport_agent."
    )
    asked = suite.voe.model_copy(update={"baselines": ("copylast",)})
    with pytest.raises(UsageError) as error:
        run("voe", [oracle], suite.model_copy(update={"voe": asked}), cache=cache)
    assert str(error.value) == (
        "Unknown baseline 'copylast'. Did you mean 'copy_last'? Known: action_blind, "
        "copy_last, linear_extrapolation, pixel_difference, random_encoder."
    )


def test_statistics_that_do_not_fit_the_world_are_told(short_suite, tiny_config):
    def asked(std):
        statistics = ActionStatistics(mean=(0.0, 0.0), std=(std, std))
        model = JEPA(tiny_config, statistics, world="two-room")
        suite = short_suite.model_copy(
            update={"voe": short_suite.voe.model_copy(update={"baselines": ()})}
        )
        result = run("voe", [checkpoint_from_model("x", model)], suite, cache=LatentCache())
        sizes = {m.window: m.value for m in result.metrics if m.metric == "scaled_action_sd"}
        notes = [n for n in result.provenance[0].notes if "action statistics do not fit" in n]
        return sizes, notes

    true, reported = asked(0.87)
    assert reported == []
    assert true["min"] == pytest.approx(1.0, abs=0.1)
    tenfold, reported = asked(0.087)
    assert len(reported) == 1
    assert tenfold["max"] == pytest.approx(10 * true["max"], rel=1e-4)
