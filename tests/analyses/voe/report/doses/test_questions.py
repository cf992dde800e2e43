from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lewm_probe.analyses.voe.report.doses.questions import dose_questions, noticed_from
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.verdicts.judging import Verdict
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

Stimuli = Callable[..., WorldView]
SUBJECT = "dose_teleport_agent"


@pytest.fixture
def changed(dosed_result: Result, change: Callable[..., Result]) -> Stimuli:
    def make(update: Callable[[Metric], dict[str, Any]] = lambda m: {}, **keys: Any) -> WorldView:
        return views(change(dosed_result, update=update, **keys))[0]

    return make


def reported(view: WorldView, model: str = "lewm") -> Verdict:
    (question,) = [q for q in dose_questions(view) if q.key == f"dose-{SUBJECT}"]
    (verdict,) = [v for v in question.verdicts if v.model == model]
    return verdict


def sentence(verdict: Verdict) -> str:
    return verdict.sentence.replace("\N{NO-BREAK SPACE}", " ")


def test_violations_of_physics_are_asked_about_and_colours_are_not(push_t: WorldView) -> None:
    assert [question.key for question in dose_questions(push_t)] == [
        "dose-dose_teleport_agent",
        "dose-dose_teleport_block",
        "dose-dose_fast_forward_agent",
    ]


def test_the_smallest_dose_is_named_with_its_numbers(push_t: WorldView) -> None:
    at = {"subject": SUBJECT, "model": "lewm", "window": "onset", "dose": 0.02}
    own = push_t.mean("voe", "auroc", **at)
    baseline = push_t.mean("voe", "auroc", control="copy_last", **at)
    assert own is not None
    assert baseline is not None
    assert own.low is not None
    assert own.high is not None
    assert sentence(reported(push_t)) == (
        "Yes, in all 2 of these checkpoints. First at 2 % of the arena’s width; AUROC at 2 % "
        f"{own.value:.3f} [{own.low:.3f}, {own.high:.3f}], copying the last latent "
        f"{baseline.value:.3f}; n = 200."
    )


def test_beating_copy_last_below_chance_is_not_noticing(changed: Stimuli) -> None:
    def below(m: Metric) -> dict[str, Any]:
        mine = m.subject == SUBJECT and m.metric == "auroc" and m.control is None
        return {"value": 0.5, "ci_low": 0.45, "ci_high": 0.55} if mine else {}

    view = changed(below)
    assert reported(view).answer == "not shown"
    assert noticed_from(view, SUBJECT, "lewm", 0) is None
    assert sentence(reported(view)).startswith(
        "Not shown in any of these checkpoints. Copy-last is beaten, but AUROC is not above 0.5 "
        "there; AUROC at 50 % 0.500 [0.450, 0.550], copying the last latent "
    )


def test_checkpoints_may_disagree(changed: Stimuli) -> None:
    def second(m: Metric) -> dict[str, Any]:
        if m.subject != SUBJECT or m.train_seed != 1 or m.metric != "delta_auroc_over_copy_last":
            return {}
        return {"ci_low": -0.1 if (m.dose or 0) < 0.05 else 0.1}

    view = changed(second)
    assert [noticed_from(view, SUBJECT, "lewm", seed) for seed in (0, 1)] == [0.02, 0.05]
    assert "First at 2 % – 5 % of the arena’s width; AUROC at 5 % " in sentence(reported(view))

    def fails(m: Metric) -> dict[str, Any]:
        return {"ci_low": -0.1} if second(m) else {}

    assert reported(changed(fails)).answer == "mixed"


def test_a_loss_at_every_dose_is_no(changed: Stimuli) -> None:
    def worse(m: Metric) -> dict[str, Any]:
        mine = m.subject == SUBJECT and m.metric == "delta_auroc_over_copy_last"
        return {"value": -0.2, "ci_low": -0.3, "ci_high": -0.1} if mine else {}

    assert reported(changed(worse)).answer == "no"


def test_without_intervals_nothing_is_shown(changed: Stimuli) -> None:
    view = changed(lambda m: {"ci_low": None, "ci_high": None})
    assert reported(view).answer == "not shown"
    assert noticed_from(view, SUBJECT, "lewm", 0) is None


def test_a_model_without_doses_was_not_measured(changed: Stimuli) -> None:
    view = changed(keep=lambda m: m.model != "pldm" or m.dose is None)
    assert reported(view, "pldm").answer == "not measured"
    assert dose_questions(changed(keep=lambda m: m.dose is None)) == []


def test_the_rule_says_that_it_is_exploratory(push_t: WorldView) -> None:
    assert dose_questions(push_t)[0].rule == (
        "At some dose the 95 % interval of ΔAUROC over copy-last lies above 0, and that of AUROC "
        "above 0.5; the smallest such dose is named. Exploratory: several doses are looked at, "
        "without adjustment."
    )
