"""Does planning with the model reach goals that are not reached without it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lewm_probe.reports import labels
from lewm_probe.reports.means import means
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.verdicts.judging import (
    Answer,
    Rule,
    Shown,
    VerdictQuestion,
    alpha,
    clause,
    corrected,
    graded,
    only,
    p_clause,
    sample_clause,
)

_AT: dict[str, Any] = {"window": "any"}
_RULE = Rule(
    level=0.0,
    required=("strict",),
    yes="yes, by the strict rule too",
    noticed="by the released rule",
    simpler="not by the strict one",
)


def questions(view: WorldView) -> list[VerdictQuestion]:
    """Beyond every floor?"""
    if not view.pick("plan", "success_rate", **_AT):
        return []
    return [
        VerdictQuestion(
            "plan",
            "Does planning with it reach more goals than acting without what it learned?",
            "By the released rule: the share of pairs solved at any step, minus that of the best "
            "floor on the same pairs, lies above 0 (Newcombe’s 95 % interval), and the largest p "
            f"of one-sided McNemar tests against all floors is below {alpha(view):g} after Holm "
            "over all tests of this report. Yes: by the strict rule too. Floors: random actions, "
            "no actions, the last action again, and the same planner with random weights, with "
            "principal components of pixels, or shown another pair’s goal.",
            tuple(
                graded(
                    view,
                    model,
                    lambda model, seed: seen(view, model, seed),
                    _RULE,
                    lambda answer, model=model: _evidence(view, model, answer),  # type: ignore[misc]
                )
                for model in view.models
            ),
            "plan",
        )
    ]


def seen(view: WorldView, model: str, seed: int | None) -> Shown:
    """How far one checkpoint is above its floors."""
    at = {"model": model, "train_seed": seed}
    own, strict = (only(_over(view, rule, **at)) for rule in ("released", "strict"))
    tests = (("noticed", "released"), ("beyond", "strict"))
    ps = (
        corrected(view, "plan", which, subject=rule, versus=ANY, **_AT, **at)
        for which, rule in tests
    )
    return Shown(own, {"strict": strict} if strict else {}, *ps)


def _over(view: WorldView, rule: str, **keys: Any) -> list[Any]:
    at = {"subject": rule, "versus": ANY, **_AT, **keys}
    return view.pick("plan", "success_rate_over_floor", **at)


def _evidence(view: WorldView, model: str, answer: Answer) -> Sequence[str]:
    own = view.mean("plan", "success_rate", model=model, subject="released", **_AT)
    strict = view.mean("plan", "success_rate", model=model, subject="strict", **_AT)
    clauses = [clause("solved", own, 2), clause("by the strict rule", strict, 2)]
    floors = {row.versus for row in _over(view, "released", model=model) if row.versus is not None}
    if floors:
        said = labels.listing(sorted(labels.control(name) for name in floors), "or")
        over = _mean_over(view, model)
        clauses.append(f"best floor: {said}{over}")
    found = [seen(view, model, seed) for seed in view.checkpoints(model)]
    clauses += [p_clause(view, found, answer), sample_clause(own)]
    return ["; ".join(filter(None, clauses))]


def _mean_over(view: WorldView, model: str) -> str:
    found = means(_over(view, "released", model=model))
    return f", {clause('difference', found[0], 2)}" if found else ""
