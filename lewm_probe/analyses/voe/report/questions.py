"""Questions about surprise: teleports far and near, other violations, colour, actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lewm_probe.analyses.voe.report.baselines import ONSET, best, best_gain, known, shown
from lewm_probe.analyses.voe.report.contrast import color_question
from lewm_probe.analyses.voe.report.doses.questions import dose_questions
from lewm_probe.analyses.voe.report.tables import stays_raised, times
from lewm_probe.reports import formatting
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.verdicts.judging import (
    Answer,
    Rule,
    Shown,
    Verdict,
    VerdictQuestion,
    alpha,
    clause,
    graded,
    p_clause,
    sample_clause,
)
from lewm_probe.results.cards import Card

DOSES_AT, COLOR_AT = 25, 55
"""Where questions about doses, and the one about colour, stand among those of the cards' orders."""


def questions(view: WorldView) -> list[VerdictQuestion]:
    """All of them, in the order in which a reader asks: as the cards of conditions say."""
    found: list[tuple[float, VerdictQuestion]] = []
    for condition in view.conditions():
        card = view.card(condition)
        if card is not None and card.question:
            found.append((card.order, _asked(view, condition, card)))
    found += [(DOSES_AT, one) for one in dose_questions(view)]
    found += [(COLOR_AT, one) for one in color_question(view)]
    return [question for _, question in sorted(found, key=lambda one: one[0])]


_OBSTACLES = {("two-room", "agent"): "a wall", ("push-t", "block"): "the agent"}
"""What a body passes through: (world, body)."""


def _filled(view: WorldView, condition: str, told: str) -> str:
    """A card's text with what it leaves open; nothing else in it is looked up."""
    who = view.body(condition)
    alike = [c for c in view.conditions() if view.kind(c) == view.kind(condition)]
    dose = view.stated(condition).get("dose")
    words = {
        "{of}": f" of {who}" if len(alike) > 1 and who else "",
        "{who}": who or "body",
        "{pushed}": "" if who == "agent" else " when pushed",
        "{through}": _OBSTACLES.get((view.world, who), "what is solid"),
        "{far}": f" {formatting.percent(dose)} of the arena’s width" if dose else " far",
        "{alpha}": f"{alpha(view):g}",
    }
    for name, word in words.items():
        told = told.replace(name, word)
    return told


def _asked(view: WorldView, condition: str, card: Card) -> VerdictQuestion:
    """Whether a condition was noticed, of every model, beyond every baseline."""

    def seen(model: str, seed: int | None) -> Shown:
        return shown(view, condition, model, seed)

    rule = Rule(required=known(view))
    verdicts = tuple(
        graded(
            view,
            model,
            seen,
            rule,
            lambda answer, model=model: _evidence(view, condition, model, answer),  # type: ignore[misc]
            lambda names, model=model: best(view, names, subject=condition, model=model),  # type: ignore[misc]
        )
        for model in view.models
    )
    verdicts = tuple(_with_doubt(view, condition, one) for one in verdicts)
    key = view.kind(condition).replace("_", "-")
    question, told = (_filled(view, condition, text) for text in (card.question, card.rule))
    return VerdictQuestion(f"{key}-{condition}", question, told, verdicts, "voe", condition)


def _with_doubt(view: WorldView, condition: str, one: Verdict) -> Verdict:
    """Says in a few words, too, that it may be the image that is new."""
    if not never_seen(view, condition, one.model, one.answer):
        return one
    return replace(one, brief=f"{one.brief}; perhaps an image that it never saw")


def _evidence(view: WorldView, condition: str, model: str, answer: Answer) -> Sequence[str]:
    """AUROC, what it is beyond the best baseline, p, n; and whether surprise stays raised."""
    at = {"subject": condition, "model": model}
    auroc = view.mean("voe", "auroc", window=ONSET, **at)
    clauses = [clause("AUROC at onset", auroc, 3)]
    if gain := best_gain(view, **at):
        clauses.append(clause(f"gain over the best baseline ({gain[0].told})", gain[1], 3))
    found = [shown(view, condition, model, seed) for seed in view.checkpoints(model)]
    clauses += [p_clause(view, found, answer), sample_clause(auroc)]
    return ["; ".join(filter(None, clauses)), never_seen(view, condition, model, answer)]


def never_seen(view: WorldView, condition: str, model: str, answer: Answer) -> str:
    """What a rise that stays says of a condition that changes images: it may be the image.

    It does not where the violation itself goes on, as while a body is frozen, nor where the rise is
    not shown to be larger than what the suite counts as no effect (``stays_raised``).
    """
    card = view.card(condition)
    if answer not in ("yes", "noticed") or view.expectation(condition) == "action":
        return ""
    if card is not None and card.lasts:
        return ""
    at = {"subject": condition, "model": model}
    steady = view.mean("voe", "delta_log_surprise", window="steady", **at)
    if steady is None or not stays_raised(view, condition, model):
        return ""
    return (
        "it may be an image that it never saw, not a broken expectation: surprise stays raised, "
        f"{times(steady)} in the steady state"
    )
