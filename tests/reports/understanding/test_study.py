from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lewm_probe.core.errors import UserError
from lewm_probe.reports.understanding.study import Asked, Study, needed, studies
from lewm_probe.results.result import Result, merge
from tests.reports.understanding.made import make_planned


@pytest.fixture(scope="module")
def study() -> Study:
    (made,), notes = studies(make_planned(), Asked())
    assert notes == []
    return made


def refusal(result: Result, asked: Asked | None = None) -> str:
    with pytest.raises(UserError) as caught:
        studies(result, asked or Asked())
    return str(caught.value)


def test_what_goes_with_success_is_shown_and_what_does_not_is_not(study: Study) -> None:
    assert [(one.measured.name, one.shown) for one in study.confirmatory] == [
        ("position_r2", True),
        ("action_swap_auroc", False),
        ("rollout_error", True),
    ]
    assert all(one.rightly for one in study.confirmatory if one.shown)
    assert (study.best.measured.name if study.best else None) == "position_r2"
    assert study.loss is not None
    assert study.loss.gain == (None, None, None, 0)
    assert all(one.p is None and one.p_holm is None for one in study.exploratory)


def test_numbers_are_scipys(study: Study) -> None:
    for one in study.found:
        theirs = stats.spearmanr(one.measured.values, study.success).statistic
        assert one.rho.value == pytest.approx(theirs)
    loss = study.loss.rho.value if study.loss else None
    first = study.found[0]
    assert first.gain.value == pytest.approx(abs(first.rho.value or 0) - abs(loss or 0))
    steps = [checkpoint.step for checkpoint in study.checkpoints]
    xy, xz, yz = (
        stats.spearmanr(a, b).statistic
        for a, b in (
            (first.measured.values, study.success),
            (first.measured.values, steps),
            (study.success, steps),
        )
    )
    by_hand = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert first.partial.value == pytest.approx(by_hand)


def test_holm_is_over_the_confirmatory_measures(study: Study) -> None:
    p = [one.p or 0 for one in study.confirmatory]
    assert max(p) == study.confirmatory[1].p_holm
    assert study.confirmatory[0].p_holm == pytest.approx(min(1, 3 * min(p)))


def test_checkpoints_runs_and_families(study: Study) -> None:
    assert (len(study.checkpoints), study.runs) == (24, 12)
    assert [(k, look.label) for k, look in study.looks.items()] == [
        ("lewm", "LeWM"),
        ("pldm", "PLDM"),
        ("straightened", "straightened"),
    ]
    assert {family: found[0].n for family, found in study.by_family.items()} == {
        "lewm": 12,
        "pldm": 6,
        "straightened": 6,
    }
    assert study.by_family["lewm"][0].rho.low is not None
    assert study.by_family["pldm"][0].rho.low is None  # of three runs
    assert study.by_family["pldm"][0].p is None


def test_the_same_seed_gives_the_same_numbers(study: Study) -> None:
    (again,), _ = studies(make_planned(), Asked())
    assert [one.rho for one in again.found] == [one.rho for one in study.found]
    (other,), _ = studies(make_planned(), Asked(), seed=1)
    assert [one.rho.value for one in other.found] == [one.rho.value for one in study.found]
    assert other.found[0].rho.low != study.found[0].rho.low


def test_measures_and_planning_may_lie_in_different_folders(study: Study) -> None:
    apart = [make_planned(plan=False), make_planned(measure=False)]
    (made,), _ = studies(merge(map(needed, apart)), Asked())
    assert [one.rho for one in made.found] == [one.rho for one in study.found]


def test_what_is_needed_is_enough(study: Study) -> None:
    whole = make_planned()
    kept = needed(whole)
    assert len(kept.metrics) < len(whole.metrics)
    (made,), _ = studies(kept, Asked())
    assert [one.rho for one in made.found] == [one.rho for one in study.found]


def test_controls_and_other_windows_are_not_taken_for_the_model() -> None:
    whole = make_planned()
    rows = whole.rows
    rows.loc[(rows["window"] == "end") | rows["control"].notna(), "value"] = 0.0
    (made,), _ = studies(whole, Asked())
    assert made.success.max() > 0.5
    assert refusal(whole, Asked(window="late")) == (
        "No checkpoint of these results has planned with the solver 'cem' under the rule "
        "'released' in the window 'late'. They hold (solver / rule / window): cem / released / "
        "any; cem / released / end. Choose one of them with --solver, --rule and --window, or plan "
        "with that solver by `lewm-probe plan`."
    )


def test_a_study_a_world_and_why_another_has_none() -> None:
    few = make_planned([("lewm", "lewm", (1, 2), (300,))], world="push-t")
    made, notes = studies(merge([make_planned(), few]), Asked())
    assert [one.world for one in made] == ["two-room"]
    assert notes == [
        "Only 2 checkpoints of Push-T have both planning success and a measure of understanding (2 "
        "planned, 2 measured), and at least 5 are needed to speak of a correlation. Plan with more "
        "of the measured checkpoints (`lewm-probe plan`), or measure more of those that planned "
        "(`lewm-probe audit`), and give all their folders together."
    ]
    assert refusal(few) == notes[0]
    both, notes = studies(merge([make_planned(), make_planned(world="push-t")]), Asked())
    assert ([one.title for one in both], notes) == (["TwoRoom", "Push-T"], [])


def test_checkpoints_without_measures_are_left_out_and_said() -> None:
    planned = make_planned(measure=False)
    part = make_planned(plan=False)
    measured = Result(
        part.provenance,
        part.models,
        [metric for metric in part.metrics if metric.train_seed != 3],
    )
    (made,), _ = studies(merge([planned, measured]), Asked())
    assert len(made.checkpoints) == 16
    assert made.notes == ("8 of 24 checkpoints that planned were not measured and are left out.",)


def test_pairs_that_some_lack() -> None:
    whole = make_planned()
    rows = whole.rows
    gone = (rows["model"] == "pldm") & (rows["trajectory_id"] == "p0")
    lacking = Result(whole.provenance, whole.models, whole.metrics, rows[~gone])
    (made,), _ = studies(lacking, Asked())
    assert made.notes == (
        "6 of 24 checkpoints lack some of the 60 pairs; their success is over those that they "
        "have.",
    )
    apart = rows.copy()
    apart["trajectory_id"] = apart["model"] + apart["trajectory_id"]
    assert refusal(Result(whole.provenance, whole.models, whole.metrics, apart)) == (
        "The checkpoints of TwoRoom have no start–goal pair in common, so their success cannot be "
        "compared. Plan with all of them on the same pairs (`lewm-probe plan --pairs FILE`)."
    )


def test_no_planning_no_rows_and_impossible_rows() -> None:
    assert refusal(make_planned(plan=False)) == (
        "These results hold no planning. Run `lewm-probe plan` with the checkpoints that were "
        "measured, and give the folder that it writes as well."
    )
    whole = make_planned()
    assert refusal(Result(whole.provenance, whole.models, whole.metrics)) == (
        "These results hold rates of planning success without the outcome of each pair, from which "
        "their uncertainty follows. Their rows*.parquet are missing; get the folders again from "
        "where they came, or run `lewm-probe plan` again."
    )
    whole.rows.loc[0, "value"] = 7.0
    assert refusal(whole) == (
        "The results of TwoRoom hold an outcome of planning that is neither 0 nor 1. They were "
        "changed after they were written; run `lewm-probe plan` again."
    )


def test_a_measure_that_few_have_has_no_correlation() -> None:
    whole = make_planned()
    kept = [m for m in whole.metrics if m.metric != "mse_over_copy_last" or m.model == "pldm"]
    kept = [m for m in kept if m.metric != "mse_over_copy_last" or m.train_seed != 3]
    (made,), _ = studies(Result(whole.provenance, whole.models, kept, whole.rows), Asked())
    rollout = made.confirmatory[2]
    assert (rollout.rho, rollout.p, rollout.p_holm) == ((None, None, None, 4), None, None)


def test_success_that_does_not_vary() -> None:
    whole = make_planned()
    whole.rows["value"] = 0.0
    (made,), _ = studies(whole, Asked())
    assert made.best is None
    assert all(one.rho.value is None and not one.shown for one in made.found)


def test_shown_needs_both_the_interval_and_p(study: Study) -> None:
    first = study.confirmatory[0]
    assert first.shown
    assert not replace(first, p_holm=0.06).shown
    assert not replace(first, rho=first.rho._replace(low=-0.1)).shown
    assert not replace(first, rho=first.rho._replace(low=None, high=None)).shown
