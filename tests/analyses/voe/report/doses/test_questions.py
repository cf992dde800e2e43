from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lewm_probe.analyses.voe.report.doses.questions import dose_questions
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
    gain = push_t.mean("voe", "delta_auroc_over_copy_last", versus="copy_last", **at)
    copied = push_t.mean("voe", "auroc", control="copy_last", **at)
    assert own is not None
    assert gain is not None
    assert copied is not None
    assert sentence(reported(push_t)) == (
        "Yes, beyond every baseline, in both of these checkpoints. First at 2 % of the arena’s "
        f"width; AUROC at 2 % {own.value:.3f} ({own.low:.3f} – {own.high:.3f}); gain over the best "
        f"baseline (copy last, AUROC {copied.value:.3f}) {gain.value:.3f} ({gain.low:.3f} – "
        f"{gain.high:.3f}); largest Holm p < 0.0001; n = 200."
    )


def test_the_sweeps_own_p_decides(changed: Stimuli) -> None:
    def sweep(which: str, p: float) -> Verdict:
        mine = (f"p_{which}_holm", SUBJECT)
        return reported(changed(lambda m: {"value": p} if (m.metric, m.subject) == mine else {}))

    assert sweep("beyond", 0.2).answer == "noticed"
    assert sentence(sweep("beyond", 0.2)).startswith(
        "Noticed at some dose, but more than every baseline is not shown after Holm’s correction, "
        "in both of these checkpoints. First at 2 % "
    )
    assert sweep("noticed", 0.2).answer == "not shown"


def test_checkpoints_may_disagree(changed: Stimuli) -> None:
    def later(m: Metric) -> dict[str, Any]:
        mine = m.subject == SUBJECT and m.metric == "first_dose" and m.train_seed == 1
        return {"value": 0.05} if mine and m.model == "lewm" else {}

    text = sentence(reported(changed(later)))
    assert "First at 2 % – 5 % of the arena’s width; AUROC at 5 % " in text

    def fails(m: Metric) -> dict[str, Any]:
        mine = m.subject == SUBJECT and m.metric == "p_noticed_holm" and m.train_seed == 1
        return {"value": 0.3} if mine else {}

    assert reported(changed(fails)).answer == "mixed"


def test_without_a_first_dose_the_one_that_shows_most_is_told(changed: Stimuli) -> None:
    def none(m: Metric) -> dict[str, Any]:
        if m.subject != SUBJECT:
            return {}
        if m.metric == "first_dose":
            return {"value": None}
        below = m.metric == "auroc" and m.control is None
        return {"value": 0.4, "ci_low": 0.35, "ci_high": 0.45} if below else {}

    found = reported(changed(none))
    assert found.answer == "no"
    assert sentence(found).startswith("No, in both of these checkpoints. AUROC at 50 % 0.400 ")


def test_without_intervals_nothing_is_shown(changed: Stimuli) -> None:
    assert reported(changed(lambda m: {"ci_low": None, "ci_high": None})).answer == "not shown"


def test_a_model_without_doses_was_not_measured(changed: Stimuli) -> None:
    view = changed(keep=lambda m: m.model != "pldm" or m.dose is None)
    assert reported(view, "pldm").answer == "not measured"
    assert dose_questions(changed(keep=lambda m: m.dose is None)) == []


def test_the_rule_says_how_doses_are_corrected(push_t: WorldView) -> None:
    assert dose_questions(push_t)[0].rule == (
        "At some dose AUROC at onset lies above 0.5, and for “yes” its gain over every baseline "
        "above 0 as well (95 % intervals). P is the smallest over doses after Holm over the "
        "doses, and corrected again over all tests of this report: below 0.05. The first dose "
        "named is the smallest at which all of that holds after Holm over the doses."
    )
