"""The whole analysis on doubles that know the world, on one that collapsed, and on a tiny LeWM."""

from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.plan.settings import PlanSettings
from lewm_probe.core.errors import UsageError
from lewm_probe.reports.page.write import write_report
from lewm_probe.reports.results_view import views
from lewm_probe.results.analyses import ANALYSES
from lewm_probe.results.result import Result
from lewm_probe.stats.ranks import wilson
from lewm_probe.stats.shares import matched_p

FEW = {
    "pairs": 5,
    "evaluations": 2,
    "horizon": 5,
    "execute": 5,
    "samples": 40,
    "iterations": 4,
    "elites": 6,
    "monotone": 12,
    "budgets": ("8x1", "80x4"),
    "oracle_pairs": 2,
    "oracle_samples": 8,
    "oracle_iterations": 2,
}


@pytest.fixture(scope="module")
def asked(suite):
    changed = suite.clean.model_copy(update={"trajectories": 12, "frames": 10})
    return suite.model_copy(update={"plan": PlanSettings.model_validate(FEW), "clean": changed})


@pytest.fixture(scope="module")
def cache():
    return LatentCache()


@pytest.fixture(scope="module")
def checkpoints(doubles, make_lewm):
    return [
        checkpoint_from_model("oracle", doubles["oracle"]()),
        checkpoint_from_model("constant", doubles["constant"]()),
        checkpoint_from_model("lewm", make_lewm()),
    ]


@pytest.fixture(scope="module")
def result(checkpoints, asked, cache):
    return run("plan", checkpoints, asked, cache=cache)


def pick(result, metric, **keys):
    wanted = {"metric": metric, "control": None, "versus": None, "dose": None, **keys}
    (found,) = [m for m in result.metrics if all(getattr(m, k) == v for k, v in wanted.items())]
    return found


def rows_of(result, metric, **keys):
    rows = result.rows[result.rows["metric"] == metric]
    for key, value in {"control": None, "dose": None, **keys}.items():
        rows = rows[rows[key].isna() if value is None else rows[key] == value]
    return rows


AT = {"subject": "released", "window": "any"}


def test_who_knows_the_world_reaches_more_goals_than_who_collapsed(result):
    knows = pick(result, "success_rate", model="oracle", **AT)
    assert knows.value >= 0.8 and knows.n == 10 and knows.higher_is_better
    assert pick(result, "success_rate", model="constant", **AT).value <= 0.5
    assert pick(result, "success_rate", model="oracle", control="recorded_actions", **AT).value == 1
    still = pick(result, "success_rate", model="oracle", control="do_nothing", **AT)
    assert still.value == 0


def test_rates_are_those_of_the_rows_with_wilsons_interval(result):
    for model in ("oracle", "constant", "lewm"):
        for control in (None, "random_policy", "copy_action"):
            keys = {"model": model, "subject": "strict", "window": "end", "control": control}
            metric = pick(result, "success_rate", **keys)
            won = rows_of(result, "success", **keys)["value"].astype(float)
            low, high = wilson(int(won.sum()), len(won))[1:3]
            assert (metric.value, metric.ci_low) == pytest.approx((won.mean(), low))
            assert metric.ci_high == pytest.approx(high)


def test_every_model_and_floor_tries_the_same_pairs(result):
    rows = result.rows[result.rows["metric"] == "success"]
    oracles = ("same_setting", "true_dynamics", "true_state")
    for _, part in rows.groupby(["model", "control"], dropna=False):
        few = part["control"].iloc[0] in oracles if part["control"].notna().any() else False
        assert part["trajectory_id"].nunique() == (2 if few else 10)
    seeds = rows_of(result, "pair_seed", model="oracle")
    assert sorted(seeds["value"].tolist()) == [3.0] * 5 + [4.0] * 5


def test_floors_of_models_that_cannot_be_built_anew_are_missing_and_told(result):
    floors = {
        model: {
            m.control
            for m in result.metrics
            if m.metric == "success_rate" and m.model == model and m.control
        }
        for model in ("oracle", "lewm")
    }
    assert floors["lewm"] - floors["oracle"] == {"random_weights"}
    assert {"pixel_pca", "other_goal", "random_policy"} <= floors["oracle"]
    (note,) = [n for n in result.provenance[0].notes if "oracle" in n and "floor" in n]
    assert note.startswith("oracle: the floor random_weights is missing")


def test_the_best_floor_is_named_and_tested_against_all(result):
    (over,) = [
        m
        for m in result.metrics
        if m.metric == "success_rate_over_floor"
        and (m.model, m.subject, m.window) == ("oracle", "released", "any")
    ]
    own = rows_of(result, "success", model="oracle", **AT).set_index("trajectory_id")["value"]
    rates, ps = {}, []
    for control in ("random_policy", "do_nothing", "copy_action", "pixel_pca", "other_goal"):
        there = rows_of(result, "success", model="oracle", control=control, **AT)
        other = there.set_index("trajectory_id")["value"].loc[own.index]
        rates[control] = float(other.mean())
        ps.append(matched_p(own.to_numpy() > 0, other.to_numpy() > 0))
    assert rates[over.versus] == max(rates.values())
    assert over.value == pytest.approx(own.mean() - max(rates.values()))
    p = pick(result, "p_noticed", model="oracle", versus=over.versus, **AT)
    assert p.value == pytest.approx(max(ps))
    tests = [m for m in result.metrics if m.metric in ("p_noticed", "p_beyond")]
    assert len(tests) == 2 * 3  # two a checkpoint, and no more


def test_the_cost_of_who_knows_the_world_grows_with_the_distance(result):
    for features in ("imagined", "encoded"):
        at = {"metric": "cost_distance_spearman", "features": features}
        assert pick(result, model="oracle", **at).value > 0.8
        constant = pick(result, model="constant", **at)
        assert constant.value is None and constant.n == 0


def test_perfect_dynamics_and_a_perfect_latent_do_not_plan_worse(result):
    rates = {
        control: pick(result, "success_rate", model="oracle", control=control, **AT).value
        for control in ("same_setting", "true_dynamics", "true_state")
    }
    assert min(rates["true_dynamics"], rates["true_state"]) >= rates["same_setting"] - 0.5


def test_models_are_compared_on_the_same_pairs(result):
    keys = {"model": "oracle", "versus": "constant", "method": "cem", **AT}
    difference = pick(result, "success_rate", **keys)
    first, second = (
        pick(result, "success_rate", model=m, **AT).value for m in ("oracle", "constant")
    )
    assert difference.value == pytest.approx(first - second)
    assert difference.n == 10 and difference.ci_low is not None


def test_it_is_remembered_with_its_pairs(checkpoints, asked, cache, result, monkeypatch):
    import lewm_probe.analyses.plan.measure as module

    def never(*args, **kwargs):
        raise AssertionError("tried again")

    monkeypatch.setattr(module, "control", never)
    again = run("plan", checkpoints, asked, cache=cache)
    assert again.frame().equals(result.frame())
    other = asked.model_copy(update={"seed": 4})
    with pytest.raises(Exception, match="tried again"):
        run("plan", checkpoints[:1], other, cache=cache)


def test_only_declared_names_are_written(result):
    declared = ANALYSES.get("plan").metrics
    assert {m.metric for m in result.metrics} <= declared
    assert {m.window for m in result.metrics if m.window} == {"any", "end"}


def test_stored_rows_are_compared_like_fresh_ones(result):
    part = ANALYSES.get("plan")
    rows = result.rows[result.rows["model"] == "oracle"]
    samples = part.load("samples")(rows, 0.0)
    assert len(samples) == 4  # two rules, two moments
    for key, sample in samples.items():
        keys = dict(key)
        at = {k: keys[k] for k in ("subject", "window", "method")}
        rate = pick(result, "success_rate", model="oracle", **at)
        assert sample.values.to_numpy().mean() == pytest.approx(rate.value)
    assert part.load("compared") == {"success_rate"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"solver": "cme"},
            "Unknown solver 'cme'. Did you mean 'cem'? Known: categorical_cem, cem, gradient, "
            "icem, mppi, shooting.",
        ),
        (
            {"solver": "categorical_cem"},
            "The solver 'categorical_cem' does not search among continuous actions, which this "
            "world has. Choose one of cem, gradient, icem, mppi, shooting with --solver.",
        ),
        (
            {"samples": 4},
            "The solver 'cem' was asked for with elites (6) are the best of samples (4), and "
            "cannot be more. It takes samples, iterations, elites, sigma.",
        ),
        (
            {"solver": "gradient"},
            "The solver 'gradient' was asked for with elites: which it does not have. It takes "
            "samples, iterations, learning_rate.",
        ),
    ],
)
def test_a_slip_is_told_before_anything_is_simulated(
    checkpoints, asked, changes, message, monkeypatch
):
    import lewm_probe.analyses.plan.measure as module

    monkeypatch.setattr(module, "all_pairs", lambda *a: pytest.fail("pairs were drawn"))
    plan = PlanSettings.model_validate({**FEW, **changes})
    with pytest.raises(UsageError) as caught:
        run("plan", checkpoints, asked.model_copy(update={"plan": plan}), cache=LatentCache())
    assert str(caught.value) == message


def test_the_page_says_whether_floors_are_beaten(result, tmp_path):
    (view,) = views(result)
    (question,) = ANALYSES.get("plan").load("report").questions(view)
    verdicts = {one.model: one for one in question.verdicts}
    assert verdicts["oracle"].answer in ("yes", "noticed")
    assert verdicts["constant"].answer in ("no", "not shown")
    assert "best floor: " in verdicts["oracle"].sentence
    write_report([result], tmp_path)
    page = (tmp_path / "report.html").read_text()
    for said in (
        "Success against the planning budget",
        "Success of planning",
        "What limits planning",
        "Distance to the goal",
    ):
        assert said in page


def test_results_come_back_whole(result, tmp_path):
    result.save(tmp_path / "kept")
    again = Result.load(tmp_path / "kept")
    assert again.frame().equals(result.frame())
    assert np.isfinite(again.rows["value"].astype(float)).all()


def test_more_is_reached_with_more_imagined(result):
    rates = [
        pick(result, "success_rate", model="oracle", dose=dose, **AT).value
        for dose in (8.0 * 1 * 5, 80.0 * 4 * 5)
    ]
    assert rates[0] <= rates[1] and rates[1] >= 0.8


def test_films_show_what_came_and_what_was_imagined(result, asked):
    came, imagined = (
        result.images[f"plan-two-room-success-{row}-oracle-x-x"] for row in ("came", "imagined")
    )
    assert came.shape == imagined.shape == (12, 64, 64, 3)  # the start, ten blocks, the goal
    np.testing.assert_array_equal(came[[0, -1]], imagined[[0, -1]])
    # Who knows the world imagines what comes, up to the nearest frame that there is.
    red = [np.argwhere(s[..., 0].astype(int) - s[..., 1] > 100) for s in (came, imagined)]
    middles = [[one[one[:, 0] == k, 1:].mean(0) for k in range(12)] for one in red]
    far = np.linalg.norm(np.subtract(*middles), axis=1)  # px of a 64 px image
    assert np.median(far) < 8  # of 120 frames; places at random lie some 20 apart
    assert "plan-two-room-failure-came-constant-x-x" in result.images
